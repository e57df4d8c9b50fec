//! What stands between moments and treatments: quiet hours, caps and arbitration over whole histories, held to a naive reference
//! that knows every moment beforehand and asks in their order.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use moments::document::report::Source;
use moments::engine::{Effect, Engine};
use moments::event::Vocabulary;
use moments::time::{DAY_MS, Timestamp};
use moments::treatment::Outcome;
use moments::trigger::plan::Plan;
use moments::trigger::set::{self, Basis};

use super::cases;
use super::driver::{Told, inputs, tell};
use super::history::{Grid, Happening, arrivals, history};
use crate::reference::{Definition, From, Inside, Measured, RefEvent, moments};

const HOUR: i64 = 3_600_000;
const GRID: Grid = Grid {
    step_ms: HOUR,
    steps: 110,
    lateness: 6,
};
/// As the engine's, of one customer.
const HELD_MAX: usize = 32;

/// At night.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Night {
    Ignore,
    Drop,
    Hold,
}

/// At most so many commands.
#[derive(Clone, Copy, Debug)]
enum Cap {
    In(usize, i64),
    ADay(usize),
    Once,
    Every(usize),
}

/// A trigger: what comes true, and what it says of its treatment.
struct Row {
    name: &'static str,
    moment: &'static str,
    /// None: each event of the name.
    definition: Option<Definition>,
    each: &'static str,
    channel: &'static str,
    priority: i32,
    value: f64,
    night: Night,
    cap: Option<Cap>,
    good_for_ms: i64,
    /// 0: they are not gathered.
    digest_ms: i64,
}

/// Left, viewed, idle, keen.
fn definitions() -> [Definition; 4] {
    let left = Definition::Absence {
        of: vec!["Order Completed"],
        after: vec!["Product Added"],
        within_ms: 2 * HOUR,
        value_ms: 0,
        from: From::Last,
        per_key: false,
    };
    let viewed = Definition::Absence {
        of: vec!["Order Completed"],
        after: vec!["Cart Viewed"],
        within_ms: 3 * HOUR,
        value_ms: 0,
        from: From::First,
        per_key: false,
    };
    let idle = Definition::Inactivity {
        of: vec!["Product Viewed", "Product Added"],
        for_ms: 2 * HOUR,
    };
    let keen = Definition::Threshold {
        of: vec!["Product Viewed"],
        measured: Measured::Count,
        over_ms: Some(10 * HOUR),
        inside: Inside::AtLeast(2.0),
    };
    [left, viewed, idle, keen]
}

fn rows() -> Vec<Row> {
    let row = |name, moment, definition| Row {
        name,
        moment,
        definition,
        each: "Order Completed",
        channel: "onsite",
        priority: 50,
        value: 0.0,
        night: Night::Hold,
        cap: None,
        good_for_ms: 1000 * DAY_MS,
        digest_ms: 0,
    };
    let [left, viewed, idle, keen] = definitions();
    vec![
        Row {
            priority: 60,
            cap: Some(Cap::In(2, 2 * DAY_MS)),
            ..row(
                "left",
                "absence: { of: Order Completed, after: Product Added, within: 2h }",
                Some(left),
            )
        },
        Row {
            channel: "store",
            value: 2.0,
            cap: Some(Cap::ADay(1)),
            ..row(
                "viewed",
                "absence: { of: Order Completed, after: Cart Viewed, within: 3h, from: first }",
                Some(viewed),
            )
        },
        Row {
            night: Night::Drop,
            value: 1.0,
            cap: Some(Cap::Every(3)),
            ..row(
                "idle",
                "inactivity: { of: [Product Viewed, Product Added], for: 2h }",
                Some(idle),
            )
        },
        Row {
            night: Night::Ignore,
            cap: Some(Cap::Once),
            ..row(
                "keen",
                "threshold: { of: Product Viewed, measure: count, over: 10h, crosses: { at_least: 2 }, when: settled }",
                Some(keen),
            )
        },
        Row {
            each: "Cart Viewed",
            channel: "store",
            priority: 55,
            cap: Some(Cap::In(1, 12 * HOUR)),
            digest_ms: 7 * HOUR,
            ..row("seen", "event: { of: Cart Viewed, when: settled }", None)
        },
        // What it is good for may run out at night.
        Row {
            good_for_ms: 5 * HOUR,
            ..row(
                "bought",
                "event: { of: Order Completed, when: settled }",
                None,
            )
        },
    ]
}

