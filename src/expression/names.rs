//! What a path of names stands for: a part of the event, a field of the profile, or now.

use std::ops::Range;
use std::sync::Arc;

use super::model::Model;
use super::tree::{EventPart, Key, Member, Tree, Whose, is_of_product};
use super::{Environment, Expression, ExpressionError};
use crate::document::suggest::{closest, listed};
use crate::event::{EventName, PropertyId, Type, vocabulary};
use crate::measure::{Declarations, Point};
use crate::profile::segments::Standing;
use crate::profile::{FIELDS, KEYED_FIELDS, KeyedField};
use crate::table::Table;

/// A path such as `profile.interests["shoes"]`.
#[derive(Clone)]
pub struct Path {
    /// Its first name.
    pub root: String,
    /// The place of the first name.
    pub root_span: Range<usize>,
    /// What follows.
    pub segments: Vec<Segment>,
}

impl Path {
    /// As it is written with dots.
    pub fn dotted(&self) -> String {
        dotted(&self.root, &self.segments)
    }
}

/// One step of a path.
#[derive(Clone)]
pub struct Segment {
    /// The name or key.
    pub name: String,
    /// Its place.
    pub span: Range<usize>,
    /// Written in brackets.
    pub keyed: bool,
    /// What stands in brackets where that is no text in quotes: the key is what it comes to.
    pub asked: Option<Arc<Tree>>,
}

impl Segment {
    fn key(&self) -> Key {
        match &self.asked {
            Some(asked) => Key::Asked(Arc::clone(asked)),
            None => Key::Said(self.name.as_str().into()),
        }
    }
}

/// What `event` has of its own, beside properties.
const EVENT_OWN: &[&str] = &["event", "id", "products", "time"];

/// Texts that are asked of all products of an event.
const OF_PRODUCTS: &[(&str, PropertyId)] = &[
    ("category", PropertyId::CATEGORY),
    ("product_id", PropertyId::PRODUCT_ID),
];

/// Resolves a path to its type and its node.
pub fn resolve(
    path: &Path,
    environment: &Environment<'_>,
) -> Result<(Type, Tree), ExpressionError> {
    let path = &joined(path, environment);
    match path.root.as_str() {
        "now" if path.segments.is_empty() => Ok((Type::Time, Tree::Now)),
        "now" => Err(error(
            &path.segments[0].span,
            "`now` is a time and has no fields".to_owned(),
        )),
        "event" => of_event(path, environment),
        "profile" => of_profile(path, environment, Whose::Now),
        "facts" => of_facts(path, &path.segments, environment, Whose::Now),
        "models" => of_models(path, environment),
        "tables" => Err(ExpressionError {
            expected: Some("a column of a row, such as `tables.companions[event.product_id].companion`".to_owned()),
            ..error(&path.root_span, format!("`{}` alone is no value", path.dotted()))
        }),
        "previous" if environment.previous => match path.segments.split_first() {
            Some((first, segments)) if first.name == "facts" => {
                of_facts(path, segments, environment, Whose::Before)
            }
            _ => of_profile(path, environment, Whose::Before),
        },
        "previous" => Err(ExpressionError {
            expected: Some("`profile`, or a moment that an event makes true by itself".to_owned()),
            ..error(
                &path.root_span,
                "`previous` is the profile before the event, and here there is no event to ask about".to_owned(),
            )
        }),
        _ => Err(unknown_root(path)),
    }
}

/// What stands in a declared object is of one name: `guest.country`.
fn joined(path: &Path, environment: &Environment<'_>) -> Path {
    let mut path = path.clone();
    let attribute = |name| vocabulary::attribute_is_object(environment.attributes, name);
    let object = match (path.root.as_str(), &path.segments[..]) {
        ("event", [object, _, ..]) => environment.vocabulary.is_object(&object.name).then_some(0),
        ("profile" | "previous", [of, object, _, ..]) if of.name == "attributes" => {
            attribute(&object.name).then_some(1)
        }
        _ => None,
    };
    if let Some(object) = object {
        let held = path.segments.remove(object + 1);
        let object = &mut path.segments[object];
        object.name = format!("{}.{}", object.name, held.name);
        object.span.end = held.span.end;
        object.keyed = true;
    }
    path
}

