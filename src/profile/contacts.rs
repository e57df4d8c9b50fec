//! What was sent to her, as far as caps and expressions ask.

use serde::{Deserialize, Serialize};

use crate::event::Text;
use crate::time::Timestamp;

/// What was sent to her.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contacts {
    /// Commands ever.
    pub count: u32,
    /// The last command: when and by which channel.
    pub last: Option<(Timestamp, Text)>,
    /// By trigger key: the times of the last commands, as many as its cap asks for, oldest first.
    pub by_trigger: Vec<(u32, Vec<Timestamp>)>,
}

impl Contacts {
    /// The times of a trigger's last commands, as many as its cap asks for.
    #[must_use]
    pub fn by(&self, key: u32) -> &[Timestamp] {
        let mut all = self.by_trigger.iter();
        all.find(|(known, _)| *known == key)
            .map_or(&[], |(_, times)| times)
    }

    /// Notes a command.
    pub fn sent(&mut self, at: Timestamp, channel: &Text) {
        self.count = self.count.saturating_add(1);
        self.last = Some((at, channel.clone()));
    }

    /// Keeps the time of a trigger's command, for a cap that asks for the last `count`.
    pub fn keep(&mut self, key: u32, at: Timestamp, count: u32) {
        let known = self.by_trigger.iter().position(|(known, _)| *known == key);
        let place = known.unwrap_or_else(|| {
            self.by_trigger.push((key, Vec::new()));
            self.by_trigger.len() - 1
        });
        let times = &mut self.by_trigger[place].1;
        times.push(at);
        if times.len() > count as usize {
            times.remove(0);
        }
    }
}