/// What is common: in words, and for the reference.
struct Common {
    text: &'static str,
    arbitrates: bool,
    /// Local time - UTC.
    zone_ms: i64,
    /// Whether this channel is quiet at this local hour of the day.
    quiet: fn(&str, i64) -> bool,
    /// The window of the store; 0: none.
    window_ms: i64,
    on_all: &'static [Cap],
    on_store: &'static [Cap],
}

const NIGHTS: &str = "quiet_hours = { default = '22:00-08:00', store = '06:00-09:00' }";

fn nights(channel: &str, hour: i64) -> bool {
    match channel {
        "store" => (6..9).contains(&hour),
        _ => !(8..22).contains(&hour),
    }
}

fn commons() -> Vec<(String, Common)> {
    let common = Common {
        text: "",
        arbitrates: false,
        zone_ms: 0,
        quiet: nights,
        window_ms: 0,
        on_all: &[],
        on_store: &[],
    };
    let all = [
        Common {
            arbitrates: true,
            text: "arbitration = 'instant'",
            ..common
        },
        Common {
            text: "caps = { all = '3 in 1d, 2 in 3h' }",
            on_all: &[Cap::In(3, DAY_MS), Cap::In(2, 3 * HOUR)],
            ..common
        },
        Common {
            arbitrates: true,
            text: "arbitration = 'instant'\ncaps = { all = '2 a day', store = 'once' }\ndefault_timezone = 'Etc/GMT+5'",
            zone_ms: -5 * HOUR,
            on_all: &[Cap::ADay(2)],
            on_store: &[Cap::Once],
            ..common
        },
        Common {
            arbitrates: true,
            text: "arbitration = 'instant'\ncaps = { all = 'every 2nd', store = 'every 3rd, 3 in 1d' }",
            on_all: &[Cap::Every(2)],
            on_store: &[Cap::Every(3), Cap::In(3, DAY_MS)],
            ..common
        },
        Common {
            text: "arbitration_window = { store = '4h' }\ncaps = { all = '3 in 1d' }",
            window_ms: 4 * HOUR,
            on_all: &[Cap::In(3, DAY_MS)],
            ..common
        },
        Common {
            arbitrates: true,
            text: "arbitration = 'instant'\narbitration_window = { store = '4h' }",
            window_ms: 4 * HOUR,
            ..common
        },
    ];
    let text = |common: &Common| format!("{}\n{NIGHTS}", common.text);
    all.into_iter().map(|it| (text(&it), it)).collect()
}

struct Policies {
    rows: Vec<Row>,
    commons: Vec<(Common, Arc<Plan>)>,
}

static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let rows = rows();
    let commons = commons().into_iter().map(|(text, common)| {
        let plan = plan(&text, &rows);
        (common, plan)
    });
    Policies {
        commons: commons.collect(),
        rows,
    }
});

fn plan(policy: &str, rows: &[Row]) -> Arc<Plan> {
    let source = |row: &Row| {
        let cap = row.cap.map_or(String::new(), |cap| {
            let cap = match cap {
                Cap::In(count, window) => format!("{count} in {}h", window / HOUR),
                Cap::ADay(count) => format!("{count} a day"),
                Cap::Once => "once".to_owned(),
                Cap::Every(2) => "every 2nd".to_owned(),
                Cap::Every(nth) => format!("every {nth}rd"),
            };
            format!(", cap: {cap}")
        });
        let digest = match row.digest_ms {
            0 => String::new(),
            ms => format!(", digest: {}h", ms / HOUR),
        };
        let night = format!("{:?}", row.night).to_lowercase();
        let text = format!(
            "trigger: {}\nmoment: {{ {} }}\ntreatments: [{{ channel: {}, template: t }}]\n\
             policy: {{ priority: {}, value: {:.1}, good_for: {}h, quiet_hours: {night}{cap}{digest} }}\n",
            row.name,
            row.moment,
            row.channel,
            row.priority,
            row.value,
            row.good_for_ms / HOUR,
        );
        Source::new(row.name, text)
    };
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy: toml::from_str(&format!("hold_out = '0%'\n{policy}")).expect("a policy"),
        mappings: Arc::default(),
    };
    let sources: Vec<_> = rows.iter().map(source).collect();
    Arc::new(set::compile(&sources, &basis).expect("triggers that can be read"))
}

