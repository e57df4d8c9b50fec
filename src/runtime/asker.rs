//! Asks where topics begin and end, for all tasks of the process at once.
//!
//! What must stay true: the ends are asked of a read_uncommitted handle, of a moment after the question came. Questions that come
//! while one is under way are asked together in the next. A question of a task replaces its older one.
//!
//! Deliberately absent: librdkafka's own knowledge of ends, as [`super::queue::PartitionQueue::end`] has it for the lag. It is that of
//! the last fetch, and nothing that librdkafka says tells whether a fetch that had this partition in it was sent after the question:
//! the end-of-partition event comes once an offset, statistics count requests but not their partitions, and a partition whose queue is
//! full or that backs off is not in a request. An end from before the question would let time pass an unread record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::clients::Logged;
use super::message::{About, Question, ToWorker};
use super::surroundings::Surroundings;
use super::watchdog::EndsProcess;
use crate::task::Input;

/// An answer takes a millisecond; after this the question is asked again.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Between an answer that failed and the next question.
const RETRY: Duration = Duration::from_millis(100);

/// One question of a kind is open at a time.
type Open = BTreeMap<(i32, usize), Question>;

/// Answers until nobody asks any more.
pub(super) fn run(
    surroundings: &Surroundings,
    (consumer, offsets): (&BaseConsumer<Logged>, &BaseConsumer<Logged>),
    topics: &Arc<[String]>,
    questions: &Receiver<Question>,
) {
    let _guard = EndsProcess;
    let mut open = Open::new();
    loop {
        let wait = if open.is_empty() {
            Duration::MAX
        } else {
            RETRY
        };
        let first = if wait == Duration::MAX {
            questions.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            questions.recv_timeout(wait)
        };
        match first {
            Ok(question) => put(&mut open, question),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Ok(question) = questions.try_recv() {
            put(&mut open, question);
        }
        // Their log and their errors; nobody else polls them.
        let _ = (consumer.poll(Duration::ZERO), offsets.poll(Duration::ZERO));
        let now = Instant::now();
        let (mut due, later) = open.into_iter().partition(|(_, it)| it.after <= now);
        open = later;
        let answered = answer(consumer, topics, &mut due);
        surroundings.gets_on("asking where topics end", answered.is_ok());
        if let Err(error) = answered {
            tracing::warn!(%error, "asking where topics end failed; asking again");
            open.append(&mut due);
        }
    }
}

fn put(open: &mut Open, question: Question) {
    let kind = match question.about {
        About::Ends(_) => 0,
        About::Lag => 1,
        About::Start(topic, _) => topic + 2,
    };
    open.insert((question.partition, kind), question);
}

fn answer(consumer: &BaseConsumer<Logged>, topics: &[String], open: &mut Open) -> KafkaResult<()> {
    let all = |partition: i32| topics.iter().map(move |topic| (topic.as_str(), partition));
    let mut begins = BTreeMap::new();
    let starts = open.values().filter_map(|question| match question.about {
        About::Start(topic, _) => Some((topics[topic].as_str(), question.partition)),
        About::Ends(_) | About::Lag => None,
    });
    let starts: Vec<_> = starts.collect();
    if !starts.is_empty() {
        begins = query(consumer, starts.iter().copied(), Offset::Beginning)?;
    }
    let asked = open.values().flat_map(|question| match question.about {
        About::Ends(_) | About::Lag => all(question.partition).collect::<Vec<_>>(),
        About::Start(topic, _) => vec![(topics[topic].as_str(), question.partition)],
    });
    let ends = query(consumer, asked, Offset::End)?;
    for ((partition, _), question) in std::mem::take(open) {
        let all_ends = || {
            topics
                .iter()
                .map(|topic| ends[&(topic.clone(), partition)])
                .collect()
        };
        let input = match question.about {
            About::Lag => ToWorker::Lag {
                partition,
                ends: all_ends(),
            },
            About::Ends(ask) => {
                let ends = all_ends();
                ToWorker::Answer {
                    partition,
                    session: question.session,
                    input: Input::Ends { ask, ends },
                }
            }
            About::Start(topic, from) => {
                let key = (topics[topic].clone(), partition);
                let (begin, end) = (begins[&key], ends[&key]);
                let from = from.unwrap_or(begin);
                if (begin..=end).contains(&from) {
                    ToWorker::Begin {
                        partition,
                        session: question.session,
                        topic,
                        offset: from,
                    }
                } else {
                    let input = Input::OffsetGone {
                        topic,
                        earliest: begin,
                    };
                    ToWorker::Answer {
                        partition,
                        session: question.session,
                        input,
                    }
                }
            }
        };
        // A worker that is gone needs no answer.
        let _ = question.worker.send(input);
    }
    Ok(())
}

/// The first or the next offset of partitions.
pub(super) fn query<'a>(
    consumer: &BaseConsumer<Logged>,
    partitions: impl Iterator<Item = (&'a str, i32)>,
    offset: Offset,
) -> KafkaResult<BTreeMap<(String, i32), i64>> {
    // One request to each leader, which wants a topic's partitions in a row.
    let mut sorted: Vec<_> = partitions.collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut list = TopicPartitionList::with_capacity(sorted.len());
    for (topic, partition) in sorted {
        list.add_partition_offset(topic, partition, offset)?;
    }
    let found = consumer.offsets_for_times(list, TIMEOUT)?;
    found
        .elements()
        .into_iter()
        .map(|element| {
            element.error()?;
            let Offset::Offset(offset) = element.offset() else {
                return Err(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset));
            };
            Ok(((element.topic().to_owned(), element.partition()), offset))
        })
        .collect()
}
