//! A trigger file, read and checked: YAML in, [`Trigger`] out, or everything that is wrong with it.
//!
//! Each key of the file is read in one place, by the room that its meaning belongs to: [`moment`],
//! [`choice`], [`policy`]; what is left is here.

mod goal;
mod kpi;
mod policy;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::plan::{Goal, Mode, Trigger};
use super::policy::TriggerPolicy;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::yaml;
use crate::event::{EventName, Text};
use crate::expression::{Environment, Expression, read};
use crate::journey::Journey;
use crate::journey::keys as journey;
use crate::journey::read::journey as read_journey;
use crate::moment::{self, Kind};
use crate::time::Timestamp;
use crate::treatment::choice::{self, TreatmentChoice};

/// Bounds of a trigger file.
pub mod limits {
    /// A trigger's name: it stands in topics' records, metrics and ids.
    pub const NAME_BYTES: usize = 64;
}

/// Where on the path the customer is, as MISSION names it.
pub const STAGES: &[&str] = &[
    "awareness",
    "acquisition",
    "onboarding",
    "engagement",
    "retention",
    "advocacy",
];

const MODES: &[&str] = &["live", "shadow", "off"];

/// The keys of a trigger file.
pub const KEYS: Keys = Keys {
    of: "a trigger",
    known: &[
        Known::required(
            "trigger",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "abandoned-basket"),
            "Its name, once in a set: lower-case letters, digits and hyphens. It stands in commands, decisions and metrics.",
        ),
        Known::optional(
            "stage",
            Shape::Words(STAGES),
            "Where on the path the customer is. For people.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it is for, in its author's words. For people.",
        ),
        Known::default(
            "generation",
            "1",
            Shape::Whole(1, u32::MAX),
            "Another number starts afresh: new ids, no open deadlines, no caps used.",
        ),
        Known::default(
            "mode",
            "live",
            Shape::Words(MODES),
            "`live`; `shadow`: everything but the sending; `off`: moments are refused.",
        ),
        Known::optional(
            "from",
            Shape::Instant,
            "From when on it is in force. A date is its midnight in UTC.",
        ),
        Known::optional(
            "until",
            Shape::Instant,
            "Until before when it is in force. A date is its midnight in UTC.",
        ),
        Known::default(
            "backfill",
            "false",
            Shape::Bool,
            "Whether a new trigger also decides what came due before it was taken up.",
        ),
        Known::required(
            "moment",
            Shape::OneOf(&moment::KINDS),
            "When it comes true: exactly one kind.",
        ),
        Known::optional(
            "audience",
            Shape::Expression,
            "A condition, asked when it is decided. Whoever does not meet it is refused, `audience`.",
        ),
        Known::optional(
            "treatments",
            Shape::Either(&[
                Shape::List(
                    &Shape::Mapping(&choice::KEYS),
                    1,
                    choice::limits::TREATMENTS,
                ),
                Shape::Words(&[choice::NONE]),
            ]),
            "What may be done: the first of which `if` holds is the one. `none`: nothing; its moments are recorded, `counted`. Either this or `journey`.",
        ),
        Known::optional(
            "journey",
            journey::SHAPE,
            "What is done in several steps, one after the other: a list of steps, or `{ steps, until, re_enter, per }`.",
        ),
        Known::optional(
            "policy",
            Shape::Mapping(&policy::KEYS),
            "Within which limits.",
        ),
        Known::optional(
            "goal",
            Shape::Mapping(&goal::KEYS),
            "What its treatments are sent for: reports count who met it, treated and held out.",
        ),
        Known::optional(
            "kpi",
            Shape::Mapping(&kpi::KEYS),
            "What people measure it by: a name for what reports count.",
        ),
    ],
    later: &[],
};

/// A checked trigger file.
#[derive(Debug)]
pub struct Definition {
    /// What the engine works with.
    pub trigger: Trigger,
    /// Its place on the path.
    pub stage: Option<&'static str>,
    /// What it is for, in its author's words.
    pub about: Option<String>,
}

