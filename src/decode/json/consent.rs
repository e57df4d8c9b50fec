//! What a value says of consent, in all the ways in which shops write it.
//!
//! What must stay true: a no is read as a no however it is written, and what cannot be read is a no too, with a
//! [`Defect`] beside it. Only null and empty text say nothing.

use serde_json::Value as Json;

use super::scalar::{Scalar, cut};
use crate::decode::Defect;
use crate::event::{EVERY_CHANNEL, OTHER_CHANNELS, Text, limits};

/// What is said of one channel, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Yes,
    No,
    Nothing,
    Unreadable,
}

/// Words for yes, as [`word`] makes them.
const YES: [&str; 24] = [
    "true",
    "yes",
    "y",
    "1",
    "on",
    "t",
    "ok",
    "granted",
    "given",
    "accepted",
    "allow",
    "allowed",
    "agreed",
    "consented",
    "subscribe",
    "subscribed",
    "optin",
    "optedin",
    "singleoptin",
    "doubleoptin",
    "confirmedoptin",
    "confirmed",
    "active",
    "enabled",
];

/// Words for no. What is not said yet is no yes: `pending` waits for her to confirm.
const NO: [&str; 42] = [
    "false",
    "no",
    "n",
    "0",
    "off",
    "f",
    "none",
    "never",
    "deny",
    "denied",
    "refused",
    "rejected",
    "declined",
    "disallowed",
    "revoked",
    "withdrawn",
    "unsubscribe",
    "unsubscribed",
    "notsubscribed",
    "nonsubscribed",
    "optout",
    "optedout",
    "notoptedin",
    "notgranted",
    "notgiven",
    "notallowed",
    "disabled",
    "inactive",
    "blocked",
    "suppressed",
    "cleaned",
    "bounced",
    "complained",
    "spam",
    "pending",
    "unconfirmed",
    "notset",
    "unset",
    "unknown",
    "unspecified",
    "invalid",
    "redacted",
];

/// Where an object says it: `{ email: { status: subscribed } }`.
const STATUS: [&str; 17] = [
    "status",
    "state",
    "value",
    "given",
    "granted",
    "consent",
    "consented",
    "marketing",
    "marketingconsent",
    "marketingstate",
    "subscribed",
    "subscription",
    "subscriptionstatus",
    "optin",
    "optinstatus",
    "allowed",
    "enabled",
];

/// Where an object says the contrary: `{ email: { unsubscribed: true } }`. That she did not is no yes.
const CONTRARY: [&str; 6] = [
    "optout",
    "optedout",
    "unsubscribed",
    "suppressed",
    "blocked",
    "withdrawn",
];

/// Words for all channels.
const ALL: [&str; 5] = ["*", "all", "any", "every", "everything"];

/// Where an object holds the channels, beside other things.
const CHANNELS: &str = "channels";

/// Objects within objects: beyond this they say nothing that can be read.
const DEPTH_MAX: usize = 3;

/// Notes what a call says of consent: by channel, as a list, or of all channels at once.
pub(in crate::decode) fn take(
    consent: &mut Vec<(Text, bool)>,
    defects: &mut Vec<Defect>,
    said: &Json,
) {
    match said {
        Json::Object(channels) => by_channel(consent, defects, said, channels),
        Json::Array(channels) => listed(consent, defects, channels),
        // Of text that is no word for yes or no: channels, one or several.
        Json::String(text) if of_text(text) == Said::Unreadable && !text.trim().is_empty() => {
            let channels = text.split([',', ';', '|', ' ']).filter(|it| !it.is_empty());
            let channels: Vec<Json> = channels.map(Json::from).collect();
            listed(consent, defects, &channels);
        }
        scalar => say_read(consent, defects, EVERY_CHANNEL, of(scalar, 0), scalar),
    }
}

/// Channels with what is said of each; those that are not there stay as they are.
fn by_channel(
    consent: &mut Vec<(Text, bool)>,
    defects: &mut Vec<Defect>,
    whole: &Json,
    channels: &serde_json::Map<String, Json>,
) {
    if let Some(said) = channels.get(CHANNELS).filter(|said| !said.is_null()) {
        return take(consent, defects, said);
    }
    // `{ status: denied }`: of no channel, and so of all.
    let names = || channels.keys().map(|name| word(name));
    if names().any(|name| STATUS.contains(&&*name) || CONTRARY.contains(&&*name)) {
        return say_read(consent, defects, EVERY_CHANNEL, of(whole, 0), whole);
    }
    let named = channels.iter().filter(|(name, _)| !name.trim().is_empty());
    for (channel, value) in named {
        say_read(consent, defects, channel, of(value, 0), value);
    }
}

