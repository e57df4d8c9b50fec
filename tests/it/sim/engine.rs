//! The engine itself in the simulation, with triggers of seconds.

use super::history::{EVERYBODY, IDENTITIES, PARTITIONS, is_across};
use super::subject::{States, Subject};
use crate::support::facts;
use moments::decode::Decoder;
use moments::document::report::Source;
use moments::engine::packed;
use moments::engine::{Engine, Input, Neighbours};
use moments::event::record::Origin;
use moments::event::{EventName, Text, Vocabulary};
use moments::task::customers::Customers;
use moments::time::Timestamp;
use moments::treatment::code::Key;
use moments::trigger::plan::Plan;
use moments::trigger::policy::Policy;
use moments::trigger::set::{self, Basis};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Few, so that even the simulation's customers make several slices.
const SLICE: usize = 2;

const TRIGGERS: [(&str, &str); 18] = [
    (
        "cart",
        "absence: { of: Order Completed, after: Product Added, within: 3s }\npolicy: { hold_out: 40% }\n\
         goal: { event: Order Completed, within: 5s, at_most: 15 }",
    ),
    (
        "each",
        "absence: { of: Order Completed, after: Product Added, within: 4s, per: event.product_id, from: first }\npolicy: { cap: once }",
    ),
    (
        "review",
        "event: { of: Product Reviewed }\ngoal: { event: [Order Completed, Product Added], within: 9s, value: event.total }",
    ),
    (
        "rhythm",
        "baseline: { of: Product Added, measure: gap, by: exact, history_min: 2, deviations: 1 }\npolicy: { quiet_hours: hold }",
    ),
    (
        "idle",
        "inactivity: { of: Product Viewed, for: 5s }\npolicy: { quiet_hours: hold }",
    ),
    (
        "keen",
        "threshold: { of: Product Added, measure: count, over: 6s, crosses: { at_least: 2 }, when: settled }",
    ),
    (
        "minute",
        "calendar: { date: { every: month, day: 2 }, at: '10:01' }",
    ),
    (
        "goes",
        "sequence: { steps: [Product Added, { of: [Product Added, Product Viewed], times: 2 }], within: 8s, without: Order Completed, same: event.product_id }",
    ),
    (
        "often",
        "event: { of: { name: Product Reviewed, where: facts.added >= 2 }, when: settled }\naudience: facts.of_each.p1 < 4",
    ),
    (
        "promised",
        "absence: { of: Product Viewed, after: Order Completed, until: 'event.time + duration(\"1s\") * event.total', plus: -6s }",
    ),
    ("lapses", "transition: { enters: lapses }"),
    ("labelled", "transition: { changes: [rfm.recency, stage] }"),
    ("late", "transition: { overdue: ordered }"),
    (
        "scored",
        "prediction: { model: keenness, crosses: { at_least: 0.5 }, evaluate: { on: Product Added, every: 40d } }",
    ),
    (
        "buys",
        "transition: { outstays: { segment: buys, for: 1s } }\naudience: '!(\"lapses\" in profile.segments)'",
    ),
    (
        "series",
        "event: { of: Product Reviewed, when: settled }\njourney: { per: event.product_id, until: facts.added >= 4, re_enter: after 2s, \
         steps: [{ wait: 1s }, { send: { channel: email, template: one } }, \
         { wait_for: { event: Order Completed, within: 3s }, then: [{ send: { channel: email, template: thanks } }, exit] }, \
         { wait_for: { when: 'now - profile.last_order > duration(\"5s\")', within: 4s } }, { send: { channel: email, template: two } }] }",
    ),
    // What was added before may come later, and takes it back.
    (
        "seen-first",
        "event: { name: Product Reviewed, where: facts.added == 0 }",
    ),
    ("runs-out", "transition: { enters: runs-out }"),
];

