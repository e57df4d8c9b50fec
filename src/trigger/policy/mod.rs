//! What stands between a moment and a treatment, as it is declared: common to all triggers ([`Policy`]), and of one of them
//! ([`TriggerPolicy`]). The questions themselves are the gates of [`crate::policy`].
//!
//! [`Policy`] is one type for all who hold it: `[policy]` of the configuration, a published set, a plan. A field is declared here
//! and nowhere else: its serde form is what is read, what is published, what the JSON Schema says and what the revision is a
//! digest of.

pub mod cap;
mod channel;
pub mod file;
mod hours;
mod rate;
pub mod reach;
pub mod share;
mod window;
mod zone;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use cap::{Cap, Caps, Form};
pub use hours::{Hours, QuietHours};
pub use rate::{Rate, SendRates};
pub use reach::Addresses;
pub use share::Share;
pub use window::Windows;
pub use zone::ZoneName;

use crate::event::Text;
use crate::expression::Expression;
use crate::money::Currencies;
use crate::time::{DAY_MS, Timestamp};
use crate::treatment::code::Key;

/// What is common to all triggers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// `live`, or `stopped`: every moment is still decided and recorded, nothing is sent. Default `live`.
    pub sending: Sending,
    /// Names of triggers that decide nothing for the time being. Of triggers that were published, `moments triggers pause` says
    /// it. Default none.
    #[schemars(with = "Vec<String>")]
    pub paused: Vec<Text>,
    /// Channels, or `all`, that need no consent given, as she has come to us there; every other does. Default
    /// `["call-centre", "onsite", "store"]`.
    #[schemars(with = "Vec<String>")]
    pub consent_by_default: Vec<Text>,
    /// What treatments may be for, and the channels, or `all`, that need no consent given for that: `{ service = ["email", "sms"] }`. A trigger
    /// says by `purpose` what its are for; without a word they are for `marketing`, which needs no consent where
    /// `consent_by_default` says so. Default: none but that.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    pub purposes: BTreeMap<Text, Vec<Text>>,
    /// The address that a channel needs, `email`, `phone`, `push_token` or `postal`, or `none`: of those that are not known
    /// anyway, `{ newsletter = "email" }`. An address that bounced is used no more, until she has another: refused, `unreachable`.
    /// Default `{ email = "email", phone = "phone", print = "postal", push = "push_token", sms = "phone" }`.
    pub addresses: Addresses,
    /// Channels, or `all`, whose address has to be known here: where it is not, it is refused, `unreachable`. Of others it is the
    /// campaign tool that may know it. Default none.
    #[schemars(with = "Vec<String>")]
    pub address_required: Vec<Text>,
    /// When a customer is left in peace, by channel, in her local time; `default` is for the channels that are not named, `none`
    /// for one that has no such hours: `{ default = "22:00-08:00", email = "21:00-07:00", onsite = "none" }`. The first minute is
    /// quiet, the last is not. Weekdays may stand before hours, or alone; several with commas: `22:00-08:00, sat-sun`. A trigger says by `quiet_hours` what becomes of its moments then. Default: no hours.
    pub quiet_hours: QuietHours,
    /// At most so many commands to a customer, whatever the trigger: by channel, and of `all` channels together. Each is `N in D`
    /// (in any D), `N a day` (a calendar day of hers), `once`, or `every Nth` (after a command the next N - 1 moments are passed
    /// over); several stand with commas: `{ all = "1 in 4h, 5 in 7d", email = "2 a day" }`. The next is refused, `capped`. Default:
    /// none.
    pub caps: Caps,
    /// `instant`: of several moments of a customer at one instant that would be sent, one is: the one with the highest priority,
    /// then the highest `value`, then the first by name; the others are refused, `outranked`. `none`: all are. Default `none`.
    pub arbitration: Arbitration,
    /// For so long moments wait for others of hers on the same channel to compete with, by channel, at most 7d: `{ email = "1h" }`. The
    /// first opens it, and when it ends all are asked everything again, and one of them is sent, as above. Default: none waits.
    pub arbitration_window: Windows,
    /// At most so many commands over everybody, by channel, in any time of a length: `{ call-centre = "20 in 1h", print = "500 in 1d" }`.
    /// Whatever would be sent by such a channel waits for its turn: the one with the highest priority first, then the one whose moment
    /// came true first. When its turn comes everything is asked again. Several tasks share the rate. Default: none.
    pub send_rates: SendRates,
    /// The share of customers who are never sent anything, whatever the trigger: the control group. It is refused, `control_group`, where
    /// everything else was right. Default `0%`.
    pub control_group: Share,
    /// The share of customers whom each trigger holds out, unless it says `hold_out` itself: refused, `held_out`, where everything else
    /// was right. Default `5%`.
    pub hold_out: Share,
    /// Draws the control group and those who are held out: another text draws others. Default empty.
    #[schemars(with = "String")]
    pub draw: Text,
    /// The IANA time zone of a customer of whom none is known, for quiet hours and caps a day. Calendar days of moments go by UTC then. Default
    /// `UTC`.
    pub default_timezone: ZoneName,
    /// The company's currency, and what others are worth in it: amounts of different currencies are never added. Default: none, and
    /// no rates.
    pub currencies: Currencies,
    /// A customer who does nothing for so long is removed, ms; none: nobody ever is. Not published: `[profiles]` of each
    /// process's configuration says it.
    #[serde(skip)]
    pub expire_after_ms: Option<i64>,
    /// For so long after an erasure, in event time, what is older is dropped, ms. Not published, as above.
    #[serde(skip)]
    pub erasure_memory_ms: i64,
    /// Of what coupon codes are derived: `[codes]` of each process's configuration. Neither published nor shown.
    #[serde(skip)]
    pub code_key: Key,
}