/// A moment as the reference has it.
#[derive(Clone, Debug)]
struct Case {
    row: usize,
    at: i64,
    occurrence: String,
    digested: bool,
    waited: bool,
}

/// Why a moment waits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Why {
    Night,
    Digest,
    Window,
}

/// What becomes of a moment, before those that stand are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Says(&'static str),
    Holds(i64, Why),
    Stands,
}

/// A command: when, of which row.
type Sent = (i64, usize);

/// What was decided: customer, trigger, moment, occurrence, decided at, in a word.
type Decided = (String, String, i64, String, i64, String);

/// One customer, asked in the order of time.
struct Reference<'a> {
    rows: &'a [Row],
    common: &'a Common,
    sent: Vec<Sent>,
    /// Of which row came to the caps, and whether it was sent; what was neither is not there.
    came: Vec<(usize, bool)>,
    /// Until when, what, why.
    held: Vec<(i64, Case, Why)>,
    decided: Vec<(Case, i64, &'static str)>,
}

impl Reference<'_> {
    fn local(&self, at: i64) -> i64 {
        at + self.common.zone_ms
    }

    /// The first whole hour at which it is not quiet any more.
    fn quiet_until(&self, row: &Row, at: i64) -> Option<i64> {
        let hour = |at: i64| self.local(at).div_euclid(HOUR).rem_euclid(24);
        let is_quiet = |at: i64| (self.common.quiet)(row.channel, hour(at));
        let next = |at: &i64| Some(at.div_euclid(HOUR) * HOUR + HOUR);
        is_quiet(at).then(|| {
            let mut after = std::iter::successors(next(&at), next);
            after.find(|at| !is_quiet(*at)).expect("a day ends")
        })
    }

    fn is_used_up(&self, cap: Cap, at: i64, counts: impl Fn(&Row, usize) -> bool) -> bool {
        let sent = self.sent.iter();
        let sent = sent.filter(|(_, row)| counts(&self.rows[*row], *row));
        let times: Vec<i64> = sent.map(|(at, _)| *at).collect();
        let day = |at: i64| self.local(at).div_euclid(DAY_MS);
        let count = |counts: &dyn Fn(i64) -> bool| times.iter().filter(|at| counts(**at)).count();
        match cap {
            Cap::In(most, window) => count(&|sent| sent > at - window) >= most,
            Cap::ADay(most) => count(&|sent| day(sent) >= day(at)) >= most,
            Cap::Once => !times.is_empty(),
            Cap::Every(nth) => {
                let came = self.came.iter();
                let mine = came.filter(|(row, _)| counts(&self.rows[*row], *row));
                let since = mine.rev().take_while(|(_, sent)| !sent).count();
                !times.is_empty() && since < nth - 1
            }
        }
    }

    fn is_capped(&self, case: &Case, at: i64) -> bool {
        let own = &self.rows[case.row];
        let all = self.common.on_all.iter();
        let store = self.common.on_store.iter();
        own.cap
            .is_some_and(|cap| self.is_used_up(cap, at, |_, row| row == case.row))
            || all
                .copied()
                .any(|cap| self.is_used_up(cap, at, |_, _| true))
            || own.channel == "store"
                && store
                    .copied()
                    .any(|cap| self.is_used_up(cap, at, |row, _| row.channel == "store"))
    }

    /// What becomes of a moment, of those that are asked together with it; `open`: what waited before.
    fn verdict(&self, case: &Case, at: i64, open: &[(i64, Case, Why)]) -> Verdict {
        let row = &self.rows[case.row];
        let ends = case.at + row.digest_ms + row.good_for_ms;
        if at > ends {
            return Verdict::Says("expired");
        }
        if row.digest_ms > 0 && !case.digested {
            let known = open
                .iter()
                .find(|(until, it, why)| it.row == case.row && *why == Why::Digest && *until > at);
            let until = known.map_or(at + row.digest_ms, |(until, ..)| *until);
            return Verdict::Holds(until.min(ends + 1), Why::Digest);
        }
        let night = self.quiet_until(row, at);
        match (row.night, night) {
            (Night::Drop, Some(_)) => return Verdict::Says("quiet_hours"),
            (Night::Hold, Some(end)) => return Verdict::Holds(end.min(ends + 1), Why::Night),
            _ if self.is_capped(case, at) => return Verdict::Says("capped"),
            _ => {}
        }
        if row.channel == "store" && self.common.window_ms > 0 && !case.waited {
            let of_store = |it: &Case| self.rows[it.row].channel == "store";
            let known = open
                .iter()
                .find(|(until, it, why)| of_store(it) && *why == Why::Window && *until > at);
            let until = known.map_or(at + self.common.window_ms, |(until, ..)| *until);
            return Verdict::Holds(until.min(ends + 1), Why::Window);
        }
        Verdict::Stands
    }

    /// What carries a moment that was gathered, of those that are asked together; none: it carries itself.
    fn carrier(&self, case: &Case, cases: &[Case], now: i64) -> Option<usize> {
        let row = &self.rows[case.row];
        if row.digest_ms == 0 || !case.digested {
            return None;
        }
        let lives = |it: &Case| it.at.max(now) <= it.at + row.digest_ms + row.good_for_ms;
        if !lives(case) {
            return None;
        }
        let others = (0..cases.len()).filter(|n| {
            let it = &cases[*n];
            it.row == case.row && it.digested && lives(it)
        });
        let first = others.min_by_key(|n| (cases[*n].at, cases[*n].occurrence.clone()))?;
        (cases[first].occurrence != case.occurrence).then_some(first)
    }

    /// Asks these, of which the first is the most important, on what was sent before any of them.
    fn round(&mut self, cases: Vec<Case>, now: i64, open: &[(i64, Case, Why)]) {
        let verdicts: Vec<Verdict> = cases
            .iter()
            .map(|case| self.verdict(case, case.at.max(now), open))
            .collect();
        let follows: Vec<Option<usize>> = cases
            .iter()
            .map(|case| self.carrier(case, &cases, now))
            .collect();
        let (mut standing, mut capped) = (Vec::new(), Vec::new());
        for (n, mut case) in cases.into_iter().enumerate() {
            let at = case.at.max(now);
            let verdict = match follows[n].map(|carrier| verdicts[carrier]) {
                Some(hold @ Verdict::Holds(..)) => hold,
                Some(Verdict::Says(_) | Verdict::Stands) => Verdict::Says("digested"),
                None => verdicts[n],
            };
            let word = match verdict {
                Verdict::Stands => {
                    standing.push((case, at));
                    continue;
                }
                Verdict::Holds(until, why) if self.held.len() < HELD_MAX => {
                    case.digested |= why == Why::Digest;
                    case.waited |= why == Why::Window;
                    self.held.push((until, case, why));
                    continue;
                }
                Verdict::Holds(_, Why::Night) => "quiet_hours",
                Verdict::Holds(_, Why::Digest) => "digested",
                Verdict::Holds(_, Why::Window) => "outranked",
                Verdict::Says(word) => word,
            };
            if word == "capped" {
                capped.push((case.row, false));
            }
            self.decided.push((case, at, word));
        }
        self.came.extend(capped);
        standing.sort_by(|(a, _), (b, _)| {
            let (first, second) = (&self.rows[a.row], &self.rows[b.row]);
            let more = second.priority.cmp(&first.priority);
            more.then(second.value.total_cmp(&first.value))
                .then(first.name.cmp(second.name))
                .then(a.occurrence.cmp(&b.occurrence))
        });
        let mut winner: Option<Case> = None;
        for (case, at) in standing {
            let beaten = winner.as_ref().is_some_and(|winner| {
                let waited = winner.waited && case.waited;
                self.common.arbitrates || waited
            });
            if !beaten {
                self.sent.push((at, case.row));
                self.came.push((case.row, true));
                winner.get_or_insert_with(|| case.clone());
            }
            let word = if beaten { "outranked" } else { "treat" };
            self.decided.push((case, at, word));
        }
    }

    /// Everything of one instant.
    fn instant(&mut self, mut cases: Vec<Case>, now: i64) {
        // The more important is decided first, and so it counts for the next.
        cases.sort_by_key(|case| {
            let row = &self.rows[case.row];
            (-row.priority, row.name)
        });
        let mut rounds: Vec<Vec<Case>> = Vec::new();
        for case in cases {
            let together = |other: &Case| {
                let digest = self.rows[case.row].digest_ms > 0;
                self.common.arbitrates
                    || digest && other.row == case.row && other.digested && case.digested
                    || other.waited && case.waited
            };
            match rounds.iter_mut().find(|round| round.iter().any(together)) {
                Some(round) => round.push(case),
                None => rounds.push(vec![case]),
            }
        }
        let open = self.held.clone();
        for cases in rounds {
            self.round(cases, now, &open);
        }
    }

    /// Up to a watermark, at this reading of the clock.
    fn until(&mut self, to_come: &mut Vec<Case>, watermark: i64, now: i64) {
        loop {
            let next = to_come.iter().map(|case| case.at);
            let next = next.chain(self.held.iter().map(|(until, ..)| *until)).min();
            let Some(at) = next.filter(|at| *at <= watermark) else {
                return;
            };
            let take = |case: &mut Case| case.at == at;
            let mut cases: Vec<Case> = to_come.extract_if(.., take).collect();
            let again = self.held.extract_if(.., |(until, ..)| *until == at);
            cases.extend(again.map(|(_, case, _)| case));
            self.instant(cases, now.max(at));
        }
    }
}

