//! `journey:` what a trigger file says of one.

use super::keys::{
    ACTIONS, ADAPTIVE, BRANCH, EXIT, KEYS, SPLITS, STEP, WAIT, WAIT_FOR, WAY, WEIGHT_MAX,
};
use super::split::Split;
use super::wait::Wait;
use super::{Awaited, Does, Journey, ReEnter, Step, key, limits};
use crate::document::reader::{DURATION_MAX_MS, Fields, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::{Text, Type};
use crate::expression::{Environment, Expression, read};
use crate::moment::matcher;
use crate::time::parse_duration;
use crate::treatment::choice;

/// Reads a journey; `environment`: what the event that it begins with says, where there is one.
pub fn journey(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: &Environment<'_>,
) -> Option<Journey> {
    // What was before the event that it began with is not kept for so long.
    let environment = Environment {
        previous: false,
        ..*environment
    };
    let before = reader.reports.len();
    let mut reading = Reading {
        reader,
        environment,
        steps: Vec::new(),
        is_full: false,
    };
    let read = match &node.value {
        Yaml::List(_) => {
            reading.list(node, None);
            (None, Some(ReEnter::Always), None)
        }
        _ => {
            let fields = reading.reader.fields(node, KEYS)?;
            let what = "a list, each `send`, `wait`, `wait_for`, `branch`, `split` or `exit`";
            if let Some(steps) = reading.reader.required(&fields, "steps", what) {
                reading.list(steps, None);
            }
            let until = fields.get("until");
            let until = until.and_then(|node| reading.foreseen(node));
            let re_enter = fields.get("re_enter");
            let re_enter = re_enter.map_or(Some(ReEnter::Always), |node| reading.re_enter(node));
            let per = fields.get("per").and_then(|node| reading.per(node));
            (until, re_enter, per)
        }
    };
    let steps = reading.joined();
    let (until, re_enter, per) = read;
    (reader.reports.len() == before).then_some(Journey {
        steps,
        until,
        re_enter: re_enter?,
        per,
    })
}

/// A journey while it is read. What is wrong is reported, and read on.
struct Reading<'r, 'd> {
    reader: &'r mut Reader<'d>,
    environment: Environment<'r>,
    /// Each with the step that it is within.
    steps: Vec<(Step, Option<u16>)>,
    /// It is too long, and that was said.
    is_full: bool,
}

/// Steps that were read: the first, and whether whoever goes through them always leaves.
#[derive(Clone, Copy)]
struct Listed {
    first: Option<u16>,
    leaves: bool,
}

/// No steps: she goes on with what follows.
const NONE: Listed = Listed {
    first: None,
    leaves: false,
};

impl<'r> Reading<'r, '_> {
    /// Reads steps, those of a branch within the step of it.
    fn list(&mut self, node: &Node, within: Option<u16>) -> Listed {
        let items = match &node.value {
            Yaml::List(items) if !items.is_empty() => items,
            _ => {
                self.reader.unexpected(node, "a list of steps");
                return NONE;
            }
        };
        let mut listed = NONE;
        let mut before: Option<u16> = None;
        for item in items {
            if listed.leaves {
                let message =
                    "this step is never reached: whoever comes to the one before it leaves";
                self.reader.fails(
                    &item.span,
                    message,
                    "the step further up, or none".to_owned(),
                );
                break;
            }
            let Some((step, leaves)) = self.step(item, within) else {
                continue;
            };
            if let Some(before) = before {
                self.steps[usize::from(before)].0.next = Some(step);
            }
            listed.first = listed.first.or(Some(step));
            (before, listed.leaves) = (Some(step), leaves);
        }
        listed
    }

    /// Reads a step, and whether whoever comes to it leaves.
    fn step(&mut self, node: &Node, within: Option<u16>) -> Option<(u16, bool)> {
        let place = self.steps.len();
        if place >= limits::STEPS {
            if !std::mem::replace(&mut self.is_full, true) {
                let most = format!("at most {} steps", limits::STEPS);
                self.reader
                    .fails(&node.span, "this journey is too long", most);
            }
            return None;
        }
        let at = u16::try_from(place).ok()?;
        let step = Step {
            name: Text::default(),
            key: 0,
            does: Does::Exit,
            next: None,
        };
        if node.text() == Some(EXIT) {
            self.steps.push((step, within));
            self.name(at, None, EXIT);
            return Some((at, true));
        }
        let before = self.reader.reports.len();
        let fields = self.reader.fields(node, STEP)?;
        if self.reader.reports.len() > before {
            return None;
        }
        let action = self.action(&fields)?;
        // Its place is before those within it.
        self.steps.push((step, within));
        let value = fields.get(action)?;
        let (does, said, leaves) = match action {
            "send" => self.send(value)?,
            "wait" => self.wait(value)?,
            "wait_for" => self.wait_for(value, &fields, at)?,
            "branch" => self.branch(value, &fields, at)?,
            _ => self.split(value, &fields, at)?,
        };
        self.steps[place].0.does = does;
        self.name(at, fields.get("name"), &said);
        Some((at, leaves))
    }

    /// What a step does: exactly one thing, with the keys that go with it.
    fn action(&mut self, fields: &Fields<'_>) -> Option<&'static str> {
        let said =
            |action: &&(&'static str, &'static [&'static str])| fields.get(action.0).is_some();
        let said: Vec<_> = ACTIONS.iter().filter(said).collect();
        let [(action, with)] = said[..] else {
            let message = match said.len() {
                0 => "this step does nothing".to_owned(),
                more => format!("a step does one thing; here are {more}"),
            };
            let expected =
                "exactly one of `send`, `wait`, `wait_for`, `branch`, `split`; or `exit`";
            self.reader
                .fails(&fields.node.span, message, expected.to_owned());
            return None;
        };
        let goes_with = |key: &str| key == "name" || key == *action || with.contains(&key);
        for (key, _) in fields.entries() {
            let is_known = STEP.names().any(|name| name == key.text);
            if is_known && !goes_with(&key.text) {
                let owner = ACTIONS
                    .iter()
                    .find(|(_, with)| with.contains(&key.text.as_str()));
                let expected = owner.map(|(owner, _)| format!("it in a step with `{owner}`"));
                let message = format!("`{}` does not go with `{action}`", key.text);
                self.reader.fails(&key.span, message, expected);
            }
        }
        Some(action)
    }

    fn send(&mut self, node: &Node) -> Option<(Does, String, bool)> {
        let choices = match &node.value {
            Yaml::List(_) => choice::choices(self.reader, node, &self.environment)?,
            _ => vec![choice::choice(self.reader, node, &self.environment)?],
        };
        let said = choices.first()?.template.to_string();
        Some((Does::Send(choices), said, false))
    }

    fn wait(&mut self, node: &Node) -> Option<(Does, String, bool)> {
        if node.text().is_some_and(|text| text.starts_with("until ")) {
            let expected = "such as `{ until: event.arrival, minus: 3d }`";
            self.reader.unexpected(node, expected);
            return None;
        }
        if !matches!(node.value, Yaml::Map(_)) {
            let ms = self.reader.duration(node)?;
            let said = format!("wait-{}", node.text().unwrap_or_default());
            return Some((Does::Wait(Wait::For(ms)), said, false));
        }
        let fields = self.reader.fields(node, WAIT)?;
        let at_ms = fields.get("at").map(|node| self.reader.time_of_day(node));
        let at_ms = at_ms.map_or(Some(None), |at_ms| at_ms.map(Some));
        let Some(date) = fields.get("until") else {
            for key in ["minus", "plus"] {
                if let Some((key, _)) = fields.entry(key) {
                    let message = format!("`{}` without `until`", key.text);
                    self.reader
                        .fails(&key.span, message, "`until`, a time or a date".to_owned());
                }
            }
            let what =
                "the local time until which she waits, such as \"10:00\"; or `until`, a date";
            self.reader.required(&fields, "at", what)?;
            let days = fields.get("weekdays");
            let days = days.map_or(Some([true; 7]), |node| self.reader.weekdays(node));
            let (at_ms, days) = (at_ms??, days?);
            return Some((
                Does::Wait(Wait::Local { at_ms, days }),
                "wait-until-day".into(),
                false,
            ));
        };
        if let Some((key, _)) = fields.entry("weekdays") {
            let message = "`weekdays` does not go with `until`";
            self.reader
                .fails(&key.span, message, "one of both".to_owned());
        }
        let role = "until when it lasts";
        let date = read::of_kind(self.reader, date, &self.environment, Type::Time, role);
        let minus = fields
            .get("minus")
            .map_or(Some(0), |node| self.reader.duration(node));
        let plus = fields
            .get("plus")
            .map_or(Some(0), |node| self.reader.duration(node));
        let wait = Wait::Until {
            date: date?,
            shift_ms: plus? - minus?,
            at_ms: at_ms?,
        };
        Some((Does::Wait(wait), "wait-until".into(), false))
    }

    fn wait_for(
        &mut self,
        node: &Node,
        step: &Fields<'_>,
        at: u16,
    ) -> Option<(Does, String, bool)> {
        let fields = self.reader.fields(node, WAIT_FOR);
        let of = fields.and_then(|fields| self.awaited(&fields));
        let within = fields.and_then(|fields| {
            let within = self
                .reader
                .required(&fields, "within", "how long, such as 3d")?;
            self.reader.duration(within)
        });
        let then = step.get("then").map(|node| self.list(node, Some(at)));
        let otherwise = step.get("else").map(|node| self.list(node, Some(at)));
        let leaves = [then, otherwise]
            .iter()
            .all(|it| it.is_some_and(|it| it.leaves));
        let does = Does::WaitFor {
            of: of?,
            within_ms: within?,
            then: then.unwrap_or(NONE).first,
            otherwise: otherwise.unwrap_or(NONE).first,
        };
        Some((does, "wait-for".into(), leaves))
    }

    fn awaited(&mut self, fields: &Fields<'_>) -> Option<Awaited> {
        match (fields.get("event"), fields.get("when")) {
            (Some(event), None) => matcher::matcher(self.reader, event).map(Awaited::Event),
            (None, Some(when)) => self.foreseen(when).map(Awaited::Condition),
            (both, _) => {
                let message = match both {
                    Some(_) => "`event` and `when` are two things to wait for",
                    None => "nothing is waited for",
                };
                let expected = "`event`, or `when`, a condition".to_owned();
                self.reader.fails(&fields.node.span, message, expected);
                None
            }
        }
    }

    fn branch(&mut self, node: &Node, step: &Fields<'_>, at: u16) -> Option<(Does, String, bool)> {
        let items = match &node.value {
            Yaml::List(items) if (1..=limits::WAYS).contains(&items.len()) => items,
            _ => {
                let expected = format!("1 to {} of `{{ if: ..., then: [...] }}`", limits::WAYS);
                self.reader.unexpected(node, expected);
                return None;
            }
        };
        let (mut branches, mut leaves, mut right) = (Vec::new(), true, true);
        for item in items {
            let fields = self.reader.fields(item, BRANCH)?;
            let condition = self.reader.required(&fields, "if", "a condition");
            let condition =
                condition.and_then(|node| read::condition(self.reader, node, &self.environment));
            let then = self.reader.required(&fields, "then", "a list of steps");
            let then = then.map_or(NONE, |node| self.list(node, Some(at)));
            leaves &= then.leaves;
            match condition {
                Some(condition) => branches.push((condition, then.first)),
                None => right = false,
            }
        }
        let otherwise = step.get("else").map(|node| self.list(node, Some(at)));
        leaves &= otherwise.is_some_and(|it| it.leaves);
        let does = Does::Branch(branches, otherwise.unwrap_or(NONE).first);
        right.then_some((does, "branch".into(), leaves))
    }

    fn split(&mut self, node: &Node, step: &Fields<'_>, at: u16) -> Option<(Does, String, bool)> {
        let is_adaptive = self.reader.one_of(node, SPLITS)? == ADAPTIVE;
        let what = "a list of at least two, each `{ name: ..., weight: ..., then: [...] }`";
        let node = self.reader.required(step, "ways", what)?;
        let items = match &node.value {
            Yaml::List(items) if (2..=limits::WAYS).contains(&items.len()) => items,
            _ => {
                let expected = format!("2 to {} ways, {what}", limits::WAYS);
                self.reader.unexpected(node, expected);
                return None;
            }
        };
        let (mut ways, mut leaves): (Vec<(Text, u32, Option<u16>)>, _) = (Vec::new(), true);
        for item in items {
            let fields = self.reader.fields(item, WAY)?;
            let name = self
                .reader
                .required(&fields, "name", "its name, such as with-discount")?;
            let text = self
                .reader
                .name(name, ("a way", "with-discount"), limits::NAME_BYTES)?;
            if ways.iter().any(|(known, ..)| known == text) {
                let message = format!("`{text}` is the name of two ways");
                self.reader
                    .fails(&name.span, message, "another name".to_owned());
            }
            if let Some((key, _)) = fields.entry("weight").filter(|_| is_adaptive) {
                let message = "`weight` does not go with `split: adaptive`";
                let expected = "`split: weighted`, or no weight".to_owned();
                self.reader.fails(&key.span, message, expected);
            }
            let weight = fields.get("weight");
            let weight = weight.map_or(Some(1), |node| self.reader.whole(node, 1..=WEIGHT_MAX));
            let then = fields
                .get("then")
                .map_or(NONE, |node| self.list(node, Some(at)));
            leaves &= then.leaves;
            ways.push((text.into(), weight?, then.first));
        }
        let split = Split { ways, is_adaptive };
        Some((Does::Split(split), "split".into(), leaves))
    }

    /// A condition of which it can be said when time alone changes it.
    fn foreseen(&mut self, node: &Node) -> Option<Expression> {
        let condition = read::condition(self.reader, node, &self.environment)?;
        if condition.is_unforeseen() {
            let message = "nobody can say when time alone makes this true";
            let expected =
                "`now`, and what fades, without `%`, `abs`, `hour` and `weekday`".to_owned();
            self.reader.fails(&node.span, message, expected);
        }
        Some(condition)
    }

    fn per(&mut self, node: &Node) -> Option<Expression> {
        let text = read::text(self.reader, node)?;
        let per = Expression::compile(text, &self.environment);
        let per = read::compiled(self.reader, node, 0, per)?;
        if !per.uses_event() || matches!(per.kind(), Type::List(_) | Type::Duration) {
            let message = "this does not tell one journey of a customer from another";
            let expected = "a text, number or time of the event, such as `event.order_id`";
            self.reader.fails(&node.span, message, expected.to_owned());
        }
        Some(per)
    }

    fn re_enter(&mut self, node: &Node) -> Option<ReEnter> {
        let text = node.text().unwrap_or_default();
        let after = text.strip_prefix("after ").map(parse_duration);
        match (text, after) {
            ("always", _) => Some(ReEnter::Always),
            ("never", _) => Some(ReEnter::Never),
            (_, Some(Ok(ms))) if (1..=DURATION_MAX_MS).contains(&ms) => Some(ReEnter::After(ms)),
            _ => {
                self.reader
                    .unexpected(node, "`always`, `never` or `after 30d`");
                None
            }
        }
    }

    /// Names a step: as its author does, or by what it does; of several of one name, the second is `-2`.
    fn name(&mut self, at: u16, said: Option<&Node>, does: &str) {
        let named = said.and_then(|node| {
            let name = self
                .reader
                .name(node, ("a step", "second-reminder"), limits::NAME_BYTES)?;
            if self.is_known(name) {
                let message = format!("two steps are called `{name}`");
                self.reader
                    .fails(&node.span, message, "another name".to_owned());
            }
            Some(name.to_owned())
        });
        let name = named.unwrap_or_else(|| {
            let base = slug(does);
            let numbered = (2..).map(|n| format!("{base}-{n}"));
            let mut names = std::iter::once(base.clone()).chain(numbered);
            names.find(|name| !self.is_known(name)).unwrap_or(base)
        });
        let step = &mut self.steps[usize::from(at)].0;
        (step.key, step.name) = (key(&name), name.into());
    }

    /// By the hash, which is what customers remember.
    fn is_known(&self, name: &str) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|(step, _)| !step.name.is_empty() && step.key == key(name))
    }

    /// The steps, each with what follows it: behind the last of a list, what follows the step that it is within.
    fn joined(self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (mut step, within) in self.steps {
            let around = within.and_then(|within| steps[usize::from(within)].next);
            step.next = step.next.or(around);
            let next = step.next;
            match &mut step.does {
                Does::WaitFor {
                    then, otherwise, ..
                } => {
                    *then = then.or(next);
                    *otherwise = otherwise.or(next);
                }
                Does::Branch(branches, otherwise) => {
                    branches.iter_mut().for_each(|it| it.1 = it.1.or(next));
                    *otherwise = otherwise.or(next);
                }
                Does::Split(split) => {
                    split.ways.iter_mut().for_each(|it| it.2 = it.2.or(next));
                }
                Does::Send(_) | Does::Wait(_) | Does::Exit => {}
            }
            steps.push(step);
        }
        steps
    }
}

/// A text as a name: what else it has becomes hyphens.
fn slug(text: &str) -> String {
    let fits = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '-',
    };
    // Room for a number behind it.
    let name: String = text
        .chars()
        .map(fits)
        .take(limits::NAME_BYTES - 4)
        .collect();
    match name.trim_matches('-') {
        "" => "step".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
