//! Where customers stand: named conditions over profile and facts that are entered and left, by events and by time alone.
//!
//! A segment is like a moment with another output: it says which events concern it, keeps a state of a customer
//! ([`crate::profile::segments`]), and has a deadline where time alone may change its answer. Labels, personas, stages and milestones
//! are segments under names of their own, which say how they are asked for. What a file may ask for stands before it in [`FILES`], so
//! one pass in this order finds everything as it is.

mod concerned;
mod labels;
mod path;
mod personas;
mod single;

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

pub use concerned::{Chosen, Concerned};
pub use labels::{Bounds, DIMENSIONS, Dimension, FILE as LABELS};
pub use path::FILE as PATH;
pub use personas::FILE as PERSONAS;
pub use single::FILE as SEGMENT;

use crate::document::keys::Keys;
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::yaml::{Node, Yaml};
use crate::event::{Event, Text};
use crate::expression::{Expression, Scope, read};
use crate::measure::Declarations;
use crate::profile::Settled;
use crate::profile::segments::{Answer, Standing};
use crate::table::rows::Rows;
use crate::time::Timestamp;

/// A name of its own.
pub const NAME_BYTES: usize = 64;

/// A kind of file that declares where customers stand.
#[derive(Debug)]
pub struct File {
    /// The key that says that it is one.
    pub word: &'static str,
    /// What it is, for editors.
    pub title: &'static str,
    /// What it declares.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static Keys,
    /// Whether a set has one at most.
    pub is_single: bool,
    /// The keys of the mappings within.
    pub more: &'static [&'static Keys],
    read: fn(&mut Reader<'_>, &Fields<'_>) -> Option<Vec<Segment>>,
}

/// Every kind, each behind those that it may ask for.
pub const FILES: &[File] = &[LABELS, SEGMENT, PERSONAS, PATH];

/// A checked segment, label, persona, stage or milestone.
#[derive(Debug)]
pub struct Segment {
    /// Its name among all, which says what it is.
    pub name: Text,
    /// Hash of its definition's text.
    pub text: u64,
    /// The ways to it, of which one is enough.
    when: Vec<Arc<Expression>>,
    /// None of which may hold.
    unless: Vec<Arc<Expression>>,
    /// Who is in it stays.
    is_kept: bool,
    held_ms: i64,
    digest: u64,
    /// Whether an event may change a field that it asks for; one for each.
    written_by: Vec<fn(&Event) -> bool>,
    /// The facts that it asks for.
    facts: Vec<String>,
    /// Whether it asks where she stands with another.
    pub asks_others: bool,
}

impl Segment {
    /// One of a group of names, which holds by any of these conditions.
    fn new(group: &str, name: &str, when: Vec<Arc<Expression>>) -> Self {
        let made = Self {
            name: Standing::named(group, name),
            text: 0,
            when,
            unless: Vec::new(),
            is_kept: false,
            held_ms: 0,
            digest: 0,
            written_by: Vec::new(),
            facts: Vec::new(),
            asks_others: false,
        };
        made.checked()
    }

    /// It has to hold for so long, ms.
    fn held(self, held_ms: i64) -> Self {
        Self { held_ms, ..self }.checked()
    }

    /// Who is in it stays in it.
    fn kept(self) -> Self {
        let is_kept = true;
        Self { is_kept, ..self }.checked()
    }

    /// Only where none of these holds.
    fn unless(self, unless: Vec<Arc<Expression>>) -> Self {
        Self { unless, ..self }.checked()
    }

    /// Who is meant: any of these, and those by which she is not.
    pub fn conditions(&self) -> impl Iterator<Item = &Arc<Expression>> {
        self.when.iter().chain(&self.unless)
    }

