//! `policy:` what stands between a moment and a treatment.

use std::slice;

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::yaml::{Node, Yaml};
use crate::event::{Text, Type};
use crate::expression::{Environment, Expression, read as expression};
use crate::time::DAY_MS;
use crate::trigger::policy::{AtNight, Cap, Form, MARKETING, Share, TriggerPolicy, cap, share};

/// How long a treatment makes sense unless its author says otherwise.
const GOOD_FOR_DEFAULT_MS: i64 = DAY_MS;
/// On the site, she is gone after a few minutes.
const GOOD_FOR_ONSITE_MS: i64 = 10 * 60_000;
const PRIORITY_DEFAULT: u32 = 50;
const PRIORITY_MAX: u32 = 100;
const PURPOSE_BYTES: usize = 32;

const WINDOW: &str = "`quiet_hours: hold`, and when a channel is quiet, in `policy.quiet_hours` of the configuration or `policy.yaml`";
/// Caps of one trigger.
const CAPS_MAX: usize = 8;
const CAP: Shape = Shape::Form(
    "^ *(once|every +[0-9]{1,3}(st|nd|rd|th)|[0-9]{1,3} +a day|[0-9]{1,3} +in +[0-9].*)( +per +.*)? *$",
    "1 in 7d",
);

/// The keys of `policy`.
pub const KEYS: Keys = Keys {
    of: "a policy",
    known: &[
        Known::default(
            "priority",
            "50",
            Shape::Whole(0, PRIORITY_MAX),
            "Of several moments of a customer at one instant, the higher is decided first.",
        ),
        Known::optional(
            "value",
            Shape::Either(&[Shape::Expression, Shape::Number(-1e12, 1e12)]),
            "What a treatment is expected to be worth, a number: decides between moments of the same priority where the policy arbitrates. Not known is 0.",
        ),
        Known::default(
            "purpose",
            MARKETING,
            Shape::Form("^[a-z0-9][a-z0-9-]{0,31}$", "service"),
            "What it is for, one of the policy's `purposes`: consent is asked for by channel and purpose.",
        ),
        Known::optional(
            "cap",
            Shape::Either(&[CAP, Shape::List(&CAP, 1, CAPS_MAX)]),
            "`N in D`: at most N commands of this trigger to a customer in any D; `N a day`: in a calendar day of hers; `once`: ever; `every 3rd`: after a command the next 2 moments are passed over. With `per` and an expression, such as `once per event.order_id`, each value is counted by itself. The next is refused, `capped`. A list: what each of them allows.",
        ),
        Known::optional(
            "digest",
            Shape::Duration,
            "Its moments of so long a time, from the first on, become one command: `data` has `moments`, a list of what `data` says of each. What is gathered is decided once.",
        ),
        Known::default(
            "good_for",
            "1d",
            Shape::Duration,
            "How long after the moment, and its digest, it still makes sense. 10 minutes where every treatment is on the site.",
        ),
        Known::default(
            "quiet_hours",
            "ignore",
            Shape::Words(AtNight::WORDS),
            "In the quiet hours of the channel (`policy.quiet_hours` of the configuration), her local time: `ignore` them; `drop`: it is refused, `quiet_hours`; `hold`: everything is asked again when they end.",
        ),
        Known::optional(
            "hold_out",
            Shape::Form(share::FORM, "5%"),
            "The share of customers who are not sent it, to see what it does: drawn by a stable hash, refused, `held_out`. Without it: that of the configuration (`policy.hold_out`).",
        ),
    ],
    later: &[
        ("once_ever", "`cap: once`"),
        ("sending_window", WINDOW),
        ("send_window", WINDOW),
    ],
};

