//! Prediction: the score of a declared model goes from outside to inside of a bound.
//!
//! The model is asked at each event of `evaluate.on`, and, with `evaluate.every`, so long after it was asked last, be it by an event or
//! by time; the first time so long after her first event of any kind. It comes true at the evaluation at which the score is inside
//! and was not at the one before. A score that is not known is outside, and so is what was never asked.
//!
//! An event that is older than the last evaluation is not asked about: what came after it has been decided. Whether the last score
//! was inside stays, though the model or the bound is another: a model that is fitted again each week makes nothing true by that.

use serde::{Deserialize, Serialize};

use super::crosses::{Crosses, SIDES, crosses};
use super::kind::{
    Concerns, Described, Evidence, Found, Kept, Missing, Moment, MomentKind, Sees, Telling, Unseen,
    WHEN, when,
};
use super::matcher::{self, Matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::report::Report;
use crate::document::suggest::{closest, listed};
use crate::document::yaml::Node;
use crate::event::Event;
use crate::expression::model::Model;
use crate::expression::{Expression, Scope, read};
use crate::profile::Settled;
use crate::stored::Stored;
use crate::table::rows::Rows;
use crate::time::{Timestamp, duration_in_words};
use crate::value::Value;

/// At the most often by time alone, ms: each is a look at every customer. What has to be known sooner, an event says.
pub const EVERY_MIN_MS: i64 = 60_000;

const KEYS: Keys = Keys {
    of: "`prediction`",
    known: &[
        Known::required(
            "model",
            Shape::Form("^[a-z][a-z0-9_]{0,63}$", "alive"),
            "The model that is asked: the name of one that is declared in a file beside the triggers.",
        ),
        Known::required(
            "crosses",
            Shape::OneOf(&SIDES),
            "What the score comes to. It comes true at the evaluation at which this holds and did not hold at the one before.",
        ),
        Known::required(
            "evaluate",
            Shape::Mapping(&EVALUATE),
            "When the model is asked: `on` an event, `every` so long, or both.",
        ),
        WHEN,
    ],
    later: &[],
};
const EVALUATE: Keys = Keys {
    of: "`evaluate`",
    known: &[
        Known::optional("on", matcher::SHAPE, "At each of these events."),
        Known::optional(
            "every",
            Shape::Duration,
            "So long after it was asked last; the first time, after her first event. At least a minute.",
        ),
    ],
    later: &[],
};

/// The compiled form.
#[derive(Debug)]
pub struct Prediction {
    /// What is asked.
    pub model: Model,
    /// The bound.
    pub crosses: Crosses,
    /// The events at which it is asked; of none where time alone says when.
    pub on: Matcher,
    /// How long after it was asked last, ms.
    pub every_ms: Option<i64>,
    /// When it is decided.
    pub sees: Sees,
}

/// Where the score of one customer stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionState {
    /// When the model was asked last, or her first event where it was not yet.
    asked: Timestamp,
    /// Whether the score was inside.
    inside: bool,
}

impl Stored for PredictionState {
    const VERSION: u8 = 1;
}

impl MomentKind for Prediction {
    type State = PredictionState;

