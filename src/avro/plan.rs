//! How the records of one schema are read as our calls: found once, when the schema is, and followed for each record.
//!
//! Fields are found by name. What is not read is passed over; a field of the vocabulary is known by its id, which is the same in
//! all vocabularies, and one that a company may have declared by its name. What one field says may stand over what another says
//! (the zone of the context over that of the traits), whatever their order in the writer's schema: a field that comes before its
//! turn waits for it ([`Step::later`]).
//!
//! [`fit`](super::fit) has seen before that the schema can be read so.

use apache_avro::Schema;
use apache_avro::schema::{RecordSchema, ResolvedSchema};

use super::datum::{Datum, Fault};
use super::layout::{Layout, Layouts};
use crate::event::record::{ADDRESS, CAMPAIGN, PRODUCT_FIELDS};
use crate::event::{PropertyId, Text, Vocabulary};

/// Fields of one record that may wait: consent and an address, or a campaign and a device.
pub const LATER_MAX: usize = 2;

/// The steps to read a record, one a field.
#[derive(Debug)]
pub struct Plan {
    /// In the order of the writer's fields.
    pub steps: Box<[Step]>,
}

/// What becomes of a field.
#[derive(Debug)]
pub struct Step {
    /// How it is read, and for what.
    pub part: Part,
    /// Whether it waits until the other fields of its record were read.
    pub later: Option<Box<Later>>,
}

/// A field that waits.
#[derive(Debug)]
pub struct Later {
    /// Its turn among those that wait.
    pub turn: usize,
    /// How it is passed over at first.
    pub layout: Layout,
}

/// A field, by what is read of it.
#[derive(Debug)]
pub enum Part {
    /// Nothing.
    Skipped(Layout),
    /// A plain value.
    Value(Target, Layout),
    /// What the fields of a record are for.
    Record(Choice<Plan>),
    /// The parts of an address.
    Address(Choice<Plan>),
    /// A list of products.
    Products(Choice<Products>),
    /// A map of channels.
    Consent(Layout),
}

/// A list of products.
#[derive(Debug)]
pub struct Products {
    /// Each of them.
    pub items: Choice<Plan>,
    /// How one is passed over.
    pub layout: Layout,
}