    /// With what follows from its conditions.
    fn checked(mut self) -> Self {
        let mut hasher = Xxh3::new();
        let word = if self.is_kept { " kept" } else { "" };
        hasher.update(format!("{}{word}", self.held_ms).as_bytes());
        for (conditions, between) in [(&self.when, " "), (&self.unless, " unless ")] {
            for condition in conditions {
                hasher.update(between.as_bytes());
                hasher.update(condition.source().as_bytes());
            }
        }
        self.digest = hasher.digest();
        let asks: Vec<&String> = self.conditions().flat_map(|it| it.asks()).collect();
        let of_profile = asks.iter().filter_map(|path| path.strip_prefix("profile."));
        let (others, own): (Vec<&str>, Vec<&str>) =
            of_profile.partition(|path| Standing::is_of(path));
        let written_by = own.into_iter().filter_map(Settled::writer_of);
        let facts = asks.iter().filter_map(|path| path.strip_prefix("facts."));
        // A key may stand behind the name.
        let facts = facts.filter_map(|path| path.split(['.', '[']).next().map(str::to_owned));
        let (asks_others, written_by, facts) =
            (!others.is_empty(), written_by.collect(), facts.collect());
        self.asks_others = asks_others;
        self.written_by = written_by;
        self.facts = facts;
        self
    }

    /// Where she stands once it was asked at an instant; none where nothing changes.
    #[must_use]
    pub fn asked(&self, settled: &Settled, at: Timestamp, rows: &Rows) -> Option<Standing> {
        let own = (&self.name, self.digest);
        let stays = self.is_kept && settled.segments.is_in(own);
        let answer = match stays {
            true => Answer {
                holds: true,
                next: None,
                held_ms: 0,
            },
            false => self.answer(settled, at, rows),
        };
        settled.segments.stands(own, at, answer)
    }

    fn answer(&self, settled: &Settled, at: Timestamp, rows: &Rows) -> Answer {
        let scope = Scope::of(settled, at, rows);
        let any = |conditions: &[Arc<Expression>]| conditions.iter().any(|it| it.holds(&scope));
        let next = self.conditions().filter_map(|it| it.next_change(&scope));
        let holds = any(&self.when) && !any(&self.unless);
        Answer {
            holds,
            // What is kept is not asked again once it holds.
            next: next
                .min()
                .filter(|_| !(self.is_kept && holds && self.held_ms == 0)),
            held_ms: self.held_ms,
        }
    }

    /// Whether it holds, and when time alone may change that.
    #[cfg(test)]
    fn holds_at(&self, settled: &Settled, at: Timestamp) -> (bool, Option<Timestamp>) {
        let answer = self.answer(settled, at, &crate::table::rows::NONE);
        (answer.holds, answer.next)
    }

    /// Makes it known by its name to what stands behind it.
    pub fn declare(&self, declared: &mut Declarations) {
        let (group, name) = Standing::parts(&self.name);
        match group {
            Standing::SEGMENT => drop(declared.segments.insert(name.to_owned())),
            Standing::MILESTONE => declared.milestones.push(name.to_owned()),
            Standing::OVERDUE => declared.overdue.push(name.to_owned()),
            label => {
                let names = declared.labels.entry(label.to_owned()).or_default();
                names.push(name.to_owned());
            }
        }
    }
}

/// Reads a file of this kind.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(
    file: &File,
    source: &Source,
    declared: Declared<'_>,
) -> Result<Vec<Segment>, Vec<Report>> {
    let segments = reader::file(source, declared, *file.keys, file.read)?;
    let text = source.digest();
    let segments = segments.into_iter();
    Ok(segments.map(|it| Segment { text, ..it }).collect())
}

/// A condition of which it can be foreseen when time alone changes it.
fn condition(
    reader: &mut Reader<'_>,
    node: &Node,
    declared: Declared<'_>,
) -> Option<Arc<Expression>> {
    let environment = read::environment(declared, None, false);
    let when = read::condition(reader, node, &environment)?;
    if when.is_unforeseen() {
        let expected = "no `%`, `abs`, `hour` or `weekday` of what time alone changes".to_owned();
        reader.fails(&node.span, "when this changes cannot be foreseen", expected);
    }
    Some(Arc::new(when))
}

/// The items of a list of 1 to so many.
fn items<'n>(reader: &mut Reader<'_>, node: &'n Node, max: usize) -> Option<&'n [Node]> {
    match &node.value {
        Yaml::List(items) if (1..=max).contains(&items.len()) => Some(items),
        _ => {
            reader.unexpected(node, format!("a list of 1 to {max}"));
            None
        }
    }
}
