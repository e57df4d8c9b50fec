//! A published set as layout 1 wrote it: of the policy it knew three fields, by other names.

use serde::Deserialize;

use super::File;
use crate::event::Text;
use crate::time::Timestamp;
use crate::trigger::policy::{Policy, Sending};

/// A published set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    #[expect(dead_code, reason = "it was read before")]
    version: u8,
    #[serde(default)]
    after: Option<u64>,
    at: Timestamp,
    what: String,
    files: Vec<File>,
    policy: Common,
}

/// What was common to all of its triggers.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Common {
    sending_stopped: bool,
    paused: Vec<Text>,
    consent_by_default: Vec<Text>,
}

impl From<Published> for super::Published {
    fn from(old: Published) -> Self {
        Self {
            version: super::OWN_NAMES,
            after: old.after,
            at: old.at,
            what: old.what,
            files: old.files,
            policy: Policy {
                sending: if old.policy.sending_stopped {
                    Sending::Stopped
                } else {
                    Sending::Live
                },
                paused: old.policy.paused,
                consent_by_default: old.policy.consent_by_default,
                ..Policy::for_everybody()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::trigger::policy::{Policy, Sending};
    use crate::trigger::published::Published;

    /// What the last build of layout 1 wrote.
    const GOLDEN: &str = r#"{"version":1,"after":3,"at":1772445600000,"what":"pause t","files":[{"name":"t.yaml","text":"trigger: t\n"}],"policy":{"sending_stopped":true,"paused":["t"],"consent_by_default":["onsite"]}}"#;

    #[test]
    fn a_set_of_layout_1_is_read() {
        let set = Published::parse(GOLDEN.as_bytes()).expect("a set of layout 1");
        assert_eq!((set.after, set.what.as_str()), (Some(3), "pause t"));
        assert_eq!(set.files[0].name, "t.yaml");
        let policy = Policy {
            sending: Sending::Stopped,
            paused: vec!["t".into()],
            consent_by_default: vec!["onsite".into()],
            ..Policy::for_everybody()
        };
        assert_eq!(set.policy, policy);
        assert_eq!(Published::parse(&set.to_json()), Ok(set));
    }
}