/// Every moment of a customer, decided or not.
fn to_come(rows: &[Row], events: &[RefEvent]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (row, declared) in rows.iter().enumerate() {
        match &declared.definition {
            None => {
                let orders = events.iter().filter(|it| it.name == declared.each);
                cases.extend(orders.map(|order| Case {
                    row,
                    at: order.time_ms,
                    occurrence: order.id.clone(),
                    digested: false,
                    waited: false,
                }));
            }
            Some(definition) => {
                let found = moments(definition, events, i64::MAX);
                let absence = matches!(definition, Definition::Absence { .. });
                cases.extend(found.into_iter().map(|moment| Case {
                    row,
                    at: moment.moment_at,
                    occurrence: match absence {
                        true => Timestamp(moment.event_ms).to_string(),
                        false => moment.event,
                    },
                    digested: false,
                    waited: false,
                }));
            }
        }
    }
    cases
}

fn expected(
    policies: &Policies,
    common: &Common,
    history: &[Happening],
    told: &[(Told, Timestamp)],
) -> Vec<Decided> {
    let mut by_customer: BTreeMap<String, Vec<RefEvent>> = BTreeMap::new();
    for (place, happening) in history.iter().enumerate() {
        let events = by_customer.entry(happening.customer().to_string());
        let event = happening.reference(place, GRID);
        events.or_default().push(event);
    }
    let mut all = Vec::new();
    for (customer, mut events) in by_customer {
        events.sort_by_key(|event| (event.time_ms, event.order));
        let mut to_come = to_come(&policies.rows, &events);
        let mut reference = Reference {
            rows: &policies.rows,
            common,
            sent: Vec::new(),
            came: Vec::new(),
            held: Vec::new(),
            decided: Vec::new(),
        };
        for (told, now) in told {
            if let Told::Watermark(watermark) = told {
                reference.until(&mut to_come, watermark.0, now.0);
            }
        }
        all.extend(reference.decided.into_iter().map(|(case, at, word)| {
            let name = policies.rows[case.row].name.to_owned();
            let word = word.to_owned();
            (customer.clone(), name, case.at, case.occurrence, at, word)
        }));
    }
    all.sort();
    all
}