/// Reads `policy`; what is not said has its default. `onsite_only`: every treatment is on the site. `environment`: what `value` may
/// name, where that is known.
pub fn read(
    reader: &mut Reader<'_>,
    node: Option<&Node>,
    onsite_only: bool,
    environment: Option<&Environment<'_>>,
) -> TriggerPolicy {
    let good_for_ms = if onsite_only {
        GOOD_FOR_ONSITE_MS
    } else {
        GOOD_FOR_DEFAULT_MS
    };
    let mut policy = TriggerPolicy {
        priority: signed(PRIORITY_DEFAULT),
        value: None,
        purpose: None,
        caps: Vec::new(),
        caps_per: Vec::new(),
        cap_per: None,
        good_for_ms,
        digest_ms: None,
        quiet_hours: AtNight::Ignore,
        hold_out: None,
    };
    let Some(fields) = node.and_then(|node| reader.fields(node, KEYS)) else {
        return policy;
    };
    if let Some(priority) = fields
        .get("priority")
        .and_then(|node| reader.whole(node, 0..=PRIORITY_MAX))
    {
        policy.priority = signed(priority);
    }
    if let Some(good_for) = fields
        .get("good_for")
        .and_then(|node| reader.duration(node))
    {
        policy.good_for_ms = good_for;
    }
    policy.digest_ms = fields.get("digest").and_then(|node| reader.duration(node));
    if let (Some(node), Some(environment)) = (fields.get("value"), environment) {
        let role = "the value of a treatment";
        policy.value = expression::of_kind(reader, node, environment, Type::Number, role);
    }
    policy.purpose = fields
        .get("purpose")
        .and_then(|node| reader.name(node, ("a purpose", "service"), PURPOSE_BYTES))
        .map(Text::from);
    if let Some(node) = fields.get("cap") {
        caps(reader, node, environment, &mut policy);
    }
    if let Some(word) = fields.get("quiet_hours") {
        policy.quiet_hours = at_night(reader, word).unwrap_or_default();
    }
    policy.hold_out = fields
        .get("hold_out")
        .and_then(|node| hold_out(reader, node));
    policy
}

fn hold_out(reader: &mut Reader<'_>, node: &Node) -> Option<Share> {
    let share = node.text().and_then(|text| text.parse().ok());
    if share.is_none() {
        reader.unexpected(node, share::EXPECTED);
    }
    share
}

fn signed(priority: u32) -> i32 {
    i32::try_from(priority).unwrap_or(i32::MAX)
}

fn at_night(reader: &mut Reader<'_>, node: &Node) -> Option<AtNight> {
    Some(match reader.one_of(node, AtNight::WORDS)? {
        "drop" => AtNight::Drop,
        "hold" => AtNight::Hold,
        _ => AtNight::Ignore,
    })
}

/// What stands between a cap and what it is counted by.
const PER: &str = " per ";

/// What a cap is counted by: a text, number, time or bool.
fn cap_per(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: &Environment<'_>,
) -> Option<Expression> {
    let (cap, per) = node.text()?.split_once(PER)?;
    let compiled = Expression::compile(per, environment);
    let per = expression::compiled(reader, node, cap.len() + PER.len(), compiled)?;
    if matches!(per.kind(), Type::List(_) | Type::Duration) {
        reader.unexpected(
            node,
            "`per` a text, number or time, such as `once per event.order_id`",
        );
        return None;
    }
    Some(per)
}

/// A cap, or a list of them: those of all commands, and those of the commands about one thing.
fn caps(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: Option<&Environment<'_>>,
    policy: &mut TriggerPolicy,
) {
    let nodes = match &node.value {
        Yaml::List(nodes) if (1..=CAPS_MAX).contains(&nodes.len()) => &nodes[..],
        Yaml::List(_) => {
            reader.unexpected(node, format!("a cap, or a list of 1 to {CAPS_MAX}"));
            return;
        }
        _ => slice::from_ref(node),
    };
    for node in nodes {
        let Some(cap) = cap(reader, node) else {
            continue;
        };
        if !node.text().is_some_and(|text| text.contains(PER)) {
            policy.caps.push(cap);
            continue;
        }
        policy.caps_per.push(cap);
        let per = environment.and_then(|environment| cap_per(reader, node, environment));
        let (Some(per), Some(known)) = (&per, &policy.cap_per) else {
            policy.cap_per = per.or(policy.cap_per.take());
            continue;
        };
        if per.source() != known.source() {
            let expected = format!("`per {}`, as before", known.source());
            reader.fails(
                &node.span,
                "caps of a trigger are counted by one thing",
                expected,
            );
        }
    }
}

fn cap(reader: &mut Reader<'_>, node: &Node) -> Option<Cap> {
    let text = node.text().unwrap_or_default();
    match Cap::form(text.split_once(PER).map_or(text, |(cap, _)| cap)) {
        Some(Form::Whole(cap)) => Some(cap),
        Some(Form::Rolling(count, duration)) => {
            let window_ms = reader.duration_in(node, duration)?;
            Some(Cap::Rolling { count, window_ms })
        }
        None => {
            reader.unexpected(node, cap::EXPECTED);
            None
        }
    }
}