fn unknown_root(path: &Path) -> ExpressionError {
    let written = dotted(&path.root, &path.segments);
    let known = [
        "event", "previous", "profile", "facts", "models", "tables", "now",
    ];
    let suggestion = closest(&path.root, known)
        .map(|root| dotted(root, &path.segments))
        .or_else(|| is_field(&written).then(|| format!("profile.{written}")))
        .or_else(|| path.segments.is_empty().then(|| format!("\"{written}\"")));
    ExpressionError {
        expected: Some(
            "a path beginning with `event`, `profile`, `facts`, `models`, `tables` or `previous`, or `now`"
                .to_owned(),
        ),
        suggestion,
        ..error(
            &path.root_span,
            format!("nothing is called `{}` here", path.root),
        )
    }
}

fn is_field(path: &str) -> bool {
    let keyed = KEYED_FIELDS
        .iter()
        .any(|field| path.starts_with(field.path));
    keyed || FIELDS.iter().any(|field| field.path == path)
}

fn of_event(path: &Path, environment: &Environment<'_>) -> Result<(Type, Tree), ExpressionError> {
    let Some(events) = environment.events else {
        return Err(ExpressionError {
            expected: Some("`profile` or `now`; what an event said is on the profile as far as it is kept".to_owned()),
            ..error(
                &path.root_span,
                "`event` is not there: this moment comes true when time has passed, and the events before it are gone"
                    .to_owned(),
            )
        });
    };
    let of = |part| Tree::Event(part, environment.home());
    let Some((segment, more)) = path.segments.split_first() else {
        return Err(ExpressionError {
            expected: Some("a property, such as `event.product_id`, or `event.event`".to_owned()),
            ..error(&path.root_span, "`event` alone is no value".to_owned())
        });
    };
    if let Some(extra) = more.first() {
        let is_of_products = segment.name == "products" && more.len() == 1;
        return match OF_PRODUCTS.iter().find(|(name, _)| *name == extra.name) {
            Some((_, id)) if is_of_products => Ok((Type::TEXTS, of(EventPart::Products(*id)))),
            _ => Err(ExpressionError {
                expected: is_of_products
                    .then(|| format!("one of {}", listed(OF_PRODUCTS.iter().map(|it| it.0)))),
                ..error(
                    &extra.span,
                    match is_of_products {
                        true => format!("there is no list of `{}` of products", extra.name),
                        false => format!("`event.{}` has no fields", segment.name),
                    },
                )
            }),
        };
    }
    let is_property = environment.vocabulary.name_is_property(events);
    match segment.name.as_str() {
        // What is called so otherwise is a property where there is one.
        name if !segment.keyed && (name == "event" || name == "name" && !is_property) => {
            Ok((Type::Text, of(EventPart::Name(names(events, environment)))))
        }
        "time" if !segment.keyed => Ok((Type::Time, of(EventPart::Time))),
        "id" if !segment.keyed => Ok((Type::Text, of(EventPart::Id))),
        "products" if !segment.keyed => {
            Ok((Type::TEXTS, of(EventPart::Products(PropertyId::PRODUCT_ID))))
        }
        _ => property(segment, events, environment),
    }
}

fn names(events: &[EventName], environment: &Environment<'_>) -> Box<[(EventName, Box<str>)]> {
    let spec = |name: &EventName| {
        environment
            .vocabulary
            .event(*name)
            .map(|event| (*name, event.name.as_str().into()))
    };
    events.iter().filter_map(spec).collect()
}

fn property(
    segment: &Segment,
    events: &[EventName],
    environment: &Environment<'_>,
) -> Result<(Type, Tree), ExpressionError> {
    let vocabulary = environment.vocabulary;
    let carried = |id: PropertyId| {
        let carries = |event: &EventName| {
            vocabulary
                .event(*event)
                .is_some_and(|spec| spec.properties.contains(&id))
        };
        events.iter().any(carries)
    };
    let specs = events.iter().filter_map(|event| vocabulary.event(*event));
    let by_event = specs.filter_map(|spec| vocabulary.property_of(spec, &segment.name));
    let carried_first = by_event.clone().find(|id| carried(*id));
    let id = carried_first.or_else(|| vocabulary.property_named(&segment.name));
    if let Some(id) = id {
        let of_product = environment.each_product && is_of_product(id);
        if of_product || carried(id) {
            let part = if of_product {
                EventPart::OfProduct(id)
            } else {
                EventPart::Property(id, vocabulary.property(id).kind)
            };
            let kind = vocabulary.property(id).kind.in_expressions();
            return Ok((kind, Tree::Event(part, environment.home())));
        }
    }
    let here: Vec<&str> = events
        .iter()
        .filter_map(|event| vocabulary.event(*event))
        .flat_map(|spec| &spec.properties)
        .map(|id| vocabulary.property(*id).name.as_str())
        .collect();
    let whose = listed(
        events
            .iter()
            .filter_map(|event| vocabulary.event(*event))
            .map(|spec| spec.name.as_str()),
    );
    let elsewhere = id.map(|id| {
        let carrying = vocabulary
            .events()
            .filter(|spec| spec.properties.contains(&id));
        listed(carrying.map(|spec| spec.name.as_str()))
    });
    let mut known: Vec<&str> = here.iter().chain(EVENT_OWN).copied().collect();
    known.sort_unstable();
    known.dedup();
    Err(ExpressionError {
        expected: Some(match elsewhere {
            Some(elsewhere) => format!(
                "it is a property of {elsewhere}; here there are {}",
                listed(known.iter().copied())
            ),
            None => format!(
                "one of {}, or a property declared under [events] in the configuration",
                listed(known.iter().copied())
            ),
        }),
        suggestion: closest(&segment.name, known).map(str::to_owned),
        ..error(
            &segment.span,
            format!("{whose} has no property `{}`", segment.name),
        )
    })
}

