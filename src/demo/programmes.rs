//! The shipped triggers, carried in the binary so that the demo runs from anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::report::{Report, Source};
use crate::event::Text;
use crate::trigger::definition::Definition;
use crate::trigger::plan::Plan;
use crate::trigger::set::{self, Basis};

macro_rules! shipped {
    ($($stem:literal,)*) => {
        /// Name and text of each trigger file below `deploy/triggers`.
        pub const SHIPPED: &[(&str, &str)] = &[$((
            concat!($stem, ".yaml"),
            include_str!(concat!("../../deploy/triggers/", $stem, ".yaml")),
        ),)*];

        /// Name and text of the scenarios beside each.
        pub const SCENARIOS: &[(&str, &str)] = &[$((
            concat!($stem, ".test.yaml"),
            include_str!(concat!("../../deploy/triggers/", $stem, ".test.yaml")),
        ),)*];
    };
}

shipped! {
    "acquisition/call-centre-opt-in",
    "acquisition/catalogue",
    "acquisition/e-commerce-opt-in",
    "acquisition/interest-scoring",
    "acquisition/lead-scoring",
    "acquisition/social-opt-in",
    "acquisition/store-opt-in",
    "acquisition/store-visit",
    "acquisition/web-opt-in",
    "advocacy/anniversary",
    "advocacy/badge-expiry",
    "advocacy/brand-lovers",
    "advocacy/clickers",
    "advocacy/earn-for-interactions",
    "advocacy/rank-nearly",
    "advocacy/referral-invitation",
    "awareness/broadcast-sync",
    "awareness/negative-remarketing",
    "awareness/remarketing",
    "awareness/source-attribution",
    "engagement/abandoned-basket",
    "engagement/abandoned-wish-list",
    "engagement/back-in-stock",
    "engagement/birthday",
    "engagement/browse-retargeting",
    "engagement/cross-selling",
    "engagement/newsletter",
    "engagement/newsletter-seldom",
    "engagement/nurturing",
    "engagement/post-purchase-survey",
    "engagement/post-purchase",
    "engagement/programmed-purchase",
    "engagement/special-dates",
    "engagement/trip-insurance",
    "engagement/value-segmentation",
    "onboarding/cross-channel",
    "onboarding/first-purchase",
    "onboarding/user-profiling",
    "onboarding/welcome",
    "retention/churn-prevention",
    "retention/detractor-low-score",
    "retention/fallen-off-path",
    "retention/frequency-drop",
    "retention/lapsed",
    "retention/late-delivery",
    "retention/loyalty-expiry",
    "retention/loyalty-nearly",
    "retention/loyalty-unlock",
    "retention/points-expiry",
    "retention/re-engagement",
    "retention/reactivation",
    "retention/win-back",
}

macro_rules! declared {
    ($($path:literal,)*) => {
        /// Name and text of each file of facts, labels and the like beside them.
        pub const DECLARED: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../deploy/triggers/", $path))),)*];
    };
}

declared! {
    "acquisition/answers.yaml",
    "acquisition/last_store_visit.yaml",
    "advocacy/badge-fading.yaml",
    "advocacy/interactions.yaml",
    "advocacy/interactions_young.yaml",
    "awareness/source.yaml",
    "awareness/stations.yaml",
    "engagement/bought_lately.yaml",
    "engagement/destinations.yaml",
    "engagement/propensity.yaml",
    "engagement/rfm.yaml",
    "onboarding/channel.yaml",
    "onboarding/email_reactions.yaml",
    "onboarding/push_reactions.yaml",
    "retention/brand-path.yaml",
    "retention/churn.yaml",
    "retention/gold.yaml",
    "retention/points.yaml",
    "retention/points_expiring.yaml",
    "retention/spent_in_year.yaml",
}

/// The files of the set that is shipped: the triggers, and what they ask for.
#[must_use]
pub fn sources() -> Vec<Source> {
    let files = SHIPPED.iter().chain(DECLARED);
    let source = |(path, text): &(&str, &str)| Source::new(path, (*text).to_owned());
    files.map(source).collect()
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
        let sources = sources();
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
        let all = SHIPPED.iter().chain(DECLARED);
        let mut carried: Vec<_> = all.map(|(path, _)| Path::new(path)).collect();
        carried.sort();
        assert_eq!(below, carried);
    }
}