/// What a plain value is for.
#[derive(Clone, Debug)]
pub enum Target {
    /// `type`.
    Type,
    /// `event`.
    Event,
    /// `userId`.
    UserId,
    /// `anonymousId`.
    AnonymousId,
    /// `previousId`.
    PreviousId,
    /// `messageId`.
    MessageId,
    /// `timestamp`.
    Timestamp,
    /// A property of ours.
    Property(PropertyId),
    /// A property that the company may have declared.
    OwnProperty(Text),
    /// A field of a product, by its name.
    Product(&'static str),
    /// A trait, by its name; whatever it is, it says that there are traits.
    Trait(Text),
    /// A part of an address, by its place in [`ADDRESS`]; none of them says all the same that there is an address.
    Address(Option<usize>),
    /// `timezone` or `locale` of the context.
    Context(&'static str),
    /// A field of the campaign, by its name in [`CAMPAIGN`]; none of them says all the same that there is a campaign.
    Campaign(Option<&'static str>),
    /// The device's token.
    Token,
}

/// What stands in a place that may be null, or one of several.
#[derive(Debug)]
pub enum Choice<T> {
    /// Nothing.
    Null,
    /// Always this.
    One(T),
    /// What the branch of a union says.
    Union(Box<[Self]>),
}

impl<T> Choice<T> {
    /// What stands here; none for null.
    ///
    /// # Errors
    /// Where the union has no such branch.
    pub fn chosen(&self, datum: &mut Datum<'_>) -> Result<Option<&T>, Fault> {
        match self {
            Self::Null => Ok(None),
            Self::One(one) => Ok(Some(one)),
            Self::Union(branches) => datum.one_of(branches, Fault::Branch)?.chosen(datum),
        }
    }
}

impl Plan {
    /// The plan for records of a schema that fits.
    ///
    /// # Errors
    /// Where it does not fit.
    pub(super) fn of(schema: &Schema) -> Result<Self, String> {
        let resolved = ResolvedSchema::new(schema).map_err(|error| error.to_string())?;
        let mut planner = Planner {
            layouts: Layouts::new(resolved.get_names()),
            vocabulary: Vocabulary::standard(),
        };
        match schema {
            Schema::Record(record) => planner.record(record, Place::Call),
            _ => Err("it is not a record".to_owned()),
        }
    }
}

/// The records of a call: each has other fields.
#[derive(Clone, Copy)]
enum Place {
    Call,
    Properties,
    Product,
    Traits,
    Address,
    Context,
    Campaign,
    Device,
}

struct Planner<'a> {
    layouts: Layouts<'a>,
    vocabulary: Vocabulary,
}

impl<'a> Planner<'a> {
    fn record(&mut self, record: &'a RecordSchema, place: Place) -> Result<Plan, String> {
        let turns = record.fields.iter().map(|field| turn(place, &field.name));
        let turns: Vec<_> = turns.collect();
        let waits_from = first_early(&turns);
        let mut steps = Vec::with_capacity(turns.len());
        for (field, turn) in record.fields.iter().zip(turns) {
            let part = self.part(place, &field.name, &field.schema)?;
            let waits = turn.filter(|turn| waits_from.is_some_and(|first| *turn >= first));
            let later = match waits.and_then(|turn| turn.checked_sub(1)) {
                Some(turn) => {
                    let layout = self.layouts.plain(&field.schema)?;
                    Some(Box::new(Later { turn, layout }))
                }
                None => None,
            };
            steps.push(Step { part, later });
        }
        let steps = steps.into();
        Ok(Plan { steps })
    }

    fn part(&mut self, place: Place, name: &str, schema: &'a Schema) -> Result<Part, String> {
        let within = match (place, name) {
            (Place::Call, "properties") => Some(Place::Properties),
            (Place::Call, "traits") => Some(Place::Traits),
            (Place::Call, "context") => Some(Place::Context),
            (Place::Context, "campaign") => Some(Place::Campaign),
            (Place::Context, "device") => Some(Place::Device),
            _ => None,
        };
        if let Some(within) = within {
            return self.records(schema, within).map(Part::Record);
        }
        match (place, name) {
            (Place::Properties, "products") => self.products(schema).map(Part::Products),
            (Place::Traits, "address") => self.records(schema, Place::Address).map(Part::Address),
            (Place::Traits, "consent") => self.layouts.plain(schema).map(Part::Consent),
            _ => self.value(place, name, schema),
        }
    }

    fn value(&mut self, place: Place, name: &str, schema: &'a Schema) -> Result<Part, String> {
        let layout = match place {
            Place::Properties | Place::Product | Place::Traits => self.layouts.measured(schema)?,
            _ => self.layouts.plain(schema)?,
        };
        let target = match (place, name) {
            (Place::Call, "type") => Target::Type,
            (Place::Call, "event") => Target::Event,
            (Place::Call, "userId") => Target::UserId,
            (Place::Call, "anonymousId") => Target::AnonymousId,
            (Place::Call, "previousId") => Target::PreviousId,
            (Place::Call, "messageId") => Target::MessageId,
            (Place::Call, "timestamp") => Target::Timestamp,
            (Place::Properties, name) => match self.vocabulary.property_named(name) {
                Some(id) if !self.vocabulary.is_other_name(name, id) => Target::Property(id),
                // What another name stands for, a company may have declared otherwise.
                Some(_) | None => Target::OwnProperty(name.into()),
            },
            (Place::Product, name) => match PRODUCT_FIELDS.iter().find(|(it, _)| *it == name) {
                Some((name, _)) => Target::Product(name),
                None => return Ok(Part::Skipped(layout)),
            },
            (Place::Traits, name) => Target::Trait(name.into()),
            (Place::Address, name) => Target::Address(ADDRESS.iter().position(|it| *it == name)),
            (Place::Context, "timezone") => Target::Context("timezone"),
            (Place::Context, "locale") => Target::Context("locale"),
            (Place::Campaign, name) => {
                Target::Campaign(CAMPAIGN.into_iter().find(|it| *it == name))
            }
            (Place::Device, "token") => Target::Token,
            (Place::Call | Place::Context | Place::Device, _) => return Ok(Part::Skipped(layout)),
        };
        Ok(Part::Value(target, layout))
    }

    fn records(&mut self, schema: &'a Schema, place: Place) -> Result<Choice<Plan>, String> {
        self.choice(schema, &mut |this, schema| match schema {
            Schema::Record(record) => this.record(record, place),
            _ => Err("something else stands where a record is expected".to_owned()),
        })
    }

    fn products(&mut self, schema: &'a Schema) -> Result<Choice<Products>, String> {
        self.choice(schema, &mut |this, schema| match schema {
            Schema::Array(array) => Ok(Products {
                items: this.records(&array.items, Place::Product)?,
                layout: this.layouts.plain(&array.items)?,
            }),
            _ => Err("something else stands where a list is expected".to_owned()),
        })
    }

    fn choice<T>(
        &mut self,
        schema: &'a Schema,
        make: &mut dyn FnMut(&mut Self, &'a Schema) -> Result<T, String>,
    ) -> Result<Choice<T>, String> {
        match self.layouts.resolved(schema)? {
            Schema::Null => Ok(Choice::Null),
            Schema::Union(union) => {
                let branches = union.variants().iter();
                let branches = branches.map(|branch| self.choice(branch, make));
                branches.collect::<Result<_, _>>().map(Choice::Union)
            }
            other => make(self, other).map(Choice::One),
        }
    }
}

/// The first turn of which a field stands before one of an earlier turn. It has to wait, and so have all turns after it.
fn first_early(turns: &[Option<usize>]) -> Option<usize> {
    let is_early = |at: &usize| {
        let after = turns[*at..].iter().flatten();
        after.into_iter().any(|other| Some(*other) < turns[*at])
    };
    let early = (0..turns.len()).filter(is_early);
    early.filter_map(|at| turns[at]).min()
}

/// When it is a field's turn among those of its record: one of a later turn may stand over what one of an earlier turn says, and
/// what could not be read is told in this order. None: it makes no difference.
fn turn(place: Place, name: &str) -> Option<usize> {
    match (place, name) {
        (Place::Call, "properties") => Some(0),
        (Place::Call, "traits") | (Place::Properties, "products") => Some(1),
        (Place::Call, "context") => Some(LATER_MAX),
        (Place::Traits, "address") | (Place::Context, "campaign") => Some(1),
        (Place::Traits, "consent") | (Place::Context, "device") => Some(LATER_MAX),
        (Place::Properties | Place::Traits | Place::Context, _) => Some(0),
        _ => None,
    }
}
