//! What in a set is no error, and hardly what was meant: what can never come true or be sent, and what nobody asks for.

use serde_json::Value as Json;

use super::plan::{Mode, Plan, Trigger};
use super::policy::{Arbitration, Cap, Share};
use crate::document::report::Source;
use crate::document::suggest::closest;
use crate::document::yaml::{self, Yaml};
use crate::event::{Text, Type};
use crate::expression::{Expression, Scope};
use crate::profile::{Of, Settled};
use crate::table::rows;
use crate::time::{DAY_MS, Timestamp, format_duration};
use crate::treatment::code::Coded;

/// Everything of the kind, in sentences: of triggers in the order of the plan, then of what is declared beside them.
#[must_use]
pub fn warnings(sources: &[Source], plan: &Plan) -> Vec<String> {
    let live = || plan.triggers.iter().filter(|it| it.mode == Mode::Live);
    let mut found: Vec<String> = live()
        .flat_map(|trigger| {
            [
                never_meets(trigger),
                never_true(trigger),
                never_sends(plan, trigger),
                outwaits(plan, trigger),
                caps_in_vain(plan, trigger),
                is_shadowed(sources, plan, trigger),
            ]
        })
        .flatten()
        .collect();
    if plan.policy.control_group == Share::EVERYBODY {
        found.push("everybody is in the control group: nothing is sent".to_owned());
    }
    let unread = plan.facts.iter().filter(|fact| {
        let asked = format!("facts.{}", fact.name);
        !sources.iter().any(|source| names(source.text(), &asked))
    });
    found.extend(unread.map(|fact| format!("nobody asks for facts.{}", fact.name)));
    found.extend(misspelt(plan));
    let ungiven = plan.referrals.iter().filter(|referral| {
        let named = Some(Coded::Referral(referral.name.clone()));
        let mut choices = live().flat_map(Trigger::choices);
        !choices.any(|choice| choice.code == named)
    });
    let said = |name: &Text| format!("no trigger that is live gives a code of the referral {name}");
    found.extend(ungiven.map(|referral| said(&referral.name)));
    found
}

/// Channels by the names that everybody has for them; others are a company's own.
const CHANNELS: [&str; 9] = [
    "email",
    "push",
    "sms",
    "phone",
    "print",
    "onsite",
    "store",
    "call-centre",
    "ad-audience",
];

/// Channels of a company's own that are called nearly as others, and currencies that nobody knows.
fn misspelt(plan: &Plan) -> Vec<String> {
    let triggers = plan.triggers.iter();
    let used = triggers.flat_map(|it| it.choices().map(move |choice| (it, &*choice.channel)));
    let used: Vec<(&Trigger, &str)> = used.collect();
    let known = || {
        CHANNELS
            .into_iter()
            .chain(used.iter().map(|(_, channel)| *channel))
    };
    let of_triggers = used.iter().filter_map(|(trigger, channel)| {
        let own = !CHANNELS.contains(channel);
        let meant = closest(channel, CHANNELS).filter(|_| own)?;
        Some(format!(
            "{}: it sends by {channel}, a channel of your own; did you mean {meant}?",
            trigger.name
        ))
    });
    let policy = serde_json::to_value(&plan.policy).unwrap_or_default();
    let of_policy = CHANNELS_OF.iter().flat_map(|key| {
        let named = channels(&policy[key]);
        let strange = named.filter(move |name| !known().any(|known| known == *name));
        strange.filter_map(move |name| {
            let meant = closest(name, known())?;
            Some(format!(
                "`{key}` of the policy names {name}, by which nothing is sent; did you mean {meant}?"
            ))
        })
    });
    let currencies = &plan.policy.currencies;
    let named = currencies.reporting.iter().chain(currencies.rates.keys());
    let unknown = named
        .filter(|currency| !currency.is_standard())
        .map(|currency| {
            let code = currency.code();
            format!("`currencies` of the policy name {code}, which is none of ISO 4217")
        });
    let mut found: Vec<String> = of_triggers.chain(of_policy).chain(unknown).collect();
    found.dedup();
    found
}

/// What of the policy names channels.
const CHANNELS_OF: [&str; 7] = [
    "consent_by_default",
    "addresses",
    "address_required",
    "quiet_hours",
    "caps",
    "arbitration_window",
    "send_rates",
];