/// What some of them ask for. What leaves a window depends on when it is asked: an audience asks for what stays.
const FACTS: [&str; 9] = [
    "segment: runs-out\nwhen: expiring(facts.balance, duration('2s')) >= 3",
    "fact: balance\nof: Product Added\nmeasure: { balance: { earned: '3', order: event.product_id, expires: 6s, spent: { of: Product Viewed, amount: '2' }, returned: { of: Product Reviewed, order: event.product_id } } }",
    "fact: added\nof: Product Added\nmeasure: count\nover: 5s",
    "fact: of_each\nof: Product *\nmeasure: count\nper: event.product_id",
    "model: keenness\nlogistic: { intercept: -3, inputs: { added: { of: facts.added, weight: 1 }, idle: { of: (now - profile.last_order) / duration('3s'), weight: 1, unknown: 1 } } }",
    "segment: buys\nwhen: facts.added >= 2\nheld: 1s",
    "segment: lapses\nwhen: now - profile.last_order > duration('4s')",
    "labels: rfm\nrecency: { recent: 2s, medium: 5s }",
    "path: brand\nmilestones: [{ milestone: added, reached: facts.added >= 1, next: { within: 6s, segments: { buys: 3s } } }, { milestone: ordered, reached: profile.orders.count > 0 }]\nstages: [{ stage: new, reached: profile.orders.count == 0 }, { stage: fading, reached: profile.rfm.recency == 'long' }]",
];

/// The first minute is quiet: what is held in it is decided when it ends, the same whenever it came to be asked.
const COMMON: &str = "consent_by_default = ['email']\nquiet_hours = { default = '10:00-10:01' }\n";

/// What is common to a set that another one follows; of these the outcome depends on when a moment is asked.
fn common(number: u64) -> String {
    let more = match number % 4 {
        1 => "arbitration = 'instant'",
        2 => "caps = { all = '2 in 10s', email = '3 a day' }",
        3 => "arbitration = 'instant'\ncaps = { all = '1 in 5s' }",
        _ => "",
    };
    format!("{more}\n{COMMON}")
}

/// In every set.
const TOLD: (&str, &str) = ("told", "broadcast: Spot Aired");

/// A set that another one follows, differs in something else, and comes back.
fn varied(number: u64) -> Vec<(&'static str, &'static str)> {
    let mut triggers = TRIGGERS.to_vec();
    match number % 4 {
        1 => {
            triggers[0].1 = "absence: { of: Order Completed, after: Product Added, within: 2s }\nbackfill: true";
            triggers.remove(1);
            // It comes back, and knows what it had decided.
            triggers.retain(|(name, _)| *name != "minute");
        }
        2 => {
            triggers.push((
                "lapsed",
                "inactivity: { of: Order Completed, for: 4s }\nbackfill: true",
            ));
            triggers[2].1 = "event: { of: Product Reviewed }\nmode: off";
            triggers[5].1 = "threshold: { of: Product Added, measure: count, over: 6s, crosses: { at_least: 2 }, when: seen }";
            triggers[6].1 =
                "calendar: { date: { every: month, day: 2 }, at: '10:00' }\nbackfill: true";
        }
        3 => {
            triggers[0].1 = "absence: { of: Order Completed, after: Product Added, within: 1s }";
            triggers.push(("quiet", "inactivity: { of: Order Completed, for: 6s }"));
            // Those inside go on at what is there.
            let series = triggers.iter_mut().find(|(name, _)| *name == "series");
            if let Some((_, said)) = series {
                *said = "event: { of: Product Reviewed, when: settled }\njourney: { per: event.product_id, re_enter: after 2s, \
                         steps: [{ wait: 2s }, { send: { channel: email, template: two } }] }";
            }
        }
        _ => {}
    }
    triggers.push(TOLD);
    triggers
}

static PLAN: LazyLock<Arc<Plan>> = LazyLock::new(|| compiled("", COMMON, &varied(0)));

/// Three in two seconds: two of one task, one of the other.
pub const RATES: &str = "send_rates = { email = '3 in 2s' }\n";

/// A journey that goes by what its ways have brought.
const LEARNS: (&str, &str) = (
    "learns",
    "event: { of: Product Added, when: settled }\ngoal: { event: Order Completed, within: 4s }\n\
     journey: [{ split: adaptive, ways: [{ name: one, then: [{ wait: 1s }, { send: { channel: push, template: one } }] }, \
     { name: two, then: [{ send: { channel: email, template: two } }] }] }]",
);

/// Who reviews is given her code, and whoever orders brings somebody's.
const REFERS: [&str; 5] = [
    "referral: friends\ncode: { prefix: FRIEND-, length: 8 }\nof: Order Completed\nat_most: 2 in 20s",
    "trigger: gives-code\nmoment: { event: Product Reviewed }\ntreatments: [{ channel: email, template: code, code: { referral: friends } }]",
    "trigger: is-friend\nmoment: { event: Referral Accepted }\ntreatments: [{ channel: email, template: welcome }]",
    "trigger: brought-friend\nmoment: { event: { name: [Friend Referred, Referral Refused], where: 'event.event == \"Friend Referred\" || event.reason == \"at_most\"' } }\ntreatments: [{ channel: email, template: thanks }]",
    "trigger: refused-friend\nmoment: { event: { name: Referral Refused, where: event.reason != \"at_most\" } }\ntreatments: [{ channel: email, template: sorry }]",
];