/// A list says all there is to say: yes to what is in it, no to the rest.
fn listed(consent: &mut Vec<(Text, bool)>, defects: &mut Vec<Defect>, channels: &[Json]) {
    say(consent, OTHER_CHANNELS, false);
    for channel in channels {
        match channel {
            Json::String(name) if !name.trim().is_empty() => {
                match name.trim().strip_prefix(['!', '-']) {
                    Some(name) => say(consent, name, false),
                    None => say(consent, name, true),
                }
            }
            Json::Object(fields) => {
                let named = ["channel", "name", "type", "id"].into_iter();
                let mut names = named.filter_map(|field| fields.get(field)?.as_str());
                match names.next() {
                    Some(name) => say_read(consent, defects, name, of(channel, 0), channel),
                    None => defects.push(defect(channel)),
                }
            }
            other => defects.push(defect(other)),
        }
    }
}

/// Notes what a plain value says of a channel.
pub(in crate::decode) fn set(
    consent: &mut Vec<(Text, bool)>,
    defects: &mut Vec<Defect>,
    channel: &str,
    value: &Scalar<'_>,
) {
    let said = of_scalar(value);
    if said == Said::Unreadable {
        defects.push(Defect::new("consent", EXPECTED, value));
    }
    match said {
        Said::Nothing => {}
        said => say(consent, channel, said == Said::Yes),
    }
}

const EXPECTED: &str = "yes or no, such as true, false, subscribed, unsubscribed";

fn defect(found: &Json) -> Defect {
    Defect::new("consent", EXPECTED, &Scalar::of_json(found))
}

fn say_read(
    consent: &mut Vec<(Text, bool)>,
    defects: &mut Vec<Defect>,
    channel: &str,
    said: Said,
    found: &Json,
) {
    match said {
        Said::Nothing => {}
        Said::Yes => say(consent, channel, true),
        Said::No => say(consent, channel, false),
        Said::Unreadable => {
            defects.push(defect(found));
            say(consent, channel, false);
        }
    }
}

/// Notes what was said of a channel, which triggers write in lower case. What is said of all stands before what is said of one.
/// Beyond the bound it is no list of channels; a no is kept.
pub(super) fn say(consent: &mut Vec<(Text, bool)>, channel: &str, given: bool) {
    let channel = channel_named(channel);
    consent.retain(|(known, _)| *known != channel);
    let is_of_many = |channel: &str| matches!(channel, EVERY_CHANNEL | OTHER_CHANNELS);
    if is_of_many(&channel) {
        consent.insert(0, (channel, given));
        return;
    }
    if consent.len() >= limits::LIST_ITEMS {
        if given {
            return;
        }
        let first = consent.iter().position(|(known, _)| !is_of_many(known));
        first.map(|first| consent.remove(first));
    }
    consent.push((channel, given));
}

/// A channel as triggers name it.
fn channel_named(name: &str) -> Text {
    let name = name.trim();
    match word(name).as_str() {
        "email" => "email".into(),
        all if ALL.contains(&all) => EVERY_CHANNEL.into(),
        _ => cut(Text::from_str_to_lowercase(name)),
    }
}

fn of(value: &Json, depth: usize) -> Said {
    match value {
        Json::Object(fields) if depth < DEPTH_MAX => of_object(fields, depth),
        Json::Object(_) | Json::Array(_) => Said::Unreadable,
        scalar => of_scalar(&Scalar::of_json(scalar)),
    }
}

/// Of several that say something, a no counts before what cannot be read, and that before a yes.
fn of_object(fields: &serde_json::Map<String, Json>, depth: usize) -> Said {
    let said = fields.iter().filter_map(|(name, value)| {
        let name = word(name);
        match (STATUS.contains(&&*name), CONTRARY.contains(&&*name)) {
            (true, _) => Some(of(value, depth + 1)),
            (_, true) => Some(match of(value, depth + 1) {
                Said::Yes => Said::No,
                Said::No => Said::Nothing,
                other => other,
            }),
            _ => None,
        }
    });
    let said: Vec<Said> = said.collect();
    [Said::No, Said::Unreadable, Said::Yes]
        .into_iter()
        .find(|found| said.contains(found))
        // Nothing in it says yes or no: it does not say yes.
        .unwrap_or(match said.is_empty() {
            true => Said::Unreadable,
            false => Said::Nothing,
        })
}

fn of_scalar(value: &Scalar<'_>) -> Said {
    match value {
        Scalar::Null => Said::Nothing,
        Scalar::Bool(true) | Scalar::Whole(1) => Said::Yes,
        Scalar::Bool(false) | Scalar::Whole(0) => Said::No,
        Scalar::Number(1.0) => Said::Yes,
        Scalar::Number(0.0) => Said::No,
        Scalar::Text(text) if text.trim().is_empty() => Said::Nothing,
        Scalar::Text(text) => of_text(text),
        _ => Said::Unreadable,
    }
}