/// What a trigger's treatments are for that says nothing.
pub const MARKETING: &str = "marketing";

/// The switch that stops all sending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sending {
    /// Treatments are sent.
    #[default]
    Live,
    /// None is.
    Stopped,
}

/// Whether moments of a customer compete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arbitration {
    /// They do not.
    #[default]
    None,
    /// Those of one instant do.
    Instant,
}

/// What one trigger says.
#[derive(Debug)]
pub struct TriggerPolicy {
    /// Decided first among moments of one instant, 0 to 100.
    pub priority: i32,
    /// What a treatment is expected to be worth: decides between moments of the same priority.
    pub value: Option<Expression>,
    /// What it is for; none: [`MARKETING`].
    pub purpose: Option<Text>,
    /// At most so many commands: what each of these allows.
    pub caps: Vec<Cap>,
    /// The same of those commands that are about one thing, as `cap_per` says.
    pub caps_per: Vec<Cap>,
    /// What commands are about, where they are counted by it.
    pub cap_per: Option<Expression>,
    /// How long after the moment a treatment still makes sense, in ms.
    pub good_for_ms: i64,
    /// Its moments are gathered for so long, ms, and become one command.
    pub digest_ms: Option<i64>,
    /// What becomes of its moments in the quiet hours of their channel.
    pub quiet_hours: AtNight,
    /// Whom it holds out; none: whom the policy says.
    pub hold_out: Option<Share>,
}

impl TriggerPolicy {
    /// Its caps, as its author may have written them; none where there is none.
    #[must_use]
    pub fn caps_said(&self) -> Option<String> {
        let all = self.caps.iter().map(Cap::to_string);
        let per = self.cap_per.as_ref().map_or("", Expression::source);
        let about = self.caps_per.iter().map(|cap| format!("{cap} per {per}"));
        let said: Vec<String> = all.chain(about).collect();
        (!said.is_empty()).then(|| said.join(", "))
    }
}

/// What becomes of a moment in quiet hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtNight {
    /// It is decided as at any other time.
    #[default]
    Ignore,
    /// It is refused.
    Drop,
    /// It waits until the hours end, and everything is asked again then.
    Hold,
}

