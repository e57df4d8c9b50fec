//! The reference pages, made from the tables that the code itself works from: what a profile and an event have, which
//! operators, functions, kinds of moments, programmes and metrics there are. A test holds the pages to them.

pub mod asyncapi;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::config::Config;
use crate::demo;
use crate::document::keys::{Known, Need, Shape};
use crate::event::{Type, Vocabulary};
use crate::expression::{FUNCTIONS, OPERATORS};
use crate::fact::{self, balance};
use crate::journey::keys as journey;
use crate::mapping::Mappings;
use crate::model;
use crate::moment::{DESCRIBED, Described, KINDS};
use crate::policy::GATES;
use crate::profile::{FIELDS, KEYED_FIELDS};
use crate::referral::{self, Refusal};
use crate::segment;
use crate::telemetry::metrics::{METRICS, Metric, OF_ONSITE, OF_SENDER};
use crate::treatment::Reason;
use crate::trigger::definition::{self, Definition};
use crate::trigger::set::{self, Basis};
use crate::trigger::{needs, said};

/// Stands at the head of each page.
const MADE: &str = "<!-- Made from the code by `MOMENTS_UPDATE_DOCS=1 cargo test reference_pages`; do not edit. -->";

/// Every page: its path below the checkout, and its text.
#[must_use]
pub fn pages() -> [(&'static str, String); 14] {
    [
        ("docs/reference/profile.md", profile()),
        ("docs/reference/events.md", events(&Vocabulary::standard())),
        ("docs/reference/expressions.md", expressions()),
        ("docs/reference/kinds.md", kinds()),
        ("docs/reference/facts.md", facts()),
        ("docs/reference/models.md", models()),
        ("docs/reference/segments.md", segments()),
        ("docs/reference/referrals.md", referrals()),
        ("docs/reference/journeys.md", journeys()),
        ("docs/reference/reasons.md", reasons()),
        ("docs/reference/metrics.md", metrics()),
        ("docs/reference/asyncapi.yaml", topics()),
        ("docs/reference/openapi.json", crate::http::document()),
        ("docs/reference/programmes.md", programmes()),
    ]
}

/// All topics of somebody who configured nothing.
fn topics() -> String {
    let (config, vocabulary) = (Config::default(), Vocabulary::standard());
    let document = asyncapi::yaml(&asyncapi::Basis {
        config: &config,
        vocabulary: &vocabulary,
        attributes: &BTreeMap::new(),
        mappings: &Mappings::default(),
    });
    let made = MADE.trim_start_matches("<!-- ").trim_end_matches(" -->");
    format!("# {made}\n{}", document.unwrap_or_default())
}

/// What expressions may name of a customer.
fn profile() -> String {
    let plain = FIELDS.iter().map(|field| {
        vec![
            code(&format!("profile.{}", field.path)),
            kind(field.kind),
            field.about.to_owned(),
        ]
    });
    let keyed = KEYED_FIELDS.iter().map(|field| {
        let kind = field.kind.map_or("as declared".to_owned(), kind);
        vec![
            code(&match field.member {
                Some(member) => format!("profile.{}[\"...\"].{member}", field.path),
                None => format!("profile.{}[\"...\"]", field.path),
            }),
            kind,
            field.about.to_owned(),
        ]
    });
    page(
        "Fields of the profile",
        "What expressions may name of the customer. In a trigger whose moment is an event, `previous.` in \
         the place of `profile.` is the customer as she was before it. What is not known is null.",
        &[Table::new(
            &["field", "type", "meaning"],
            plain.chain(keyed),
        )],
    )
}

/// The events and the properties they may carry.
fn events(vocabulary: &Vocabulary) -> String {
    let rows = vocabulary.events().map(|event| {
        let property = |id: &_| {
            let property = vocabulary.property(*id);
            format!("{} {}", code(&property.name), kind(property.kind))
        };
        let properties: Vec<_> = event.properties.iter().map(property).collect();
        vec![event.name.clone(), properties.join(", ")]
    });
    page(
        "Events",
        "Names and properties are those of Segment's specs as far as they have them. Every event may carry \
         `products`, a list of `{ product_id, sku, category, price, quantity }`, and has `event.id`, \
         `event.event` (its name), `event.time` and `event.products` (the product ids; their categories are `event.products.category`). An event of another name counts as a \
         sign of life; to name it in a trigger, declare it under `[events]` in the configuration.",
        &[Table::new(&["event", "properties"], rows)],
    )
}

/// Operators and functions.
fn expressions() -> String {
    let operators = OPERATORS.iter().map(|operator| {
        vec![
            code(operator.symbol),
            operator.types.to_owned(),
            operator.about.to_owned(),
        ]
    });
    let functions = FUNCTIONS.iter().map(|function| {
        vec![
            code(function.call),
            kind(function.gives),
            function.about.to_owned(),
        ]
    });
    page(
        "Operators and functions",
        "The language is CEL (Common Expression Language) as far as it stands here.",
        &[
            Table::new(&["operator", "types", "meaning"], operators),
            Table::new(&["function", "gives", "meaning"], functions),
        ],
    )
}

/// The kinds of moments and their parameters.
fn kinds() -> String {
    let mut text = format!(
        "{MADE}\n\n# Kinds of moments\n\nWhat `moment` of a trigger file may be: exactly one of these. Examples and exact \
         words are in [triggers.md](../triggers.md#moments).\n"
    );
    for (kind, known) in DESCRIBED.iter().zip(KINDS.known) {
        let Described {
            word,
            comes_true,
            decided,
            occurrence,
            again,
            has_event: _,
        } = kind;
        let _infallible = write!(
            text,
            "\n## {word}\n\n{comes_true}\n\n- Decided: {decided}.\n- Occurrence: {occurrence}.\n- Again: {again}.\n"
        );
        table(&mut text, &parameters(known));
    }
    text
}

/// What the file of a fact may hold.
fn facts() -> String {
    page(
        "Facts",
        "What a file beside the triggers may declare to be measured, one fact a file. Below: the file, `measure`, `balance`, and its \
         `spent` and `returned`. Examples and exact words are in [triggers.md](../triggers.md#facts).",
        &[
            parameters_of(fact::KEYS.known),
            parameters_of(fact::MEASURES.known),
            parameters_of(balance::BALANCE.known),
            parameters_of(balance::SPENT.known),
            parameters_of(balance::RETURNED.known),
        ],
    )
}

/// What the file of a model may hold.
fn models() -> String {
    page(
        "Models",
        "What a file beside the triggers may declare to score customers, one model a file, with exactly one formula. Below: the \
         file, `bg_nbd`, `logistic` and one of its `inputs`, `onnx` and one of its `inputs`. Examples and exact words are in \
         [triggers.md](../triggers.md#models).",
        &[
            parameters_of(model::KEYS.known),
            parameters_of(model::BG_NBD.known),
            parameters_of(model::LOGISTIC.known),
            parameters_of(model::WEIGHTED.known),
            parameters_of(model::ONNX.known),
            parameters_of(model::GIVEN.known),
        ],
    )
}

/// What the file of a referral may hold, and why a code is refused.
fn referrals() -> String {
    let refusals = Refusal::ALL.iter();
    let refusals = refusals.map(|it| vec![code(it.word()), it.about().to_owned()]);
    page(
        "Referrals",
        "What a file beside the triggers may declare of how customers bring friends, one referral a file. Below: the file, its \
         `code`, and the `reason` of *Referral Refused*, in the order in which they are asked. Examples and exact words are in \
         [triggers.md](../triggers.md#referrals).",
        &[
            parameters_of(referral::KEYS.known),
            parameters_of(referral::CODE.known),
            Table::new(&["reason", "meaning"], refusals),
        ],
    )
}

/// What the files that say where customers stand may hold.
fn segments() -> String {
    let mut text = format!(
        "{MADE}\n\n# Segments, labels, personas, path\n\nWhat files beside the triggers may declare of where customers stand. \
         Examples and exact words are in [triggers.md](../triggers.md#segments).\n"
    );
    for file in segment::FILES {
        let _infallible = write!(text, "\n## {}\n\n{}\n", file.word, file.about);
        table(&mut text, &parameters_of(file.keys.known));
        for keys in file.more {
            let _infallible = write!(text, "\nOf {}:\n", keys.of);
            table(&mut text, &parameters_of(keys.known));
        }
    }
    text
}

/// What `journey` of a trigger file may hold.
fn journeys() -> String {
    let mut text = format!(
        "{MADE}\n\n# Journeys\n\nWhat `journey` of a trigger file may hold: a list of steps, or a mapping. Examples and exact words are in \
         [triggers.md](../triggers.md#journeys).\n"
    );
    for keys in journey::tables() {
        let _infallible = write!(text, "\nOf {}:\n", keys.of);
        table(&mut text, &parameters_of(keys.known));
    }
    text
}

fn parameters(kind: &Known) -> Table {
    parameters_of(match &kind.shape {
        Shape::Mapping(keys) | Shape::Either([_, Shape::Mapping(keys)]) => keys.known,
        _ => &[],
    })
}

fn parameters_of(keys: &[Known]) -> Table {
    let rows = keys.iter().map(|known| {
        let without = match known.need {
            Need::Required => "required".to_owned(),
            Need::Optional => String::new(),
            Need::Default(value) => code(value),
        };
        vec![
            code(known.name),
            known.shape.described(),
            without,
            known.about.to_owned(),
        ]
    });
    Table::new(&["parameter", "value", "without it", "meaning"], rows)
}

/// Why a moment is not treated.
fn reasons() -> String {
    let rows = GATES.iter().map(|gate| {
        let (word, about) = (gate.reason.word(), gate.about);
        vec![code(word), about.to_owned()]
    });
    let waited = "It was held, and undone meanwhile; no gate says so.";
    let rows = rows.chain([vec![code(Reason::Withdrawn.word()), waited.to_owned()]]);
    page(
        "Reasons",
        "Why a moment is not treated, in the order in which it is asked: the first that applies is the `reason` of the decision. \
         All is asked as of `decided_at`, the later of the moment and now.",
        &[Table::new(&["reason", "when"], rows)],
    )
}

/// The triggers that are shipped, as a catalogue by stage.
fn programmes() -> String {
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy: Config::default().policy(),
        mappings: Arc::default(),
    };
    let sources = demo::programmes::sources();
    // A test loads what is shipped.
    let read = set::read(&sources, &basis).map_or_else(|_| Vec::new(), |read| read.triggers);
    let mut text = format!(
        "{MADE}\n\n# Programmes\n\nThe triggers in `deploy/triggers` by stage, each with its scenarios beside it: what it is for, what it \
         says, and what it needs of your data. `moments new NAME --like PROGRAMME` begins one from another, `moments show` says yours \
         back like this.\n"
    );
    for stage in definition::STAGES {
        let _infallible = write!(text, "\n## {stage}\n");
        let own = read.iter().filter(|(it, _)| it.stage == Some(*stage));
        for (definition, source) in own {
            text.push_str(&programme(definition, source.name(), &basis.vocabulary));
        }
    }
    text
}

