//! What the cluster says of topics: the id that each was given when it was made, its partitions, and what this process may do with it.
//!
//! rdkafka does not wrap this call of librdkafka's, so it is made here, once, and everything is copied out of it.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;

/// What may be done with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Its records may be read.
    Read,
    /// Records may be written to it.
    Write,
}

impl Right {
    /// As Kafka names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
        }
    }
}

/// A topic, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// The id that it was given when it was made; 0 where the brokers give none (before 2.8).
    pub id: u128,
    pub partitions: i32,
    /// None where the brokers do not say.
    pub rights: Option<Vec<Right>>,
}

/// Topics by name.
pub(super) type Topics = BTreeMap<String, Result<Described, RDKafkaErrorCode>>;

/// Asks of topics by name.
///
/// # Errors
/// Where no broker answers in time.
#[expect(unsafe_code, reason = "rdkafka has no DescribeTopics")]
pub(super) fn describe<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    timeout: Duration,
) -> Result<Topics, KafkaError> {
    let names: Vec<CString> = names
        .iter()
        .filter_map(|name| CString::new(*name).ok())
        .collect();
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let rk = client.native_ptr();
    // SAFETY: everything is made and destroyed here, the client outlives the call, and the names outlive their pointers.
    unsafe {
        let topics =
            sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options = sys::rd_kafka_AdminOptions_new(
            rk,
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        let mut reason = [0; 256];
        sys::rd_kafka_AdminOptions_set_request_timeout(
            options,
            ms,
            reason.as_mut_ptr(),
            reason.len(),
        );
        let refused = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
        if !refused.is_null() {
            sys::rd_kafka_error_destroy(refused);
        }
        let queue = sys::rd_kafka_queue_new(rk);
        sys::rd_kafka_DescribeTopics(rk, topics, options, queue);
        let event = sys::rd_kafka_queue_poll(queue, ms.saturating_add(1_000));
        let found = if event.is_null() {
            Err(RDKafkaErrorCode::OperationTimedOut)
        } else {
            let found = read(event);
            sys::rd_kafka_event_destroy(event);
            found
        };
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(topics);
        found.map_err(KafkaError::MetadataFetch)
    }
}

/// SAFETY: `event` must be the answer to a `DescribeTopics`.
#[expect(unsafe_code, reason = "fields of C structs")]
unsafe fn read(event: *mut sys::rd_kafka_event_t) -> Result<Topics, RDKafkaErrorCode> {
    let mut topics = Topics::new();
    // SAFETY: the caller's promise; what is read belongs to the event, and is copied.
    unsafe {
        let error = sys::rd_kafka_event_error(event);
        if error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(error.into());
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        let all = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        for number in 0..count {
            let topic = *all.add(number);
            let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic));
            topics.insert(name.to_string_lossy().into_owned(), one(topic));
        }
    }
    Ok(topics)
}

/// SAFETY: `topic` must point to a description.
#[expect(unsafe_code, reason = "fields of C structs")]
unsafe fn one(
    topic: *const sys::rd_kafka_TopicDescription_t,
) -> Result<Described, RDKafkaErrorCode> {
    // SAFETY: the caller's promise; lengths belong to their pointers.
    unsafe {
        let error = sys::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() {
            let code = sys::rd_kafka_error_code(error);
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(code.into());
            }
        }
        let (mut partitions, mut rights) = (0, 0);
        sys::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let operations =
            sys::rd_kafka_TopicDescription_authorized_operations(topic, &raw mut rights);
        let operations = match operations.is_null() {
            true => None,
            false => Some(std::slice::from_raw_parts(operations, rights)),
        };
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let id = match id.is_null() {
            true => 0,
            false => bits(
                sys::rd_kafka_Uuid_most_significant_bits(id),
                sys::rd_kafka_Uuid_least_significant_bits(id),
            ),
        };
        Ok(Described {
            id,
            partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
            rights: operations.map(said),
        })
    }
}

fn bits(most: i64, least: i64) -> u128 {
    u128::from(most.cast_unsigned()) << 64 | u128::from(least.cast_unsigned())
}

fn said(operations: &[sys::rd_kafka_AclOperation_t]) -> Vec<Right> {
    use sys::rd_kafka_AclOperation_t as Operation;
    let may = |operation| {
        operations.contains(&operation)
            || operations.contains(&Operation::RD_KAFKA_ACL_OPERATION_ALL)
    };
    let rights = [
        (Operation::RD_KAFKA_ACL_OPERATION_READ, Right::Read),
        (Operation::RD_KAFKA_ACL_OPERATION_WRITE, Right::Write),
    ];
    let held = rights.into_iter().filter(|(operation, _)| may(*operation));
    held.map(|(_, right)| right).collect()
}
