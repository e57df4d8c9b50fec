//! The shipped triggers, carried in the binary so that the demo runs from anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::report::{Report, Source};
use crate::event::Text;
use crate::trigger::definition::Definition;
use crate::trigger::plan::Plan;
use crate::trigger::set::{self, Basis};

macro_rules! shipped {
    ($($path:literal,)*) => {
        /// Name and text of each trigger file below `deploy/triggers`.
        pub const SHIPPED: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../deploy/triggers/", $path))),)*];
    };
}

shipped! {
    "acquisition/call-centre-opt-in.yaml",
    "acquisition/interest-scoring.yaml",
    "acquisition/store-opt-in.yaml",
    "acquisition/web-opt-in.yaml",
    "advocacy/anniversary.yaml",
    "advocacy/brand-lovers.yaml",
    "advocacy/clickers.yaml",
    "advocacy/referral-invitation.yaml",
    "awareness/negative-remarketing.yaml",
    "awareness/remarketing.yaml",
    "engagement/abandoned-basket.yaml",
    "engagement/abandoned-wish-list.yaml",
    "engagement/back-in-stock.yaml",
    "engagement/browse-retargeting.yaml",
    "engagement/post-purchase-survey.yaml",
    "engagement/post-purchase.yaml",
    "onboarding/cross-channel.yaml",
    "onboarding/first-purchase.yaml",
    "onboarding/user-profiling.yaml",
    "onboarding/welcome.yaml",
    "retention/detractor-low-score.yaml",
    "retention/frequency-drop.yaml",
    "retention/lapsed.yaml",
    "retention/late-delivery.yaml",
    "retention/re-engagement.yaml",
    "retention/reactivation.yaml",
    "retention/win-back.yaml",
}

/// The shipped triggers, compiled, with what their authors say of them.
#[derive(Debug)]
pub struct Programmes {
    /// What the processor works with.
    pub plan: Arc<Plan>,
    abouts: BTreeMap<Text, String>,
}

impl Programmes {
    /// All of them.
    ///
    /// # Errors
    /// What is wrong with them, against this configuration.
    pub fn shipped(basis: &Basis) -> Result<Self, Vec<Report>> {
        let sources: Vec<_> = SHIPPED
            .iter()
            .map(|(path, text)| Source::new(path, (*text).to_owned()))
            .collect();
        let plan = Arc::new(set::compile(&sources, basis)?);
        let mut abouts = BTreeMap::new();
        for (Definition { trigger, about, .. }, _) in set::read(&sources, basis)?.triggers {
            abouts.insert(trigger.name, about.unwrap_or_default());
        }
        Ok(Self { plan, abouts })
    }

    /// What has happened when a trigger comes true: the first sentence that its author wrote about it.
    #[must_use]
    pub fn about(&self, trigger: &str) -> &str {
        let about = self.abouts.get(trigger).map_or("", String::as_str);
        let end = about.find(['.', ':']).unwrap_or(about.len());
        &about[..end]
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_shipped_trigger_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/triggers");
        let files = set::files(&folder, set::is_trigger_file).expect("the folder");
        let below: Vec<_> = files
            .iter()
            .map(|file| file.strip_prefix(&folder).expect("below it"))
            .collect();
        let carried: Vec<_> = SHIPPED.iter().map(|(path, _)| Path::new(path)).collect();
        assert_eq!(below, carried);
    }
}