fn of_profile(
    path: &Path,
    environment: &Environment<'_>,
    whose: Whose,
) -> Result<(Type, Tree), ExpressionError> {
    let written = dotted("", &path.segments);
    declared(path, &written, environment.derived)?;
    if let Some(field) = FIELDS.iter().find(|field| field.path == written) {
        return Ok((
            field.kind,
            Tree::Profile {
                read: &*field.read,
                whose,
            },
        ));
    }
    let of_key = |field: &&KeyedField| {
        let depth = field.path.split('.').count();
        path.segments.len() > depth && dotted("", &path.segments[..depth]) == field.path
    };
    let mut keyed = KEYED_FIELDS.iter().filter(of_key).peekable();
    if let Some(first) = keyed.peek() {
        let depth = first.path.split('.').count();
        let behind: Vec<&str> = path.segments[depth + 1..]
            .iter()
            .map(|segment| segment.name.as_str())
            .collect();
        let members: Vec<&str> = keyed.clone().filter_map(|field| field.member).collect();
        let Some(field) = keyed.find(|field| behind.iter().copied().eq(field.member)) else {
            return Err(no_member(path, depth, &members));
        };
        let key = &path.segments[depth];
        let kind = match field.kind {
            Some(kind) => kind,
            None => attribute(key, environment)?,
        };
        return Ok((
            kind,
            Tree::Member(Box::new(Member {
                read: &*field.read,
                key: key.key(),
                kind,
                whose,
                home: environment.home(),
            })),
        ));
    }
    Err(unknown_field(path, &written, environment))
}

/// Holds that what she stands with is declared: labels, a stage, a milestone, a group of personas.
fn declared(path: &Path, written: &str, derived: &Declarations) -> Result<(), ExpressionError> {
    let (group, name) = written.rsplit_once('.').unwrap_or(("", written));
    let is_label = FIELDS.iter().any(|field| field.path == written) && Standing::is_of(written);
    let (known, what): (Vec<&str>, _) = match group {
        Standing::MILESTONE => (
            derived.milestones.iter().map(String::as_str).collect(),
            "milestones of a path",
        ),
        _ if group == Standing::PERSONAS || (is_label && written != "segments") => {
            let labels = derived.labels.keys().map(String::as_str);
            let own = labels.filter_map(|label| {
                let (own, name) = label.rsplit_once('.').unwrap_or(("", label));
                (own == group).then_some(name)
            });
            (own.collect(), "personas, labels and stages")
        }
        _ => return Ok(()),
    };
    if known.contains(&name) {
        return Ok(());
    }
    let expected = match known.len() {
        0 => {
            format!("{what} are declared in files of their own, beside the triggers; none is here")
        }
        _ => format!("one of {}", listed(known.iter().copied())),
    };
    let span = path.segments.last().map_or(&path.root_span, |it| &it.span);
    Err(ExpressionError {
        expected: Some(expected),
        suggestion: closest(name, known).map(str::to_owned),
        ..error(
            span,
            format!("`{}` is not declared", dotted(&path.root, &path.segments)),
        )
    })
}

/// What stands behind a key is none of its fields.
fn no_member(path: &Path, depth: usize, members: &[&str]) -> ExpressionError {
    let written = dotted(&path.root, &path.segments);
    let Some(extra) = path.segments.get(depth + 1) else {
        return ExpressionError {
            expected: Some(format!(
                "one of its fields: {}",
                listed(members.iter().copied())
            )),
            ..error(
                &path.segments[depth].span,
                format!("`{written}` is a group of fields"),
            )
        };
    };
    ExpressionError {
        suggestion: closest(&extra.name, members.iter().copied()).map(str::to_owned),
        ..error(&extra.span, format!("`{written}` has no fields"))
    }
}