impl AtNight {
    /// The words of trigger files, in the order of the variants.
    pub const WORDS: &[&str] = &["ignore", "drop", "hold"];

    /// The word for it in trigger files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Drop => "drop",
            Self::Hold => "hold",
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            sending: Sending::Live,
            paused: Vec::new(),
            // Where she has come to us: the agent's screen, the page she is on, the counter.
            consent_by_default: vec!["call-centre".into(), "onsite".into(), "store".into()],
            purposes: BTreeMap::new(),
            addresses: Addresses::default(),
            address_required: Vec::new(),
            quiet_hours: QuietHours::default(),
            caps: Caps::default(),
            arbitration: Arbitration::None,
            arbitration_window: Windows::default(),
            send_rates: SendRates::default(),
            control_group: Share::default(),
            hold_out: Share::USUAL,
            draw: Text::default(),
            default_timezone: ZoneName::default(),
            currencies: Currencies::default(),
            expire_after_ms: None,
            erasure_memory_ms: 30 * DAY_MS,
            code_key: Key::default(),
        }
    }
}

impl Policy {
    /// As by default, but that nobody is held out: to see what triggers do.
    #[must_use]
    pub fn for_everybody() -> Self {
        Self {
            hold_out: Share::NOBODY,
            ..Self::default()
        }
    }

    /// When a customer expires who was last seen at `last`; never is [`Timestamp::MAX`].
    #[must_use]
    pub fn expiry(&self, last: Timestamp) -> Timestamp {
        self.expire_after_ms
            .map_or(Timestamp::MAX, |idle_ms| last.plus(idle_ms))
    }

