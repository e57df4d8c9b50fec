//! What this process may do beside reading and writing topics: be a member of its group, and use its transactional ids.
//!
//! Brokers refuse both only when it is done, which a process that has begun tries again for ever; so it is asked before.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};

use super::clients::{self, Logged};
use super::tokens;
use crate::config::Config;

/// How long is waited for a coordinator. One that does not answer in time refuses nothing.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is lacking, in sentences. `topic`: one that comes in.
///
/// # Errors
/// Where a client cannot be made.
pub(super) fn lacking(config: &Config, topic: &str) -> KafkaResult<Vec<String>> {
    let id = &config.application.id;
    let mut lacking = Vec::new();
    let copies = config.broadcasts().map(|_| format!("{id}-broadcasts"));
    for group in [id.clone()].into_iter().chain(copies) {
        if !may_be_member(config, &group, topic)? {
            lacking.push(format!(
                "group {group}: this process lacks the right Read on it"
            ));
        }
    }
    if !may_transact(config)? {
        lacking.push(format!(
            "transactional ids {id}-: this process lacks the right Write on those that begin so"
        ));
    }
    Ok(lacking)
}

fn may_be_member(config: &Config, group: &str, topic: &str) -> KafkaResult<bool> {
    let mut client = clients::consumer(config, "read_committed");
    client.set("group.id", group);
    let client = clients::asking(&client)?;
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    let refused = RDKafkaErrorCode::GroupAuthorizationFailed;
    let asked = clients::patiently(&client, TIMEOUT, |timeout| {
        client.committed_offsets(list.clone(), timeout)
    });
    Ok(asked.is_ok() || !clients::is_known(refused))
}

fn may_transact(config: &Config) -> KafkaResult<bool> {
    let mut client = clients::outside_producer(config);
    client.set(
        "transactional.id",
        format!("{}-start", config.application.id),
    );
    let producer: BaseProducer<Logged> = client.create_with_context(Logged)?;
    tokens::let_in(&client, producer.client())?;
    let refused = RDKafkaErrorCode::TransactionalIdAuthorizationFailed;
    let begun = producer.init_transactions(TIMEOUT);
    Ok(begun.map_or_else(
        |error| error.rdkafka_error_code() != Some(refused),
        |()| true,
    ))
}