fn attribute(key: &Segment, environment: &Environment<'_>) -> Result<Type, ExpressionError> {
    if let Some(kind) = vocabulary::attribute(environment.attributes, &key.name) {
        return Ok(kind.in_expressions());
    }
    let declared = || vocabulary::attributes(environment.attributes).map(|(name, _)| name);
    let expected = format!(
        "one of {}, or another that is declared in the configuration under [attributes]",
        listed(declared())
    );
    Err(ExpressionError {
        expected: Some(expected),
        suggestion: closest(&key.name, declared()).map(str::to_owned),
        ..error(
            &key.span,
            format!("no attribute `{}` is declared", key.name),
        )
    })
}

/// A fact by its name, and by a key where it has one for each value of something.
fn of_facts(
    path: &Path,
    segments: &[Segment],
    environment: &Environment<'_>,
    whose: Whose,
) -> Result<(Type, Tree), ExpressionError> {
    let facts = &environment.derived.facts;
    let Some((name, more)) = segments.split_first() else {
        let expected = Some("a fact, such as `facts.orders`".to_owned());
        return Err(ExpressionError {
            expected,
            ..error(&path.root_span, "`facts` alone is no value".to_owned())
        });
    };
    let points = &environment.derived.points;
    if let Some(points) = points.get(&name.name) {
        return of_points(points, segments, environment, whose);
    }
    let Some(spec) = facts.get(&name.name) else {
        let declared = facts.keys().chain(points.keys()).map(String::as_str);
        let expected = match facts.len() + points.len() {
            0 => "facts are declared in files of their own, beside the triggers; none is here"
                .to_owned(),
            _ => format!(
                "one of {}, or another that is declared in a file of its own",
                listed(declared.clone())
            ),
        };
        return Err(ExpressionError {
            expected: Some(expected),
            suggestion: closest(&name.name, declared).map(str::to_owned),
            ..error(&name.span, format!("no fact is called `{}`", name.name))
        });
    };
    let key = match (spec.keyed, more) {
        (true, [key]) => key.key(),
        (false, []) => Key::Said("".into()),
        (true, []) => {
            let expected = Some(format!("a key: `facts.{}[\"...\"]`", name.name));
            let message = format!("`facts.{}` has a value for each of its keys", name.name);
            return Err(ExpressionError {
                expected,
                ..error(&name.span, message)
            });
        }
        (_, [.., extra]) => {
            let message = format!(
                "`{}` has no fields",
                dotted("facts", &segments[..segments.len() - 1])
            );
            return Err(error(&extra.span, message));
        }
    };
    let fact = Tree::Fact {
        spec: Box::new(spec.clone()),
        key,
        whose,
    };
    Ok((spec.kind, fact))
}

/// A fact of points, the conditions of which ask the customer alone.
fn of_points(
    points: &[Point],
    segments: &[Segment],
    environment: &Environment<'_>,
    whose: Whose,
) -> Result<(Type, Tree), ExpressionError> {
    if let [name, extra, ..] = segments {
        let message = format!("`facts.{}` is a number and has no fields", name.name);
        return Err(error(&extra.span, message));
    }
    let environment = Environment {
        events: None,
        each_product: false,
        previous: false,
        ..*environment
    };
    let of = points.iter().map(|point| {
        let condition = Expression::condition(&point.condition, &environment)?;
        Ok((condition, point.points))
    });
    let of = of.collect::<Result<_, _>>()?;
    Ok((Type::Number, Tree::Points { of, whose }))
}

/// The score of a model by its name.
fn of_models(path: &Path, environment: &Environment<'_>) -> Result<(Type, Tree), ExpressionError> {
    let models = &environment.derived.models;
    let Some((name, more)) = path.segments.split_first() else {
        let expected = Some("a model, such as `models.alive`".to_owned());
        return Err(ExpressionError {
            expected,
            ..error(&path.root_span, "`models` alone is no value".to_owned())
        });
    };
    if let Some(extra) = more.first() {
        let message = format!("`models.{}` is a number and has no fields", name.name);
        return Err(error(&extra.span, message));
    }
    let Some(spec) = models.get(&name.name) else {
        let declared = models.keys().map(String::as_str);
        let expected = match models.len() {
            0 => "models are declared in files of their own, beside the triggers, and are there for segments and triggers; none is here"
                .to_owned(),
            _ => format!("one of {}", listed(declared.clone())),
        };
        return Err(ExpressionError {
            expected: Some(expected),
            suggestion: closest(&name.name, declared).map(str::to_owned),
            ..error(&name.span, format!("no model is called `{}`", name.name))
        });
    };
    let model = Model::compile(spec, environment)?;
    Ok((Type::Number, Tree::Model(Box::new(model))))
}

