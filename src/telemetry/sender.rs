//! What happens at `moments send`, counted.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::{Maker, metrics, text};

/// All metrics of a sender. Clones share them.
#[derive(Clone, Debug)]
pub struct Sender {
    registry: Registry,
    ended: IntCounterVec,
    failed: IntCounterVec,
    open: IntGaugeVec,
    partitions: IntGaugeVec,
}

impl Sender {
    /// All metrics at 0, of these channels, each of which ends commands in these ways.
    #[must_use]
    pub fn new<'c>(channels: impl Iterator<Item = &'c str>, ends: &[&str]) -> Self {
        let make = Maker {
            registry: Registry::new(),
        };
        let this = Self {
            ended: make.counter(&metrics::SENT),
            failed: make.counter(&metrics::SEND_FAILED),
            open: make.gauge(&metrics::SEND_OPEN),
            partitions: make.gauge(&metrics::SEND_PARTITIONS),
            registry: make.registry,
        };
        // A rise from nothing would not be seen: `rate` needs a value before.
        for channel in channels {
            for end in ends {
                let _ = this.ended.with_label_values(&[channel, end]);
            }
            let _ = this.failed.with_label_values(&[channel]);
            this.open(channel, 0);
            this.partitions(channel, 0);
        }
        this
    }

    /// A command ended, and that is saved.
    pub fn ended(&self, channel: &str, end: &str) {
        self.ended.with_label_values(&[channel, end]).inc();
    }

    /// A command is tried again.
    pub fn failed(&self, channel: &str) {
        self.failed.with_label_values(&[channel]).inc();
    }

    /// So many commands are open.
    pub fn open(&self, channel: &str, open: usize) {
        let open = i64::try_from(open).unwrap_or(i64::MAX);
        self.open.with_label_values(&[channel]).set(open);
    }

    /// So many partitions are read here.
    pub fn partitions(&self, channel: &str, partitions: usize) {
        let partitions = i64::try_from(partitions).unwrap_or(i64::MAX);
        self.partitions
            .with_label_values(&[channel])
            .set(partitions);
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
        let sender = Sender::new(["email"].into_iter(), &["delivered"]);
        let text = sender.text();
        for metric in metrics::OF_SENDER {
            let line = format!("{}{{channel=\"email\"", metric.name);
            assert!(text.contains(&line), "{line}: {text}");
        }
        sender.ended("email", "delivered");
        let line = "moments_send_ended_total{channel=\"email\",end=\"delivered\"} 1";
        assert!(sender.text().contains(line));
    }
}