fn of_text(text: &str) -> Said {
    let word = word(text);
    match (YES.contains(&&*word), NO.contains(&&*word)) {
        (true, _) => Said::Yes,
        (_, true) => Said::No,
        _ => Said::Unreadable,
    }
}

/// In lower case, and without what stands between the parts of a word: `Not-Subscribed` and `not_subscribed` are one. What begins
/// otherwise than with a letter or a digit is no word.
fn word(text: &str) -> String {
    let text = text.trim();
    if !text.starts_with(|first: char| first.is_alphanumeric()) {
        return text.to_owned();
    }
    let kept = text.chars().filter(|c| !matches!(c, ' ' | '_' | '-'));
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What is said, as `email+ sms- !`: a channel with yes or no, and `!` for a defect.
    fn read(said: &Json) -> String {
        let (mut consent, mut defects) = (Vec::new(), Vec::new());
        take(&mut consent, &mut defects, said);
        let shown = consent.iter().map(|(channel, given)| {
            let sign = if *given { '+' } else { '-' };
            format!("{channel}{sign}")
        });
        let defects = defects.iter().map(|_| "!".to_owned());
        shown.chain(defects).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_yes_and_a_no_are_read_however_they_are_written() {
        for (values, expected) in [
            (
                json!([
                    true,
                    1,
                    1.0,
                    "true",
                    "True",
                    "TRUE",
                    "yes",
                    "Y",
                    "1",
                    "on",
                    "granted",
                    "Subscribed",
                    "opted_in",
                    "opt-in",
                    " Opted In ",
                    "accepted"
                ]),
                "email+",
            ),
            (
                json!([
                    false,
                    0,
                    0.0,
                    "false",
                    "False",
                    "FALSE",
                    "no",
                    "NO",
                    "N",
                    "0",
                    "off",
                    "denied",
                    "Unsubscribed",
                    "not_subscribed",
                    "NOT SUBSCRIBED",
                    "opted-out",
                    "revoked",
                    "pending",
                    "never"
                ]),
                "email-",
            ),
            // What cannot be read is a no, and said to be wrong.
            (
                json!([
                    "maybe", "quizás", -1, 2, 0.5, "-1", "!yes", [], ["news"], {}, {"news": true},
                    {"a": {"b": {"c": {"status": "yes"}}}}
                ]),
                "email- !",
            ),
            // What is not known changes nothing.
            (json!([null, "", "  ", {"status": null}]), ""),
        ] {
            for value in values.as_array().unwrap() {
                assert_eq!(read(&json!({ "email": value })), expected, "{value}");
            }
        }
    }

    #[test]
    fn an_object_says_it_in_one_of_its_fields() {
        for (value, expected) in [
            (json!({"status": "subscribed"}), "email+"),
            (json!({"status": "unsubscribed"}), "email-"),
            (
                json!({"state": "not_subscribed", "opt_in_level": "single_opt_in"}),
                "email-",
            ),
            (json!({"granted": false, "at": "2026-03-02"}), "email-"),
            (json!({"marketing": {"status": "yes"}}), "email+"),
            // A no counts before a yes.
            (json!({"status": "subscribed", "given": "no"}), "email-"),
            (json!({"status": "subscribed", "opted_out": true}), "email-"),
            (
                json!({"status": "subscribed", "unsubscribed": false}),
                "email+",
            ),
            (json!({"status": "gone"}), "email- !"),
        ] {
            assert_eq!(read(&json!({ "email": value })), expected, "{value}");
        }
    }

    #[test]
    fn it_is_said_of_one_channel_of_several_or_of_all() {
        for (said, expected) in [
            // A map names the channels that it changes.
            (json!({"email": true, "SMS": "no"}), "sms- email+"),
            (json!({}), ""),
            (json!({"E-Mail": false}), "email-"),
            (json!({"all": false}), "*-"),
            (json!({"push": true, "*": "no"}), "*- push+"),
            (json!({"status": "denied"}), "*-"),
            (json!({"channels": ["email"], "at": 1}), "- email+"),
            // A list says all there is to say: of the others, no yes holds.
            (json!(["email", "Push"]), "- email+ push+"),
            (json!(["email"]), "- email+"),
            (json!([]), "-"),
            (json!([7, null, "email", "!sms"]), "- email+ sms- ! !"),
            (
                json!([{"channel": "email", "status": "subscribed"}, {"channel": "sms", "status": "x"}]),
                "- email+ sms- !",
            ),
            (json!("email"), "- email+"),
            (json!("email, sms"), "- email+ sms+"),
            // One word is for all.
            (json!(false), "*-"),
            (json!("False"), "*-"),
            (json!(0), "*-"),
            (json!("unsubscribed"), "*-"),
            (json!(true), "*+"),
            (json!("yes"), "*+"),
            (json!(7), "*- !"),
            (json!(null), ""),
            (json!(""), ""),
        ] {
            assert_eq!(read(&said), expected, "{said}");
        }
    }
}
