//! A page of the state that cannot be read: found, and set aside on somebody's word, so that its task goes on without it.
//!
//! What must stay true: only a page that is the last of its customer and cannot be read is set aside. So it is one that no task has
//! restored, and nothing is taken away that a task goes by. The copy among the dead letters and the tombstone are one transaction.

use std::ops::ControlFlow;

use super::AdminError;
use super::dead_letters::Address;
use super::log::{Log, Range, Read};
use super::producing::{Outgoing, Sender};
use crate::config::Config;
use crate::engine::packed;
use crate::runtime::murmur2;
use crate::stored::StoredError;
use crate::task::core::{RawRecord, Rejection};
use crate::task::transaction::{Origin, letter_headers};

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The last of this customer.
    Customer(String),
    /// The one that stands there.
    Place(Address),
}

/// A page that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it stands in the changelog.
    pub address: Address,
    /// Whose key it has.
    pub customer: String,
    /// What is wrong with it.
    pub fault: String,
    /// Its record.
    pub record: RawRecord,
    /// The end of its partition when it was found.
    end: i64,
}

/// Looks a page up. Reads its partition of the changelog from one end to the other.
///
/// # Errors
/// Where Kafka does not answer, or it is not a page to be set aside: it can be read, something stands behind it, or it is no customer's.
pub fn find(log: &Log, config: &Config, which: &Which) -> Result<Page, AdminError> {
    let topic = config.changelog();
    let partitions = log.partitions(&topic)?;
    let partition = match which {
        Which::Customer(id) => murmur2::partition(id.as_bytes(), partitions),
        Which::Place(address) => address.partition,
    };
    if partition >= partitions {
        return Err(AdminError::Refused(format!(
            "{topic} has {partitions} partitions, and no {partition}"
        )));
    }
    log.wait_for_open_transactions(config, &topic)?;
    let range = log.range(&topic, partition)?;
    let Some((key, record)) = last(log, &topic, range, which)? else {
        return Err(AdminError::Refused(match which {
            Which::Customer(id) => format!("{topic}/{partition} holds nothing of customer {id:?}"),
            Which::Place(address) => format!(
                "{topic} has no record at {address}: it was compacted away, and what stands behind it counts"
            ),
        }));
    };
    let address = Address {
        partition,
        offset: record.offset,
    };
    judged(address, range.until, which, key, record)
}

/// The last record with the key that is meant, and the key.
fn last(
    log: &Log,
    topic: &str,
    range: Range,
    which: &Which,
) -> Result<Option<(Vec<u8>, RawRecord)>, AdminError> {
    let mut meant = match which {
        Which::Customer(id) => Some(id.clone().into_bytes()),
        Which::Place(_) => None,
    };
    let mut found = None;
    log.read(topic, &[range], |Read { record, .. }| {
        if matches!(which, Which::Place(address) if address.offset == record.offset) {
            meant.clone_from(&record.key);
        }
        if meant.is_some() && record.key == meant {
            found = record.key.clone().map(|key| (key, record));
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Holds a record to be a page that only stands in the way.
fn judged(
    address: Address,
    end: i64,
    which: &Which,
    key: Vec<u8>,
    record: RawRecord,
) -> Result<Page, AdminError> {
    let refused = |why: String| Err(AdminError::Refused(why));
    let Some(customer) = String::from_utf8(key)
        .ok()
        .filter(|id| !id.starts_with('\0'))
    else {
        return refused(format!(
            "the record at {address} is no customer's: without it the task would not know where it stands, or forget who was \
             erased; bring the changelog back from before"
        ));
    };
    if matches!(which, Which::Place(meant) if *meant != address) {
        return refused(format!(
            "customer {customer:?} has a later record, at {address}, which counts; nothing needs to be done"
        ));
    }
    let Some(bytes) = record.value.as_deref() else {
        return refused(format!(
            "customer {customer:?} is set aside or removed already, at {address}"
        ));
    };
    let fault = match packed::unsealed(&customer, bytes).and_then(packed::check) {
        Err(StoredError::Damaged(fault)) => fault,
        Err(newer @ StoredError::Newer { .. }) => {
            return refused(format!(
                "the page of customer {customer:?} at {address} is whole: {newer}"
            ));
        }
        Ok(_) => {
            return refused(format!(
                "the page of customer {customer:?} at {address} is whole; `moments customers erase` removes a customer"
            ));
        }
    };
    Ok(Page {
        address,
        customer,
        fault,
        record,
        end,
    })
}

/// Copies a page to the dead letters and removes it from the changelog.
///
/// # Errors
/// Where Kafka does not take it, or something was written to its partition since it was found.
pub fn quarantine(log: &Log, config: &Config, page: &Page) -> Result<(), AdminError> {
    let id = format!("{}-state", config.application.id);
    let sender = Sender::transactional(config, &id)?;
    let topic = config.changelog();
    let Address { partition, .. } = page.address;
    if log.range(&topic, partition)?.until != page.end {
        return Err(AdminError::Refused(format!(
            "{topic}/{partition} was written to meanwhile: a process runs the task, and so has read every page of it; stop it, or try again"
        )));
    }
    sender.transact(&[letter(config, page), tombstone(topic, page)])
}

fn letter(config: &Config, page: &Page) -> Outgoing {
    let topic = config.changelog();
    let origin = Origin {
        topic: &topic,
        partition: page.address.partition,
    };
    let rejection = Rejection {
        stage: "restore",
        reason: Rejection::DAMAGED_PAGE,
        detail: page.fault.clone(),
    };
    Outgoing {
        topic: config.topics.dead_letters.clone(),
        partition: None,
        key: page.record.key.clone(),
        value: page.record.value.clone(),
        headers: letter_headers(origin, &page.record, &rejection),
    }
}

fn tombstone(topic: String, page: &Page) -> Outgoing {
    Outgoing {
        topic,
        partition: Some(page.address.partition),
        key: page.record.key.clone(),
        value: None,
        headers: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Customer;
    use crate::time::Timestamp;

    #[test]
    fn only_what_stands_in_the_way_is_set_aside() {
        let mut customer = Customer::default();
        customer.profile.settled.seen.remember("m1");
        let sealed = packed::seal("ana", packed::pack(&customer, Timestamp::MAX, 3));
        let mut damaged = sealed.clone();
        damaged[20] ^= 1;
        let mut newer = sealed.clone();
        newer[0] = packed::VERSION + 1;
        let place = |offset| Address {
            partition: 2,
            offset,
        };
        let ana = Which::Customer("ana".to_owned());
        for (which, key, value, expected) in [
            (&ana, &b"ana"[..], Some(&damaged), "its checksum is not"),
            (
                &Which::Place(place(7)),
                b"ana",
                Some(&damaged),
                "its checksum is not",
            ),
            (&ana, b"ben", Some(&sealed), "its checksum is not"),
            (
                &Which::Place(place(5)),
                b"ana",
                Some(&damaged),
                "has a later record, at 2:7",
            ),
            (
                &ana,
                b"ana",
                Some(&sealed),
                "is whole; `moments customers erase`",
            ),
            (&ana, b"ana", Some(&newer), "run the newer build"),
            (&ana, b"ana", None, "removed already"),
            (&ana, b"\0task", Some(&damaged), "is no customer's"),
            (&ana, b"\xff", Some(&damaged), "is no customer's"),
        ] {
            let record = RawRecord {
                offset: 7,
                key: Some(key.to_vec()),
                value: value.cloned(),
                ..RawRecord::default()
            };
            let said = match judged(place(7), 9, which, key.to_vec(), record) {
                Ok(page) => page.fault,
                Err(error) => error.to_string(),
            };
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
}