/// The column of a declared table by its name; the places are those of the two names.
pub fn of_tables(
    (table, table_span): (&str, Range<usize>),
    (column, column_span): (&str, Range<usize>),
    environment: &Environment<'_>,
) -> Result<(Arc<Table>, usize, Type), ExpressionError> {
    let tables = &environment.derived.tables;
    let Some(found) = tables.get(table) else {
        let declared = tables.keys().map(String::as_str);
        let expected = match tables.len() {
            0 => "tables are declared in files of their own, beside the triggers; none is here"
                .to_owned(),
            _ => format!("one of {}", listed(declared.clone())),
        };
        return Err(ExpressionError {
            expected: Some(expected),
            suggestion: closest(table, declared).map(str::to_owned),
            ..error(&table_span, format!("no table is called `{table}`"))
        });
    };
    let Some((place, kind)) = found.column(column) else {
        let expected = format!("one of {}", listed(found.columns()));
        return Err(ExpressionError {
            expected: Some(expected),
            suggestion: closest(column, found.columns()).map(str::to_owned),
            ..error(
                &column_span,
                format!("`tables.{table}` has no column `{column}`"),
            )
        });
    };
    Ok((Arc::clone(found), place, kind.in_expressions()))
}

fn unknown_field(path: &Path, written: &str, environment: &Environment<'_>) -> ExpressionError {
    let root = &path.root;
    let Some(first) = path.segments.first() else {
        let expected = Some(format!("a field of it, such as `{root}.basket.value`"));
        return ExpressionError {
            expected,
            ..error(&path.root_span, format!("`{root}` alone is no value"))
        };
    };
    let span = first.span.start
        ..path
            .segments
            .last()
            .map_or(first.span.end, |last| last.span.end);
    let paths = || {
        FIELDS
            .iter()
            .map(|field| field.path)
            .chain(KEYED_FIELDS.iter().map(|field| field.path))
    };
    if let Some(field) = KEYED_FIELDS.iter().find(|field| field.path == written) {
        let expected = Some(format!(
            "a key: `{root}.{written}[\"...\"]`: {}",
            field.about
        ));
        return ExpressionError {
            expected,
            ..error(&span, format!("`{root}.{written}` needs a key"))
        };
    }
    let below = |prefix: &str| {
        let prefix = format!("{prefix}.");
        listed(paths().filter_map(|path| path.strip_prefix(&prefix)))
    };
    let inside = below(written);
    if !inside.is_empty() {
        let expected = Some(format!("one of its fields: {inside}"));
        return ExpressionError {
            expected,
            ..error(&span, format!("`{root}.{written}` is a group of fields"))
        };
    }
    let last = path
        .segments
        .last()
        .map_or("", |segment| segment.name.as_str());
    let is_model = environment.derived.models.contains_key(&first.name);
    let is_attribute = vocabulary::attribute(environment.attributes, &first.name).is_some();
    let suggestion = closest(written, paths())
        .or_else(|| paths().find(|path| path.rsplit('.').next() == Some(last)))
        .map(|path| format!("{root}.{path}"))
        .or_else(|| is_model.then(|| format!("models.{}", first.name)))
        .or_else(|| is_attribute.then(|| format!("{root}.attributes.{}", first.name)));
    let group = below(&first.name);
    let expected = if group.is_empty() {
        "a field of the profile's schema".to_owned()
    } else {
        format!("`{root}.{}` has {group}", first.name)
    };
    ExpressionError {
        expected: Some(expected),
        suggestion,
        ..error(&span, format!("the profile has no field `{written}`"))
    }
}

/// Names joined by dots, after `root` where it is not empty; a key that is asked for stands in its brackets.
fn dotted(root: &str, segments: &[Segment]) -> String {
    let mut written = root.to_owned();
    for segment in segments {
        if segment.asked.is_none() && !written.is_empty() {
            written.push('.');
        }
        written.push_str(&segment.name);
    }
    written
}

fn error(span: &Range<usize>, message: String) -> ExpressionError {
    ExpressionError {
        span: span.clone(),
        message,
        expected: None,
        suggestion: None,
    }
}