/// The key under which a profile keeps a trigger's state: the low 32 bits of the XXH3 hash of its
/// name, a zero byte and its generation (little endian).
#[must_use]
pub fn key(name: &str, generation: u32) -> u32 {
    let mut bytes: SmallVec<[u8; 80]> = SmallVec::from_slice(name.as_bytes());
    bytes.push(0);
    bytes.extend(generation.to_le_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let low = xxh3_64(&bytes) as u32;
    low
}

/// Reads a trigger file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source, declared: Declared<'_>) -> Result<Definition, Vec<Report>> {
    reader::file(source, declared, KEYS, definition)
}

fn definition(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Definition> {
    let name = reader.required(fields, "trigger", "its name, such as abandoned-cart");
    let name = name.and_then(|node| {
        let name = reader.name(node, ("a trigger", "abandoned-cart"), limits::NAME_BYTES)?;
        Some(Text::from(name))
    });
    let stage = fields
        .get("stage")
        .and_then(|node| reader.one_of(node, STAGES));
    let about = fields.get("about");
    let about = about.and_then(|node| reader.text(node, "a sentence on what it is for"));
    let generation = fields.get("generation");
    let generation = generation.map_or(Some(1), |node| reader.whole(node, 1..=u32::MAX));
    let mode = fields
        .get("mode")
        .map_or(Some(Mode::Live), |node| mode(reader, node));
    let (from, until) = dates(reader, fields);
    let backfill = fields.get("backfill");
    let backfill = backfill.map_or(Some(false), |node| reader.boolean(node));
    let kind = reader.required(fields, "moment", "when it comes true");
    let kind = kind.and_then(|node| Kind::read(reader, node));
    let names = events_at_hand(fields, kind.as_ref());
    let declared = reader.declared;
    let environment = names
        .as_ref()
        .map(|names| read::environment(declared, names.as_deref(), names.is_some()));
    let audience = fields.get("audience").zip(environment.as_ref());
    let audience =
        audience.and_then(|(node, environment)| read::condition(reader, node, environment));
    let treated = treated(reader, fields, environment.as_ref());
    let onsite_only = treated.as_ref().is_none_or(Treated::is_onsite);
    let policy = limited(reader, fields, onsite_only, environment);
    let goal = fields.get("goal").map(|node| goal::read(reader, node));
    let kpi = fields.get("kpi");
    let kpi = kpi.map(|node| kpi::read(reader, node, goal.is_some()));
    let learns = treated.as_ref().and_then(|it| it.journey.as_ref());
    if goal.is_none() && learns.is_some_and(Journey::learns) {
        learns_by_nothing(reader, fields);
    }

    let (name, generation) = (name?, generation?);
    let Treated {
        treatments,
        journey,
    } = treated?;
    let mut trigger = Trigger {
        key: key(&name, generation),
        name,
        generation,
        kind: kind?,
        audience,
        treatments,
        journey,
        policy,
        goal: goal.map_or(Some(None), |read| read.map(Some))?,
        kpi: kpi.map_or(Some(None), |read| read.map(Some))?,
        mode: mode?,
        from,
        until,
        backfill: backfill?,
        text: 0,
        uses_previous: false,
    };
    trigger.uses_previous = uses_previous(&trigger);
    Some(Definition {
        trigger,
        stage,
        about: about.map(str::to_owned),
    })
}

fn mode(reader: &mut Reader<'_>, node: &yaml::Node) -> Option<Mode> {
    Some(match reader.one_of(node, MODES)? {
        "shadow" => Mode::Shadow,
        "off" => Mode::Off,
        _ => Mode::Live,
    })
}

fn dates(reader: &mut Reader<'_>, fields: &Fields<'_>) -> (Option<Timestamp>, Option<Timestamp>) {
    let from = fields.get("from").and_then(|node| reader.instant(node));
    let until = fields.get("until").and_then(|node| reader.instant(node));
    if let (Some(from), Some(until), Some(node)) = (from, until, fields.get("until"))
        && until <= from
    {
        reader.fails(
            &node.span,
            "`until` is not after `from`",
            "a later time".to_owned(),
        );
    }
    (from, until)
}

/// A journey that goes by what its ways have brought is told by no goal.
fn learns_by_nothing(reader: &mut Reader<'_>, fields: &Fields<'_>) {
    if let Some(node) = fields.get("journey") {
        let message =
            "a split that is adaptive learns by the `goal` of its trigger, and there is none";
        let expected = "`goal: { event: ..., within: ... }`, or `split: weighted`";
        reader.fails(&node.span, message, expected.to_owned());
    }
}

/// The events that may be at hand when a treatment is decided: those that are the moment; else none is. `None` where that is not
/// known.
fn events_at_hand(fields: &Fields<'_>, kind: Option<&Kind>) -> Option<Option<Vec<EventName>>> {
    let word = fields.get("moment").and_then(moment::word_of);
    let described = moment::DESCRIBED.iter().find(|it| Some(it.word) == word)?;
    match kind {
        _ if !described.has_event => Some(None),
        Some(kind) => Some(kind.has_event().then(|| kind.at_hand())),
        None => None,
    }
}

/// What is done about a moment.
struct Treated {
    treatments: Vec<TreatmentChoice>,
    journey: Option<Journey>,
}

impl Treated {
    /// Whether it is all on the site, and anything.
    fn is_onsite(&self) -> bool {
        let steps = self.journey.iter().flat_map(Journey::choices);
        let mut channels = self.treatments.iter().chain(steps).peekable();
        channels.peek().is_some() && channels.all(|choice| choice.channel == "onsite")
    }
}

/// Reads what is done: treatments or a journey. Where it is not known whether there is an event, nothing is: better one error than
/// many.
fn treated(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    environment: Option<&Environment<'_>>,
) -> Option<Treated> {
    let Some(node) = fields.get("journey") else {
        let node = reader.required(
            fields,
            "treatments",
            "a list of what may be done; or `journey`",
        );
        return Some(Treated {
            treatments: choice::choices(reader, node?, environment?)?,
            journey: None,
        });
    };
    if let Some((key, _)) = fields.entry("treatments") {
        let message = "`treatments` beside `journey`";
        reader.fails(&key.span, message, "one of both".to_owned());
    }
    Some(Treated {
        treatments: Vec::new(),
        journey: Some(read_journey(reader, node, environment?)?),
    })
}

/// Reads within which limits. `onsite_only`: everything that is done is on the site.
fn limited(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    onsite_only: bool,
    environment: Option<Environment<'_>>,
) -> TriggerPolicy {
    let (node, is_journey) = (fields.get("policy"), fields.get("journey").is_some());
    // What was before the event is not kept as long as a journey lasts.
    let environment = environment.map(|environment| Environment {
        previous: environment.previous && !is_journey,
        ..environment
    });
    let policy = policy::read(reader, node, onsite_only, environment.as_ref());
    if let Some(node) = node.filter(|_| is_journey && policy.digest_ms.is_some()) {
        let message = "a journey's steps are not gathered";
        reader.fails(&node.span, message, "no `digest`".to_owned());
    }
    policy
}

fn uses_previous(trigger: &Trigger) -> bool {
    let asks = |expression: Option<&Expression>| expression.is_some_and(Expression::uses_previous);
    trigger.kind.uses_previous()
        || asks(trigger.audience.as_ref())
        || asks(trigger.policy.value.as_ref())
        || asks(trigger.policy.cap_per.as_ref())
        || trigger.goal.as_ref().is_some_and(Goal::uses_previous)
        || trigger
            .treatments
            .iter()
            .any(TreatmentChoice::uses_previous)
}

#[cfg(test)]
mod tests;