/// The channels that are named, in a list or as keys; `all` and `default` are none.
fn channels(said: &Json) -> impl Iterator<Item = &str> {
    let listed = said
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str);
    let keys = said
        .as_object()
        .into_iter()
        .flat_map(|it| it.keys().map(String::as_str));
    listed
        .chain(keys)
        .filter(|it| !["all", "default"].contains(it))
}

/// Whether a text has a name that goes on in no other.
fn names(text: &str, name: &str) -> bool {
    let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut behind = text
        .match_indices(name)
        .map(|(at, _)| &text[at + name.len()..]);
    behind.any(|behind| !behind.starts_with(goes_on))
}

/// A condition that asks nothing of anybody, and does not hold.
fn is_never(condition: &Expression) -> bool {
    let asks_nothing = |it: &Expression| {
        it.asks().is_empty()
            && !it.uses_event()
            && !it.uses_previous()
            && !names(it.source(), "now")
    };
    let nobody = Settled::default();
    let scope = Scope::of(&nobody, Timestamp::MIN, &rows::NONE);
    condition.kind() == Type::Bool && asks_nothing(condition) && !condition.holds(&scope)
}

/// Its audience is nobody.
fn never_meets(trigger: &Trigger) -> Option<String> {
    let audience = trigger.audience.as_ref()?;
    is_never(audience).then(|| {
        format!(
            "{}: nobody is in its audience, {}",
            trigger.name,
            audience.source()
        )
    })
}

/// It waits for what never is, or has a treatment that is never the one.
fn never_true(trigger: &Trigger) -> Option<String> {
    let choices = trigger.treatments.iter();
    let conditions = choices.filter_map(|choice| choice.condition.as_ref());
    let mut all = trigger.kind.expressions().into_iter().chain(conditions);
    let never = all.find(|condition| is_never(condition))?;
    Some(format!(
        "{}: `{}` is never true",
        trigger.name,
        never.source()
    ))
}

/// It holds everybody out.
fn never_sends(plan: &Plan, trigger: &Trigger) -> Option<String> {
    let share = trigger.policy.hold_out.unwrap_or(plan.policy.hold_out);
    let never = share == Share::EVERYBODY && trigger.choices().next().is_some();
    never.then(|| {
        format!(
            "{}: everybody is held out, so nothing is sent",
            trigger.name
        )
    })
}

/// It waits for others for longer than its treatments make sense.
fn outwaits(plan: &Plan, trigger: &Trigger) -> Option<String> {
    let good_for_ms = trigger.policy.good_for_ms;
    let window = |channel: &str| plan.policy.arbitration_window.of(channel);
    let channels = trigger.choices().map(|choice| &choice.channel);
    let mut windows = channels.filter_map(|channel| Some((channel, window(channel)?)));
    let (channel, window_ms) = windows.find(|(_, window_ms)| *window_ms > good_for_ms)?;
    Some(format!(
        "{}: by {channel} it is always expired, as it waits for others for {} (`arbitration_window`) and is good for {}",
        trigger.name,
        format_duration(window_ms),
        format_duration(good_for_ms),
    ))
}

/// Its own cap is never used up, as one over all triggers is before.
fn caps_in_vain(plan: &Plan, trigger: &Trigger) -> Option<String> {
    let mut own = trigger.policy.caps.iter();
    own.find_map(|own| is_in_vain(plan, trigger, *own))
}

fn is_in_vain(plan: &Plan, trigger: &Trigger, own: Cap) -> Option<String> {
    let on = |of: Of<'_>| {
        plan.policy
            .caps
            .on(of)
            .iter()
            .find(|cap| covers(**cap, own))
            .copied()
    };
    let mut channels = trigger.choices().map(|choice| &choice.channel);
    let first = channels.next()?;
    let common = on(Of::All).or_else(|| {
        let by_first = on(Of::Channel(first))?;
        channels
            .all(|channel| on(Of::Channel(channel)).is_some())
            .then_some(by_first)
    })?;
    Some(format!(
        "{}: its cap, {own}, is never reached: {common} over all triggers is before",
        trigger.name
    ))
}

/// Whether one cap lets pass no more than another at any time.
fn covers(common: Cap, own: Cap) -> bool {
    match (common, own) {
        (_, Cap::Once | Cap::Every { .. }) | (Cap::Every { .. }, _) => false,
        (Cap::Once, Cap::Rolling { .. } | Cap::Day { .. }) => true,
        (
            Cap::Rolling { count, window_ms },
            Cap::Rolling {
                count: own,
                window_ms: own_ms,
            },
        ) => count <= own && window_ms >= own_ms,
        (Cap::Day { count }, Cap::Day { count: own }) => count <= own,
        // A day has 25 hours at most.
        (Cap::Rolling { count, window_ms }, Cap::Day { count: own }) => {
            count <= own && window_ms > 2 * DAY_MS
        }
        (Cap::Day { .. }, Cap::Rolling { .. }) => false,
    }
}

