//! A moment, or several of one instant, held to what is decided of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cap::{self, Counted};
use super::{Asked, Decided, Past, Verdict, decide, explained};
use crate::decode::Decoder;
use crate::document::report::{Source, rendered};
use crate::event::record::Origin;
use crate::event::{CustomerId, Event, Vocabulary};
use crate::moment::{Evidence, Moment};
use crate::profile::{Settled, TailEvent};
use crate::time::Timestamp;
use crate::treatment::{Outcome, Reason};
use crate::trigger::plan::{Plan, Policy};
use crate::trigger::set::{self, Basis};

/// Holds what is decided of a moment of each trigger.
///
/// - `policy`: TOML.
/// - `triggers`: what their files say, called `a`, `b`, ... in the order in which they stand; without `treatments` they treat on
///   the site, which needs no yes.
/// - `customer`: words: `yes:CHANNEL`, `no:CHANNEL`, `then-yes:CHANNEL`, `then-no:CHANNEL` (beyond the moment), `zone:ZONE`,
///   `email:ADDRESS`, `phone:NUMBER`, `told:EVENT_NAME`, `then-told:EVENT_NAME`, `sent:TRIGGER:CHANNEL@TIME`.
/// - `at`: the moment; with `decided TIME` it is decided then.
/// - `outcome`: of each trigger, in the plan's order.
pub fn check(policy: &str, triggers: &[&str], customer: &str, at: &str, outcome: &str) {
    let plan = plan(policy, triggers);
    let (at, now) = at.split_once(" decided ").unwrap_or((at, at));
    let (mut profile, ahead) = self::customer(&plan, customer);
    let moment = |name: &str| Moment {
        at: instant(at),
        occurrence: name.into(),
        evidence: Evidence::default(),
    };
    let asked = || {
        let asked = plan.triggers.iter().map(|trigger| Asked {
            trigger,
            moment: moment(&trigger.name),
            cause: None,
            past: Past::default(),
            step: None,
        });
        asked.collect::<Vec<_>>()
    };
    let explained = explained(&plan, &profile, (&ahead, &[]), &asked()[0], instant(now));
    let decided = decide(&plan, &mut profile, (&ahead, &[]), asked(), instant(now));
    let words: Vec<String> = decided.iter().map(word).collect();
    assert_eq!(
        words.join(", "),
        outcome,
        "{policy} {triggers:?} {customer} {at} {now}: {explained:?}"
    );
    // Asked one by one, the gates say the same of the first, and why.
    let stopped = explained.iter().find(|it| it.verdict != Verdict::Pass);
    let why = stopped.map_or("treat", |it| it.gate.word());
    let alone = words[0] == Reason::Outranked.word() || words[0].starts_with(why);
    assert!(alone, "{words:?} {explained:?}");
    assert!(explained.iter().all(|it| !it.says.is_empty()));
}

fn word(decided: &Decided) -> String {
    match decided {
        Decided::Held(held) => format!("{} until {}", held.why.reason().word(), held.until),
        Decided::Now(decision) => match &decision.outcome {
            Outcome::Treat(command) => format!("treat {}", command.channel),
            Outcome::Refuse(reason, _) => reason.word().to_owned(),
            Outcome::Withdraw(_) => panic!("no gate takes anything back"),
        },
    }
}

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is no instant"))
}

fn plan(policy: &str, triggers: &[&str]) -> Plan {
    let file = |(name, said): (char, &&str)| {
        let treatments = match said.contains("treatments:") {
            true => "",
            false => "treatments: [{ channel: onsite, template: x }]\n",
        };
        let text = format!(
            "trigger: {name}\nmoment: {{ inactivity: {{ of: Order Completed, for: 1d }} }}\n{treatments}{said}\n"
        );
        // Behind a line of its own stand other files of the set.
        let files = text.split("\n===\n").enumerate();
        files
            .map(|(n, text)| Source::new(&format!("{name}{n}.yaml"), format!("{text}\n")))
            .collect::<Vec<_>>()
    };
    let sources: Vec<Source> = ('a'..).zip(triggers).flat_map(file).collect();
    let said: serde_json::Value =
        toml::from_str(policy).unwrap_or_else(|error| panic!("{policy}: {error}"));
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy: Policy::for_everybody()
            .with(&said)
            .unwrap_or_else(|error| panic!("{policy}: {error}")),
        mappings: Arc::default(),
    };
    let plan = set::compile(&sources, &basis);
    plan.unwrap_or_else(|reports| panic!("{}", rendered(&reports)))
}

fn customer(plan: &Plan, said: &str) -> (Settled, Vec<TailEvent>) {
    let mut profile = Settled {
        id: CustomerId::from("ana"),
        ..Settled::default()
    };
    let mut ahead = Vec::new();
    for word in said.split_whitespace() {
        let (key, value) = word.split_once(':').unwrap_or((word, ""));
        let event = match key {
            "yes" | "then-yes" => identify(&format!(r#"{{"consent":{{"{value}":true}}}}"#)),
            "no" | "then-no" => identify(&format!(r#"{{"consent":{{"{value}":false}}}}"#)),
            "zone" => identify(&format!(r#"{{"timezone":"{value}"}}"#)),
            "email" | "phone" => identify(&format!(r#"{{"{key}":"{value}"}}"#)),
            "told" | "then-told" => {
                let name = value.replace('_', " ");
                decoded(&format!(r#""type":"track","event":"{name}""#))
            }
            "sent" => {
                sent(plan, &mut profile, value);
                continue;
            }
            _ => panic!("{word}"),
        };
        if key.starts_with("then") {
            let fired = Vec::new();
            let event = Box::new(event);
            ahead.push(TailEvent { event, fired });
        } else {
            profile.apply(&event, &plan.policy.currencies, &plan.home);
        }
    }
    (profile, ahead)
}

fn identify(traits: &str) -> Event {
    decoded(&format!(r#""type":"identify","traits":{traits}"#))
}

fn decoded(said: &str) -> Event {
    let text = format!(r#"{{"userId":"ana","timestamp":"2026-01-01T00:00:00Z",{said}}}"#);
    let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::default());
    let decoded = decoder.decode(text.as_bytes(), &Origin::default());
    let decoded = decoded.unwrap_or_else(|reject| panic!("{text}: {reject}"));
    assert_eq!(decoded.defects, [], "{text}");
    decoded.event
}

/// `TRIGGER:CHANNEL@TIME`.
fn sent(plan: &Plan, profile: &mut Settled, said: &str) {
    let parts = said.split_once('@').and_then(|(what, at)| {
        let (trigger, channel) = what.split_once(':')?;
        Some((trigger, channel, instant(at)))
    });
    let (trigger, channel, at) = parts.unwrap_or_else(|| panic!("{said}"));
    let known = plan.triggers.iter().find(|known| known.name == trigger);
    let (contacts, policy) = (&mut profile.contacts, &plan.policy);
    match known {
        Some(trigger) => {
            let counted = Counted::by(channel);
            cap::note(contacts, policy, (trigger, &counted), (at, at), true);
        }
        None => cap::note_common(contacts, policy, &channel.into(), (at, at)),
    }
}
