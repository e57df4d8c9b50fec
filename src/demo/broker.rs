//! A Kafka broker inside this process: librdkafka's own mock cluster, on a loopback port. For demonstrations, never for data.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;

/// What it does not do as Kafka does: each the end of a sentence on it.
pub const LIMITS: [&str; 5] = [
    "- acknowledges transactions, but shows what was aborted and stores no offsets:",
    "  nothing here proves \"once\"",
    "- keeps the last 5 MiB of a partition, in memory, and drops the rest silently",
    "- has no compaction, no retention, no access control, no topic administration",
    "- lets who joins wait for 3 s, and its speed says nothing of Kafka's",
];

/// A running broker; it ends when this is dropped.
///
/// Its handle may not change threads, so it lives on one of its own.
#[derive(Debug)]
pub struct Embedded {
    bootstrap: String,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts it with these topics, all of so many partitions.
    ///
    /// # Errors
    /// Where no port or no thread is to be had.
    pub fn start(topics: Vec<String>, partitions: i32) -> Result<Self, KafkaError> {
        let (stop, stopped) = mpsc::channel();
        let (told, bootstrap) = mpsc::channel();
        let thread = thread::Builder::new().name("broker".to_owned());
        let thread = thread
            .spawn(move || serve(&topics, partitions, &told, &stopped))
            .map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        let gone =
            |_| KafkaError::ClientCreation("the embedded broker's thread is gone".to_owned());
        let bootstrap = bootstrap.recv().map_err(gone)??;
        Ok(Self {
            bootstrap,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens: host and port.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn serve(
    topics: &[String],
    partitions: i32,
    told: &Sender<Result<String, KafkaError>>,
    stopped: &Receiver<()>,
) {
    let made = MockCluster::new(1).and_then(|cluster| {
        // One that it makes by itself would have 4 partitions.
        topics
            .iter()
            .try_for_each(|topic| cluster.create_topic(topic, partitions, 1))?;
        Ok(cluster)
    });
    match made {
        Ok(cluster) => {
            // Whoever started it waits for this, and ends it by letting go of the other end.
            let _ = told.send(Ok(cluster.bootstrap_servers()));
            let _ = stopped.recv();
        }
        Err(error) => {
            let _ = told.send(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn it_serves_until_it_is_dropped() {
        let broker = Embedded::start(vec!["cart".to_owned()], 2).expect("a broker");
        let address = broker.bootstrap().to_owned();
        assert!(TcpStream::connect(&address).is_ok());
        drop(broker);
        assert!(TcpStream::connect(&address).is_err());
    }
}