/// Another comes true whenever it does, for whoever it is for, and takes its place.
fn is_shadowed(sources: &[Source], plan: &Plan, trigger: &Trigger) -> Option<String> {
    if plan.policy.arbitration != Arbitration::Instant || trigger.journey.is_some() {
        return None;
    }
    let said = |name: &str, key: &str| said(sources, name, key);
    let moment = said(&trigger.name, "moment")?;
    let takes_its_place = |other: &&Trigger| {
        let audience = said(&other.name, "audience");
        let (priority, value) = (other.policy.priority, other.policy.value.is_some());
        let stronger = priority > trigger.policy.priority
            || priority == trigger.policy.priority
                && !value
                && trigger.policy.value.is_none()
                && other.name < trigger.name;
        stronger
            && other.mode == Mode::Live
            && other.policy.caps.is_empty()
            && other.policy.caps_per.is_empty()
            && said(&other.name, "moment").as_ref() == Some(&moment)
            && (audience.is_none() || audience == said(&trigger.name, "audience"))
            && always_sends_by(other).is_some_and(|channel| {
                let mut own = trigger.treatments.iter();
                own.all(|choice| choice.channel == channel)
            })
    };
    let other = plan.triggers.iter().find(takes_its_place)?;
    Some(format!(
        "{}: it is never sent: {} comes true with it, for the same customers, and is more important",
        trigger.name, other.name
    ))
}

/// The only channel of a trigger of which some treatment always fits.
fn always_sends_by(trigger: &Trigger) -> Option<&str> {
    let last = trigger.treatments.last()?;
    let mut all = trigger.treatments.iter();
    let one = all.all(|choice| choice.channel == last.channel);
    (one && last.condition.is_none()).then_some(&last.channel)
}