/// What history tells of. Their text is the same in every set, or what it says would seldom be meant.
const SEEDED: [&str; 3] = [
    "trigger: seeded-cart\nmoment: { absence: { of: Order Completed, after: Product Added, within: 3s } }\n\
     treatments: [{ channel: email, template: hello }]",
    "trigger: seeded-keen\nmoment: { threshold: { of: Product Added, measure: count, over: 6s, crosses: { at_least: 3 }, when: settled } }\n\
     treatments: [{ channel: email, template: hello }]",
    "trigger: seeded-idle\nbackfill: true\nmoment: { inactivity: { of: Product Added, for: 2s } }\n\
     treatments: [{ channel: email, template: hello }]",
];

thread_local! {
    static SEEDING: Cell<bool> = const { Cell::new(false) };
    static REFERRING: Cell<bool> = const { Cell::new(false) };
    static UNITES: Cell<bool> = const { Cell::new(false) };
    static IS_RATED: Cell<bool> = const { Cell::new(false) };
}

/// Makes and checks a history in which over everybody so many are sent, and journeys learn.
pub fn rated<T>(make: impl FnOnce() -> T) -> T {
    IS_RATED.set(true);
    let made = make();
    IS_RATED.set(false);
    made
}

/// Makes and checks a history in which tasks are told what history says of customers.
pub fn seeding<T>(make: impl FnOnce() -> T) -> T {
    SEEDING.set(true);
    let made = make();
    SEEDING.set(false);
    made
}

/// Whether tasks are told what history says of customers.
pub fn is_seeding() -> bool {
    SEEDING.get()
}

/// What history says of somebody: that she put things into her basket and ordered until this time.
fn seed(customer: &str, time: i64) -> Vec<u8> {
    let plan = Customers::plan("1-triggers", false);
    let seeded = plan
        .triggers
        .iter()
        .filter(|it| it.name.starts_with("seeded"));
    let keys: Vec<u32> = seeded.map(|it| it.key).collect();
    let mut history = Engine::new(plan).gathering();
    for (kind, at) in [
        ('a', time - 86_400_000),
        ('b', time - 3_000),
        ('a', time - 1_000),
        ('a', time),
    ] {
        let value = Customers::value(kind, customer, at);
        let event = decoder().decode(&value, &Origin::default());
        let event = Input::Event(Box::new(event.expect("an event").event));
        history.step(event, Timestamp(at), &mut Vec::new());
    }
    let sent = (1, Timestamp(time + 3_000));
    let seed = history.seed(&customer.into(), &keys, None, sent);
    seed.expect("she is known").pack()
}

/// Makes and checks a history in which customers bring each other.
pub fn referring<T>(make: impl FnOnce() -> T) -> T {
    REFERRING.set(true);
    let made = make();
    REFERRING.set(false);
    made
}

fn code_key() -> Key {
    match REFERRING.get() {
        true => Key::of_scenarios(),
        false => Key::default(),
    }
}

/// The code of a customer.
fn code_of(customer: &str) -> Text {
    static FRIENDS: LazyLock<Arc<Plan>> = LazyLock::new(|| referring(|| compiled("", "", &[])));
    let plan = &*FRIENDS;
    let code = plan.referrals[0].code(&plan.policy.code_key, customer);
    code.expect("a key")
}

/// Makes a history in which customers of a task become one, again and again.
pub fn uniting<T>(make: impl FnOnce() -> T) -> T {
    UNITES.set(true);
    let made = make();
    UNITES.set(false);
    made
}

/// The task of a customer, by the parity of its number.
fn task_of(id: &str, tasks: i32) -> i32 {
    let number = id.get(1..).and_then(|number| number.parse().ok());
    number.unwrap_or(0) % tasks
}

/// Another customer, of the same task by the parity of its number, or where that may be of the other.
fn neighbour(customer: &str, time: i64) -> Option<String> {
    let number: u8 = customer.strip_prefix('c')?.parse().ok()?;
    let other = match time % 4 {
        1 if is_across() => 1,
        1 => 2,
        _ if is_across() && time % 8 == 3 => 3,
        _ => 4,
    };
    Some(format!("c{}", number ^ other))
}