fn decided(effects: &[Effect]) -> Vec<Decided> {
    let decision = |effect: &Effect| {
        let Effect::Decided(decision) = effect else {
            return None;
        };
        let word = match &decision.outcome {
            Outcome::Treat(_) => "treat",
            Outcome::Refuse(reason, _) => reason.word(),
            Outcome::Withdraw(withdrawal) => withdrawal.reason.word(),
        };
        Some((
            decision.customer.to_string(),
            decision.trigger.to_string(),
            decision.moment_at.0,
            decision.occurrence.to_string(),
            decision.decided_at.0,
            word.to_owned(),
        ))
    };
    let mut decided: Vec<Decided> = effects.iter().filter_map(decision).collect();
    decided.sort();
    decided
}

proptest! {
    #![proptest_config(cases(768))]

    /// `behind`: by so many hours everything is decided later than it could be.
    #[test]
    fn what_is_sent_is_the_references(history in history(GRID, 60, 0..100), behind in 0..3i64) {
        let policies = &*POLICIES;
        let mut told = inputs(&history, &arrivals(&history, GRID), GRID);
        for (_, now) in &mut told {
            *now = now.plus(behind * 4 * HOUR);
        }
        for (common, plan) in &policies.commons {
            let mut engine = Engine::new(Arc::clone(plan));
            let mut effects = Vec::new();
            for input in &told {
                tell(&mut engine, input, &mut effects);
            }
            prop_assert_eq!(decided(&effects), expected(policies, common, &history, &told));
        }
    }
}