/// What stands under a key of the file of a trigger.
fn said(sources: &[Source], trigger: &str, key: &str) -> Option<Json> {
    sources.iter().find_map(|source| {
        let root = yaml::parse(source, &mut Vec::new())?;
        let Yaml::Map(entries) = root.value else {
            return None;
        };
        let value = |key: &str| entries.iter().find(|(known, _)| known.text == key);
        let (_, name) = value("trigger")?;
        if name.text() != Some(trigger) {
            return None;
        }
        value(key).map(|(_, value)| value.json())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::document::report::rendered;
    use crate::event::Vocabulary;
    use crate::treatment::code::Key;
    use crate::trigger::policy::Policy;
    use crate::trigger::set::{self, Basis};

    fn warned(policy: &str, files: &[&str]) -> Vec<String> {
        let file = |(name, said): (char, &&str)| {
            let text = match said.starts_with("fact:") || said.starts_with("referral:") {
                true => (*said).to_owned(),
                false => {
                    let treatments = match said.contains("treatments:") {
                        true => "",
                        false => "treatments: [{ channel: email, template: x }]\n",
                    };
                    format!(
                        "trigger: {name}\nmoment: {{ event: Order Completed }}\n{treatments}{said}\n"
                    )
                }
            };
            Source::new(&format!("{name}.yaml"), text)
        };
        let sources: Vec<Source> = ('a'..).zip(files).map(file).collect();
        let said: Json = toml::from_str(policy).expect("TOML");
        let basis = Basis {
            vocabulary: Arc::new(Vocabulary::standard()),
            attributes: BTreeMap::new(),
            policy: Policy {
                code_key: Key::of_scenarios(),
                ..Policy::default().with(&said).expect("a policy")
            },
            mappings: Arc::default(),
        };
        let plan = set::compile(&sources, &basis);
        let plan = plan.unwrap_or_else(|reports| panic!("{}", rendered(&reports)));
        warnings(&sources, &plan)
    }

    const VIEWS: &str = "fact: views\nof: Product Viewed\nmeasure: count\n";
    const FRIENDS: &str = "referral: friends\ncode: { prefix: F }\nof: Order Completed\n";
    const BOTH: &str = "arbitration = 'instant'";

    /// The policy, the files, and the beginnings of what is said.
    #[rustfmt::skip]
    const TABLE: &[(&str, &[&str], &[&str])] = &[
        ("", &[""], &[]),
        ("", &["audience: 1 > 2"], &["a: nobody is in its audience"]),
        ("", &["audience: 1 < 2"], &[]),
        ("", &["audience: profile.orders.count > 2"], &[]),
        ("", &["mode: off\naudience: 1 > 2"], &[]),
        ("", &["treatments: [{ if: 1 > 2, channel: email, template: x }, { channel: email, template: y }]"], &["a: `1 > 2` is never true"]),
        ("", &["policy: { hold_out: 100% }"], &["a: everybody is held out"]),
        ("", &["policy: { hold_out: 100% }\ntreatments: none"], &[]),
        ("control_group = '100%'", &[""], &["everybody is in the control group"]),
        ("arbitration_window = { email = '2h' }", &["policy: { good_for: 1h }"], &["a: by email it is always expired"]),
        ("arbitration_window = { email = '2h' }", &["policy: { good_for: 2h }"], &[]),
        ("caps = { all = '1 in 7d' }", &["policy: { cap: 2 in 1d }"], &["a: its cap, 2 in 24h, is never reached: 1 in 7d"]),
        ("caps = { email = '1 a day' }", &["policy: { cap: 1 a day }"], &["a: its cap"]),
        ("caps = { email = '3 in 7d' }", &["policy: { cap: 2 in 7d }"], &[]),
        ("caps = { push = '1 in 7d' }", &["policy: { cap: 2 in 1d }"], &[]),
        ("caps = { all = '1 in 7d' }", &["policy: { cap: 2 in 1d per event.order_id }"], &[]),
        (BOTH, &["", ""], &["b: it is never sent: a comes true with it"]),
        (BOTH, &["", "policy: { priority: 60 }"], &["a: it is never sent: b comes true with it"]),
        (BOTH, &["policy: { value: 1 }", "policy: { value: 2 }"], &[]),
        (BOTH, &["policy: { cap: once }", ""], &[]),
        (BOTH, &["audience: profile.orders.count > 2", ""], &[]),
        (BOTH, &["audience: profile.orders.count > 2", "audience: profile.orders.count > 2"], &["b: it is never sent"]),
        (BOTH, &["treatments: [{ channel: push, template: x }]", ""], &[]),
        ("", &["", ""], &[]),
        ("", &["", VIEWS], &["nobody asks for facts.views"]),
        ("", &["", FRIENDS], &["no trigger that is live gives a code of the referral friends"]),
        ("", &["treatments: [{ channel: email, template: x, code: { referral: friends } }]", FRIENDS], &[]),
        ("", &["audience: facts.views > 2", VIEWS], &[]),
        ("caps = { emial = '1 a day', all = '1 a day' }", &[""], &["`caps` of the policy names emial, by which nothing is sent; did you mean email?"]),
        ("quiet_hours = { default = '22:00-08:00', mail = 'none' }", &[""], &["`quiet_hours` of the policy names mail"]),
        ("consent_by_default = ['onsit']", &[""], &["`consent_by_default` of the policy names onsit"]),
        // A channel of their own is nobody's mistake.
        ("caps = { whatsapp = '1 a day' }", &["treatments: [{ channel: whatsapp, template: x }]"], &[]),
        ("caps = { whatsap = '1 a day' }", &["treatments: [{ channel: whatsapp, template: x }]"], &["`caps` of the policy names whatsap, by which nothing is sent; did you mean whatsapp?"]),
        ("send_rates = { fax = '1 in 1h' }", &[""], &[]),
        ("", &["treatments: [{ if: profile.known, channel: emial, template: x }, { channel: emial, template: y }]"], &["a: it sends by emial, a channel of your own; did you mean email?"]),
        ("currencies = { reporting = 'EURO', rates = { USD = 0.9 } }", &[""], &["`currencies` of the policy name EURO"]),
        ("currencies = { reporting = 'EUR', rates = { usd = 0.9 } }", &[""], &[]),
        ("", &["audience: facts.views_of_shoes > 2", VIEWS, "fact: views_of_shoes\nof: Product Viewed\nmeasure: count\n"], &["nobody asks for facts.views"]),
    ];

    #[test]
    fn what_is_hardly_meant_is_said() {
        for (policy, files, expected) in TABLE {
            let said = warned(policy, files);
            let begins = said
                .iter()
                .zip(*expected)
                .all(|(said, expected)| said.starts_with(expected));
            assert!(
                said.len() == expected.len() && begins,
                "{policy} {files:?}: {said:?}"
            );
        }
    }
}