    const TAG: u16 = 10;
    const DESCRIBED: Described = Described {
        word: "prediction",
        comes_true: "At the evaluation at which the score of a model goes from outside to inside of a bound.",
        decided: "when the watermark has reached it; without `every`, when the event is seen, or with `when: settled`, when it is settled",
        occurrence: "the event's id, or the time of an evaluation that no event made",
        again: "at an evaluation after the score has been outside at one",
        has_event: true,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, KEYS)?;
        let named = reader.required(&fields, "model", "a model that is declared, such as alive");
        let model = named.and_then(|node| model(reader, node));
        let bound = reader.required(
            &fields,
            "crosses",
            "what the score comes to, such as `{ below: 0.3 }`",
        );
        let crosses = bound.and_then(|node| crosses(reader, node));
        let asked = reader.required(&fields, "evaluate", EVALUATED);
        let asked = asked.and_then(|node| evaluate(reader, node));
        let sees = when(reader, &fields);
        let (on, every_ms) = asked?;
        let sees = match (every_ms, fields.get(WHEN.name)) {
            (None, _) => sees?,
            (Some(_), Some(node)) if sees? == Sees::SoFar => {
                let expected = "`when: settled`, or no `every`".to_owned();
                let message = "what is asked by time alone is decided when it is settled";
                reader.fails(&node.span, message, expected);
                return None;
            }
            (Some(_), _) => Sees::Settled,
        };
        Some(Self {
            model: model?,
            crosses: crosses?,
            on,
            every_ms,
            sees,
        })
    }

    fn concerns(&self) -> Concerns {
        let concerns = self.on.concerns();
        Concerns {
            everybody: concerns.everybody || self.every_ms.is_some(),
            ..concerns
        }
    }

    /// By time alone there is none.
    fn has_event(&self) -> bool {
        self.every_ms.is_none()
    }

    fn sees(&self) -> Sees {
        self.sees
    }

    fn uses_previous(&self) -> bool {
        self.on.uses_previous()
    }

    /// By time alone it goes on from her last event.
    fn begin(&self, settled: &Settled, _decided: Option<Timestamp>) -> Option<PredictionState> {
        let asked = settled
            .presence
            .last_seen
            .filter(|_| self.every_ms.is_some())?;
        Some(PredictionState {
            asked,
            inside: false,
        })
    }

    fn event(&self, state: &mut Kept<'_, PredictionState>, scope: &Scope<'_>, found: &mut Found) {
        let Some(event) = scope.event else { return };
        let is_asked = self.on.matches(scope);
        if !is_asked && (self.every_ms.is_none() || state.get().is_some()) {
            return;
        }
        let own = state.get_or_insert_with(|| PredictionState {
            asked: event.time,
            inside: false,
        });
        if is_asked && event.time >= own.asked {
            let facts = self.ask(own, scope);
            found.moment = facts.map(|facts| Moment::of_event(event, facts));
        }
    }

    fn may_come_true(&self, _state: Option<&PredictionState>, unseen: Unseen<'_>) -> bool {
        self.on.may_mean(unseen)
    }

    fn looks_again(&self, event: &Event, _settled: &Settled) -> Option<Timestamp> {
        if self.sees == Sees::Settled && self.on.may_match(event) {
            return Some(event.time);
        }
        self.every_ms.map(|every_ms| event.time.plus(every_ms))
    }

    fn due(&self, state: &PredictionState, _settled: &Settled) -> Option<Timestamp> {
        self.every_ms.map(|every_ms| state.asked.plus(every_ms))
    }

    fn fire(&self, state: &mut PredictionState, settled: &Settled, rows: &Rows) -> Option<Moment> {
        let at = self.due(state, settled)?;
        let scope = Scope::of(settled, at, rows);
        let facts = self.ask(state, &scope)?;
        Some(Moment {
            at,
            occurrence: compact_str::format_compact!("{at}"),
            evidence: Evidence::of(Vec::new(), facts),
        })
    }

    /// Where the score of either was inside, that was decided: it has to be outside once before it is again.
    fn merge(&self, own: &mut PredictionState, other: PredictionState, _both: &Settled) -> u32 {
        own.asked = own.asked.max(other.asked);
        own.inside |= other.inside;
        0
    }

    fn said(&self) -> String {
        format!(
            "when the score of the model {} comes to {}, asked {}",
            self.model.spec().name,
            self.crosses.said(),
            self.asked()
        )
    }

    fn explain(&self, state: Option<&PredictionState>, scope: &Scope<'_>) -> Vec<Missing> {
        let (name, bound) = (&self.model.spec().name, self.crosses.said());
        let explained = self.model.explained(scope);
        let score = explained
            .as_ref()
            .map(|it| (it.score * 1000.0).round() / 1000.0);
        let now = match score {
            Some(score) => format!("The score of {name} would be {score} now"),
            None => format!("The score of {name} is not known, as an input is not"),
        };
        let was_inside = state.is_some_and(|state| state.inside);
        let has_to = match was_inside {
            true => format!("it was {bound} when it was asked last, and has to be otherwise once"),
            false => format!("it has to come to {bound}"),
        };
        let asked = match state.and_then(|state| self.due(state, scope.profile)) {
            Some(due) => format!("It is asked at {due} at the latest"),
            None => format!("It is asked {}", self.asked()),
        };
        let missing = Missing::event(format!("{now}: {has_to}. {asked}."))
            .by("score", &Value::number(score))
            .by("bound", &Value::Number(self.crosses.bound))
            .by("inputs", self.model.shown(scope));
        vec![match explained {
            Some(explained) => {
                let contributions = explained.contributions.into_iter();
                let contributions = contributions.map(|(name, value)| (name, value.into()));
                missing.by("contributions", serde_json::Map::from_iter(contributions))
            }
            None => missing,
        }]
    }

    fn expressions(&self) -> Vec<&Expression> {
        self.on.expressions().chain(self.model.inputs()).collect()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        let score = (telling.fact)("score");
        let score = (score * 1000.0).round() / 1000.0;
        Some(format!("{} is {score}", self.model.spec().name))
    }
}

