//! What happens at `moments onsite`, counted.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use super::{Maker, metrics, text};

/// All metrics of a process that shows treatments on pages. Clones share them.
#[derive(Clone, Debug)]
pub struct Onsite {
    registry: Registry,
    reports: IntCounterVec,
    refused: IntCounterVec,
    made_way: IntCounter,
    treatments: IntGauge,
    streams: IntGauge,
}

impl Onsite {
    /// All metrics at 0; pages report these.
    #[must_use]
    pub fn new(reports: &[&str]) -> Self {
        let make = Maker {
            registry: Registry::new(),
        };
        let this = Self {
            reports: make.counter(&metrics::ONSITE_REPORTS),
            refused: make.counter(&metrics::ONSITE_REFUSED),
            made_way: make
                .counter(&metrics::ONSITE_MADE_WAY)
                .with_label_values::<&str>(&[]),
            treatments: make.whole(&metrics::ONSITE_TREATMENTS),
            streams: make.whole(&metrics::ONSITE_STREAMS),
            registry: make.registry,
        };
        // A rise from nothing would not be seen: `rate` needs a value before.
        for report in reports {
            let _ = this.reports.with_label_values(&[report]);
            let _ = this.refused.with_label_values(&[report]);
        }
        this
    }

    /// A page reported something, and the topic has it.
    pub fn reported(&self, report: &str) {
        self.reports.with_label_values(&[report]).inc();
    }

    /// A page was told that it may not.
    pub fn refused(&self, report: &str) {
        self.refused.with_label_values(&[report]).inc();
    }

    /// A treatment was forgotten before its end.
    pub fn made_way(&self) {
        self.made_way.inc();
    }

    /// So many treatments are known, and so many streams are open.
    pub fn size(&self, treatments: usize, streams: usize) {
        self.treatments
            .set(i64::try_from(treatments).unwrap_or(i64::MAX));
        self.streams.set(i64::try_from(streams).unwrap_or(i64::MAX));
    }

    /// As Prometheus reads it.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_there_from_the_beginning() {
        let onsite = Onsite::new(&["shown"]);
        let text = onsite.text();
        for metric in metrics::OF_ONSITE {
            assert!(
                text.contains(&format!("\n{}", metric.name)),
                "{}: {text}",
                metric.name
            );
        }
        onsite.reported("shown");
        assert!(
            onsite
                .text()
                .contains("moments_onsite_reports_total{report=\"shown\"} 1")
        );
    }
}