/// A programme, and what it needs.
fn programme(definition: &Definition, path: &str, vocabulary: &Vocabulary) -> String {
    let Definition { trigger, about, .. } = definition;
    let about = about.as_deref().unwrap_or_default().trim();
    let said = said::sentences(trigger).join(" ");
    let mut text = format!(
        "\n### {name}\n\n{about}\n\n{said} ([{kind}](../../deploy/triggers/{path}))\n\n",
        name = trigger.name,
        kind = trigger.kind.word(),
    );
    let needs = needs::needs(trigger, vocabulary);
    let of = [
        ("Events", needs.events),
        ("Properties", needs.properties),
        ("Of the customer", needs.of_customer),
    ];
    for (what, names) in of {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| code(name)).collect();
            let _infallible = writeln!(text, "- {what}: {}.", names.join(", "));
        }
    }
    text
}

/// What Prometheus finds.
fn metrics() -> String {
    let row = |metric: &Metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| code(label)).collect();
        vec![
            code(metric.name),
            metric.kind.word().to_owned(),
            metric.unit.word().to_owned(),
            labels.join(", "),
            metric.help.to_owned(),
        ]
    };
    let heads = ["metric", "kind", "unit", "labels", "meaning"];
    page(
        "Metrics",
        "What `/metrics` shows. Counters begin at 0 with the process; what a transaction decided is counted once it is \
         committed. Gauges of a partition are there while its task is assigned to the process, so sum over processes. The second \
         table is what `moments send` shows, where `send.listen` says so; the third what `moments onsite` shows.",
        &[
            Table::new(&heads, METRICS.iter().map(row)),
            Table::new(&heads, OF_SENDER.iter().map(row)),
            Table::new(&heads, OF_ONSITE.iter().map(row)),
        ],
    )
}

/// A table: the heads of its columns, and its rows.
struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(heads: &[&'static str], rows: impl Iterator<Item = Vec<String>>) -> Self {
        Self {
            heads: heads.to_vec(),
            rows: rows.collect(),
        }
    }
}

fn page(title: &str, about: &str, tables: &[Table]) -> String {
    let mut text = format!("{MADE}\n\n# {title}\n\n{about}\n");
    for part in tables {
        table(&mut text, part);
    }
    text
}

fn table(text: &mut String, table: &Table) {
    text.push('\n');
    row(text, &table.heads);
    row(text, &vec!["---"; table.heads.len()]);
    for cells in &table.rows {
        row(text, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn row(text: &mut String, cells: &[&str]) {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _infallible = writeln!(text, "| {} |", cells.join(" | "));
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The word for a type, without its article.
fn kind(kind: Type) -> String {
    kind.described().trim_start_matches("a ").to_owned()
}