/// A set as a plan, made once: reading files took most of a simulation's time.
pub fn compiled(revision: &str, common: &str, triggers: &[(&str, &str)]) -> Arc<Plan> {
    static MADE: LazyLock<Mutex<HashMap<String, Arc<Plan>>>> = LazyLock::new(Mutex::default);
    let set = format!("{revision} {common} {triggers:?} {}", REFERRING.get());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || compile(revision, common, triggers);
    Arc::clone(made.entry(set).or_insert_with(make))
}

fn compile(revision: &str, common: &str, triggers: &[(&str, &str)]) -> Arc<Plan> {
    let file = |(name, moment): &(&str, &str)| {
        let treatments = match moment.contains("journey:") {
            true => "",
            false => "treatments:\n  - channel: email\n    template: hello\n",
        };
        let text = format!(
            "trigger: {name}\nstage: engagement\nabout: Revision {revision}.\nmoment:\n  {moment}\n{treatments}"
        );
        Source::new(&format!("{name}.yaml"), text)
    };
    let refers = REFERS.iter().filter(|_| REFERRING.get());
    let seeded = SEEDED.iter().filter(|_| SEEDING.get());
    let facts = FACTS.iter().chain(refers).chain(seeded);
    let facts = facts.map(|text| Source::new("facts.yaml", (*text).to_owned()));
    let sources: Vec<Source> = triggers.iter().map(file).chain(facts).collect();
    let vocabulary = Arc::new(Vocabulary::standard());
    let basis = Basis {
        vocabulary,
        attributes: BTreeMap::new(),
        policy: Policy {
            code_key: code_key(),
            ..toml::from_str(&format!("hold_out = '0%'\n{common}")).expect("a policy")
        },
        mappings: Arc::default(),
    };
    let plan = set::compile(&sources, &basis);
    let mut plan =
        plan.unwrap_or_else(|reports| panic!("{}", moments::document::report::rendered(&reports)));
    plan.revision = revision.into();
    Arc::new(plan)
}

pub fn decoder() -> Decoder {
    Decoder::new(Arc::new(Vocabulary::standard()), Arc::default())
}

/// The profiles among states; the others are erasures.
fn customers(states: &States) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
    states.iter().filter(|(key, _)| key[0] != 0)
}

impl Subject for Customers {
    fn fresh(topics: &[&str], partition: usize) -> Self {
        let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
        let partition = i32::try_from(partition).expect("small");
        let neighbours = is_across().then_some(Neighbours {
            own: partition,
            tasks: i32::try_from(PARTITIONS).expect("few"),
            of: task_of,
            talk: true,
        });
        let engine = Engine::new(Arc::clone(&PLAN))
            .in_slices_of(SLICE)
            .sharing(partition, i32::try_from(PARTITIONS).expect("few"))
            .beside(neighbours)
            .reporting(true);
        Customers::new(engine, decoder(), topics, partition)
            .telling_everybody(Some(EVERYBODY.to_owned()))
            .told_by_others(is_across().then(|| IDENTITIES.to_owned()))
    }

    fn plan(revision: &str, varies: bool) -> Arc<Plan> {
        let number = moments::trigger::revision::number(revision);
        let number = if varies { number } else { 0 };
        let rates = if IS_RATED.get() { RATES } else { "" };
        let mut triggers = varied(number);
        triggers.extend(IS_RATED.get().then_some(LEARNS));
        compiled(revision, &format!("{rates}{}", common(number)), &triggers)
    }

    fn revision(decision: &[u8]) -> String {
        let json: serde_json::Value = serde_json::from_slice(decision).expect("a decision");
        json["revision"].as_str().expect("a revision").to_owned()
    }