impl Prediction {
    /// When it is asked, for people.
    fn asked(&self) -> String {
        let on = self.on.said();
        let on = (!on.is_empty()).then(|| format!("at each {on}"));
        let every = self.every_ms.map(duration_in_words);
        let every = every.map(|long| format!("{long} after it was asked last"));
        let both: Vec<String> = on.into_iter().chain(every).collect();
        both.join(" and ")
    }

    /// Asks the model as of the scope's `now`; what the moment says, if it comes true.
    fn ask(
        &self,
        state: &mut PredictionState,
        scope: &Scope<'_>,
    ) -> Option<Vec<(&'static str, serde_json::Value)>> {
        let score = self.model.score(scope);
        let was_inside = state.inside;
        state.asked = scope.now;
        state.inside = score.is_some_and(|score| self.crosses.holds(score));
        if was_inside || !state.inside {
            return None;
        }
        let explained = self.model.explained(scope)?;
        let contributions = explained.contributions.into_iter();
        let contributions = contributions.map(|(name, value)| (name, value.into()));
        Some(vec![
            ("model", self.model.spec().name.as_str().into()),
            ("score", explained.score.into()),
            ("bound", self.crosses.bound.into()),
            ("inputs", self.model.shown(scope).into()),
            (
                "contributions",
                serde_json::Map::from_iter(contributions).into(),
            ),
        ])
    }
}

const EVALUATED: &str = "when the model is asked, such as `{ on: Order Completed, every: 7d }`";

fn evaluate(reader: &mut Reader<'_>, node: &Node) -> Option<(Matcher, Option<i64>)> {
    let fields: Fields<'_> = reader.fields(node, EVALUATE)?;
    let on = fields.get("on");
    let every = fields.get("every");
    if on.is_none() && every.is_none() {
        let expected = format!("`on`, `every` or both: {EVALUATED}");
        reader.fails(&node.span, "nothing says when the model is asked", expected);
        return None;
    }
    let on = on.map_or(Some(Matcher::default()), |node| {
        matcher::matcher(reader, node)
    });
    let every_ms = every.map_or(Some(None), |node| {
        let every_ms = reader.duration(node)?;
        if every_ms < EVERY_MIN_MS {
            let expected = "at least a minute; what has to be known sooner, an event says (`on`)";
            reader.fails(&node.span, "too often", expected.to_owned());
            return None;
        }
        Some(Some(every_ms))
    });
    Some((on?, every_ms?))
}