    /// Whether all sending is stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.sending == Sending::Stopped
    }

    /// As it is published: what each process takes from its own configuration says nothing.
    #[must_use]
    pub fn published(self) -> Self {
        self.with_local_of(&Self::default())
    }

    /// As it was published, at a process that is configured so: what is not published is the configuration's, and sending is
    /// stopped where either says so.
    #[must_use]
    pub fn over(self, configured: &Self) -> Self {
        let sending = match configured.sending {
            Sending::Stopped => Sending::Stopped,
            Sending::Live => self.sending,
        };
        Self { sending, ..self }.with_local_of(configured)
    }

    fn with_local_of(self, other: &Self) -> Self {
        Self {
            expire_after_ms: other.expire_after_ms,
            erasure_memory_ms: other.erasure_memory_ms,
            code_key: other.code_key.clone(),
            ..self
        }
    }

    /// The fields, of those that are published, that say something else in `other`, with what they say here.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<(String, Value)> {
        let other = other.fields();
        let differs = |(name, value): &(String, Value)| other.get(name) != Some(value);
        self.fields().into_iter().filter(differs).collect()
    }

    /// With the fields that are said, as JSON, in the place of its own.
    ///
    /// # Errors
    /// What is no field of a policy, or not its value, with its path.
    pub fn with(
        &self,
        said: &Value,
    ) -> Result<Self, serde_path_to_error::Error<serde_json::Error>> {
        let mut all = said.clone();
        if let (Value::Object(all), Value::Object(said)) = (&mut all, said) {
            *all = self.fields();
            all.extend(said.clone());
        }
        let read: Self = serde_path_to_error::deserialize(all)?;
        Ok(read.with_local_of(self))
    }

    /// Hands out what the revision is a digest of. A policy has the digest that it had before there were the fields of which it
    /// says nothing.
    pub fn digested(&self, mut part: impl FnMut(&[u8])) {
        part(&[u8::from(self.is_stopped())]);
        let free = &self.consent_by_default;
        free.iter().for_each(|channel| part(channel.as_bytes()));
        part(&self.expire_after_ms.unwrap_or_default().to_le_bytes());
        part(&self.erasure_memory_ms.to_le_bytes());
        for name in &self.paused {
            part(b"paused");
            part(name.as_bytes());
        }
        let above = ["sending", "paused", "consent_by_default"];
        // Before there was one, nobody was held out.
        for (name, value) in self.differing(&Self::for_everybody()) {
            if !above.contains(&name.as_str()) {
                part(name.as_bytes());
                part(value.to_string().as_bytes());
            }
        }
    }

    /// Its JSON Schema (draft 7), whole in itself.
    #[must_use]
    pub fn schema() -> Value {
        let mut settings = SchemaSettings::draft07();
        settings.inline_subschemas = true;
        let generator = settings.into_generator();
        generator.into_root_schema_for::<Self>().to_value()
    }

    fn fields(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Policy {
        serde_json::from_str(json).unwrap()
    }

    fn digest(policy: &Policy) -> Vec<u8> {
        let mut all = Vec::new();
        policy.digested(|part| {
            all.extend(part);
            all.push(b'|');
        });
        all
    }

    #[test]
    fn what_is_published_over_what_is_configured() {
        for (published, configured, expected) in [
            ("live", "live", Sending::Live),
            ("stopped", "live", Sending::Stopped),
            ("live", "stopped", Sending::Stopped),
            ("stopped", "stopped", Sending::Stopped),
        ] {
            let read = |sending| read(&format!(r#"{{"sending":"{sending}"}}"#));
            let over = read(published).over(&read(configured));
            assert_eq!(over.sending, expected, "{published} over {configured}");
        }
        let configured = Policy {
            expire_after_ms: Some(7),
            erasure_memory_ms: 8,
            ..read(r#"{"paused":["a"]}"#)
        };
        let over = read(r#"{"paused":["b"]}"#).over(&configured);
        assert_eq!((over.expire_after_ms, over.erasure_memory_ms), (Some(7), 8));
        assert_eq!(over.paused, ["b"]);
        assert_eq!(configured.published(), read(r#"{"paused":["a"]}"#));
    }

    #[test]
    fn what_is_said_stands_in_the_place_of_its_own() {
        let own = Policy {
            expire_after_ms: Some(7),
            ..read(r#"{"caps":{"all":"once"},"paused":["a"]}"#)
        };
        let with = own.with(&serde_json::json!({ "caps": { "email": "once" } }));
        let with = with.unwrap();
        assert_eq!(with.caps, read(r#"{"caps":{"email":"once"}}"#).caps);
        assert_eq!((with.paused, with.expire_after_ms), (own.paused, Some(7)));
    }

    #[test]
    fn a_digest_says_all_and_nothing_of_what_is_as_ever() {
        let default = Policy::for_everybody();
        assert_eq!(
            digest(&default),
            b"\0|call-centre|onsite|store|\0\0\0\0\0\0\0\0|\0\xc8\x7e\x9a\0\0\0\0|",
            "every digest of today rests on it"
        );
        let changed = [
            Policy {
                expire_after_ms: Some(1),
                ..Policy::for_everybody()
            },
            Policy {
                erasure_memory_ms: 1,
                ..Policy::for_everybody()
            },
            Policy::default(),
            read(r#"{"sending":"stopped"}"#),
            read(r#"{"paused":["a"]}"#),
            read(r#"{"consent_by_default":[]}"#),
            read(r#"{"quiet_hours":{"email":"21:00-08:00"}}"#),
            read(r#"{"caps":{"all":"5 in 7d"}}"#),
            read(r#"{"arbitration":"instant"}"#),
            read(r#"{"default_timezone":"Europe/Madrid"}"#),
            read(r#"{"control_group":"5%"}"#),
            read(r#"{"hold_out":"6%"}"#),
            read(r#"{"arbitration_window":{"email":"1h"}}"#),
            read(r#"{"draw":"spring"}"#),
            read(r#"{"purposes":{"service":["email"]}}"#),
            read(r#"{"addresses":{"sms":"none"}}"#),
            read(r#"{"address_required":["email"]}"#),
        ];
        for policy in changed {
            assert_ne!(digest(&policy), digest(&default), "{policy:?}");
        }
    }
}
