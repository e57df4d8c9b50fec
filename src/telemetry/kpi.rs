//! The gauges of what triggers are measured by. What a task has told of is known, so that it can be taken out when it is somebody else's,
//! or the trigger is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use prometheus::GaugeVec;

use crate::engine::Engine;
use crate::tally::Figures;

/// The labels of a gauge but for the task.
type Of = [String; 3];

/// The gauges.
#[derive(Debug)]
pub(super) struct Kpis {
    gauges: GaugeVec,
    told: Mutex<BTreeMap<String, BTreeSet<Of>>>,
}

impl Kpis {
    /// None yet.
    pub fn new(gauges: GaugeVec) -> Self {
        Self {
            gauges,
            told: Mutex::default(),
        }
    }

    /// A task stands so.
    pub fn tell(&self, partition: i32, engine: &Engine) {
        let partition = partition.to_string();
        let mut now = BTreeSet::new();
        for (trigger, kpi, figures) in engine.kpis() {
            let (of, per) = match figures {
                Some(figures) => kpi.terms(figures),
                None => kpi.terms(&Figures::default()),
            };
            let terms = [("of", Some(of)), ("per", per)];
            for (term, count) in terms {
                let Some(count) = count else { continue };
                let labels = [trigger.name.as_str(), kpi.name.as_str(), term];
                let [trigger, kpi, term] = labels;
                let gauge = [trigger, kpi, term, &partition];
                self.gauges.with_label_values(&gauge).set(count);
                now.insert(labels.map(str::to_owned));
            }
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.insert(partition.clone(), now.clone());
        self.remove(&partition, before.unwrap_or_default().difference(&now));
    }

    /// A task is somebody else's now.
    pub fn forget(&self, partition: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = told.remove(partition) {
            self.remove(partition, before.iter());
        }
    }

    fn remove<'o>(&self, partition: &str, gone: impl Iterator<Item = &'o Of>) {
        for [trigger, kpi, term] in gone {
            let gauge = [trigger.as_str(), kpi, term, partition];
            // It was set when it was told.
            let _ = self.gauges.remove_label_values(&gauge);
        }
    }
}