/// A model that is declared.
fn model(reader: &mut Reader<'_>, node: &Node) -> Option<Model> {
    let text = reader.text(node, "a model, such as alive")?;
    let models = &reader.declared.derived.models;
    let environment = read::environment(reader.declared, None, false);
    if let Some(spec) = models.get(text) {
        let compiled = Model::compile(spec, &environment);
        return compiled
            .map_err(|error| reader.fails(&node.span, error.message, error.expected))
            .ok();
    }
    let names = || models.keys().map(String::as_str);
    let expected = match models.len() {
        0 => "models are declared in files of their own, beside the triggers; none is here"
            .to_owned(),
        _ => format!("one of {}", listed(names())),
    };
    let message = format!("no model is called `{text}`");
    let report = Report::at(reader.source, node.span.clone(), message)
        .expected(expected)
        .suggest(closest(text, names()).map(str::to_owned));
    reader.reports.push(report);
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::document::reader::Declared;
    use crate::document::report::{Source, rendered};
    use crate::document::yaml;
    use crate::event::{EventName, Vocabulary};
    use crate::measure::Declarations;
    use crate::model;
    use crate::moment::kind::tests::said;

    const MINUTE: i64 = 60_000;

    /// How far she is from her first event: the score is inside above 0.5 from 10 minutes on, and outside before.
    const AGE: &str = "{ model: age, logistic: { intercept: -10, inputs: { minutes: { of: (now - profile.last_order) / duration('1m'), weight: 1 } } } }";

    fn reading(text: &str) -> Result<Prediction, String> {
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        let plain = Declared::new(&vocabulary, &attributes);
        let age = model::read(&Source::new("age.yaml", AGE.to_owned()), plain, &[]);
        let age = age.map_err(|reports| rendered(&reports))?;
        let derived = Declarations {
            models: BTreeMap::from([("age".to_owned(), Arc::clone(&age.spec))]),
            ..Declarations::default()
        };
        let source = Source::new("t.yaml", text.to_owned());
        let mut reader = Reader::new(&source, plain.with(&derived));
        let node = yaml::parse(&source, &mut reader.reports);
        let kind = node.and_then(|node| Prediction::read(&mut reader, &node));
        let reports = rendered(&reader.reports);
        kind.filter(|_| reader.reports.is_empty()).ok_or(reports)
    }

    /// An event of a customer whose last order was at this minute.
    fn event(
        kind: &Prediction,
        state: &mut Option<PredictionState>,
        minute: i64,
        ordered: i64,
    ) -> bool {
        let mut settled = Settled::default();
        settled.orders.last = Some(Timestamp(ordered * MINUTE));
        let event = said(EventName::PRODUCT_VIEWED, Timestamp(minute * MINUTE));
        let scope = Scope::of_event(&event, &settled, None, &crate::table::rows::NONE);
        let mut found = Found::default();
        kind.event(&mut Kept::New(state), &scope, &mut found);
        found.moment.is_some_and(|moment| moment.at == event.time)
    }

    #[test]
    fn it_comes_true_where_the_score_crosses() {
        let kind =
            reading("{ model: age, crosses: { above: 0.5 }, evaluate: { on: Product Viewed } }");
        let kind = kind.unwrap_or_else(|said| panic!("{said}"));
        let mut state = None;
        for (minute, ordered, comes_true) in [
            (9, 0, false),
            // At the bound itself it is not above it.
            (10, 0, false),
            (11, 0, true),
            // Inside it stays; armed again it is once it was outside.
            (12, 0, false),
            (13, 12, false),
            (23, 12, true),
            // What is older than the last is not asked about.
            (22, 12, false),
        ] {
            let came = event(&kind, &mut state, minute, ordered);
            assert_eq!(came, comes_true, "at {minute}");
        }
    }

    #[test]
    fn by_time_alone_it_is_asked_so_long_after_the_last() {
        let text = "{ model: age, crosses: { at_least: 0.5 }, evaluate: { on: Order Completed, every: 4m } }";
        let kind = reading(text).unwrap_or_else(|said| panic!("{said}"));
        let mut state = None;
        assert!(!event(&kind, &mut state, 1, 0));
        let mut state = state.expect("it begins with the first event, whatever it is");
        let mut settled = Settled::default();
        settled.orders.last = Some(Timestamp(0));
        let mut came = Vec::new();
        for _ in 0..4 {
            let due = kind.due(&state, &settled).expect("it goes on");
            if let Some(moment) = kind.fire(&mut state, &settled, &crate::table::rows::NONE) {
                assert_eq!(
                    (moment.at, moment.occurrence.as_str()),
                    (due, due.to_string().as_str())
                );
                let contributions = moment.evidence.fact("contributions");
                assert_eq!(contributions, Some(&serde_json::json!({ "minutes": 13.0 })));
                came.push(due.0 / MINUTE);
            }
        }
        assert_eq!(came, [13]);
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("model: age, crosses: { above: 0.5 }, evaluate: { on: Product Viewed }", ""),
        ("model: age, crosses: { above: 0.5 }, evaluate: { on: [Product *, any], every: 7d }", ""),
        ("model: age, crosses: { above: 0.5 }, evaluate: { every: 1d }, when: settled", ""),
        ("model: aeg, crosses: { above: 0.5 }, evaluate: { every: 1d }", "did you mean `age`?"),
        ("crosses: { above: 0.5 }, evaluate: { every: 1d }", "`model` is missing"),
        ("model: age, evaluate: { every: 1d }", "`crosses` is missing"),
        ("model: age, crosses: { above: 0.5 }", "`evaluate` is missing"),
        ("model: age, crosses: { above: 0.5 }, evaluate: {}", "nothing says when the model is asked"),
        ("model: age, crosses: { above: 0.5 }, evaluate: { every: 10ms }", "too often"),
        ("model: age, crosses: { above: 0.5, below: 0.7 }, evaluate: { every: 1d }", "`crosses` is one thing; here are 2"),
        ("model: age, crosses: { over: 0.5 }, evaluate: { every: 1d }", "`crosses` has no `over`"),
        ("model: age, crosses: { above: 0.5 }, evaluate: { every: 1d }, when: seen", "what is asked by time alone is decided when it is settled"),
        ("model: age, crosses: { above: 0.5 }, evaluate: { on: Product Veiwed }", "did you mean `Product Viewed`?"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let said = reading(&format!("{{ {text} }}")).err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