    fn value(kind: char, customer: &str, time: i64) -> Vec<u8> {
        if kind == 's' {
            return seed(customer, time);
        }
        if kind == 'e' {
            let at = Timestamp(time);
            let text = format!(
                r#"{{"type":"track","event":"Spot Aired","messageId":"spot-{customer}{time}","timestamp":"{at}"}}"#
            );
            return text.into_bytes();
        }
        if UNITES.get()
            && kind == 'c'
            && time % 2 == 1
            && let Some(other) = neighbour(customer, time)
        {
            let at = Timestamp(time);
            let text = format!(
                r#"{{"type":"alias","userId":"{customer}","previousId":"{other}","timestamp":"{at}"}}"#
            );
            return text.into_bytes();
        }
        let event = match kind {
            'a' => "Product Added",
            'b' => "Order Completed",
            'c' => "Product Reviewed",
            _ if time % if REFERRING.get() { 6 } else { 2 } == 0 => "Customer Erased",
            _ => "Product Viewed",
        };
        let product = time % 3;
        let at = Timestamp(time);
        let coupon = match REFERRING.get() && kind == 'b' && customer.starts_with('c') {
            true => format!(r#","coupon":"{}""#, code_of(&format!("c{}", time / 3 % 4))),
            false => String::new(),
        };
        let device = match UNITES.get() && customer.starts_with('c') && matches!(kind, 'b' | 'c') {
            true => format!(r#""anonymousId":"d{}","#, time % 16),
            false => String::new(),
        };
        format!(
            r#"{{"type":"track","event":"{event}","userId":"{customer}",{device}"timestamp":"{at}","properties":{{"product_id":"p{product}","total":10{coupon}}}}}"#
        )
        .into_bytes()
    }

    fn moment(decision: &[u8]) -> String {
        let json: serde_json::Value =
            serde_json::from_slice(decision).expect("a decision or a command");
        [
            "customer",
            "trigger",
            "generation",
            "occurrence",
            "decision",
            "reason",
            "id",
        ]
        .map(|name| json[name].to_string())
        .into_iter()
        // Of a decision, that of its command or withdrawal.
        .chain([json["treatment"]["id"].to_string()])
        .collect::<Vec<_>>()
        .join(" ")
    }

    fn erasure(value: &[u8]) -> Option<(String, i64)> {
        let event = decoder().decode(value, &Origin::default()).ok()?.event;
        let erases = event.name == EventName::CUSTOMER_ERASED;
        erases.then(|| (event.customer.to_string(), event.time.0))
    }

    fn moment_at(decision: &[u8]) -> (String, i64) {
        let json: serde_json::Value =
            serde_json::from_slice(decision).expect("a decision or a command");
        let text = |name: &str| json[name].as_str().expect("text").to_owned();
        let at = Timestamp::parse(&text("moment_at")).expect("a time");
        (text("customer"), at.0)
    }

    fn committed_states(&self) -> BTreeMap<String, String> {
        self.engine()
            .packed_customers()
            .map(|it| (it.profile.settled.id.to_string(), format!("{it:?}")))
            .collect()
    }

    /// Everything, settled: how far a profile was settled when it was packed depends on when it was looked at, and that on
    /// restarts.
    fn replayed(states: &States) -> BTreeMap<String, String> {
        let engine = settled(states);
        let mut words = known(&engine);
        // What was counted, and what is still to come of what was sent.
        let figures: Vec<_> = engine.figures().collect();
        words.insert(String::new(), format!("{figures:?} {:?}", engine.lessons()));
        for (customer, packed) in customers(states) {
            let id = std::str::from_utf8(customer).expect("text");
            let page = packed::unsealed(id, packed).expect("sealed by an engine");
            let customer_of = packed::check(page).expect("packed by an engine");
            let settled = &customer_of.profile.settled;
            let known = format!(
                " {:?} {:?} {:?}",
                settled.contacts, settled.sent, settled.seen
            );
            words
                .entry(String::from_utf8_lossy(customer).into_owned())
                .or_default()
                .push_str(&known);
        }
        words
    }

    /// Facts and what the triggers remember. What was sent and the look at a customer depend on when she was decided on.
    fn settled(states: &States) -> BTreeMap<String, String> {
        known(&settled(states))
    }
}

fn settled(states: &States) -> Engine {
    let mut engine = Engine::new(Arc::clone(&PLAN));
    let far = Timestamp::parse("2050-01-01T00:00:00Z").expect("a time");
    let mut effects = Vec::new();
    for (key, value) in states {
        engine
            .restore(key, Some(value))
            .expect("packed by an engine");
    }
    engine.step(Input::Watermark(far), far, &mut effects);
    // An event folds all that is before the watermark, and makes the profile one to be packed.
    for (customer, _) in customers(states) {
        let customer = std::str::from_utf8(customer).expect("text");
        let probe = Customers::value('c', customer, far.0 + 1);
        let event = decoder()
            .decode(&probe, &Origin::default())
            .expect("an event")
            .event;
        engine.step(Input::Event(Box::new(event)), far, &mut effects);
    }
    engine.seal();
    engine.committed();
    engine
}

fn known(engine: &Engine) -> BTreeMap<String, String> {
    let words = engine.customers().map(|customer| {
        (
            customer.profile.settled.id.to_string(),
            format!("{:?} {:?}", facts(&customer), customer.states),
        )
    });
    words.collect()
}
