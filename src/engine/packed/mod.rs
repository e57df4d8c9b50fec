//! A customer at rest: the bytes in the task's table and in the changelog.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of the layout |
//! | 8 | when the customer must be looked at next, ms, little endian; [`Timestamp::MAX`] for never |
//! | 1 to 10 | her stamp: the number of the transaction up to which it is true, as [`postcard`] writes numbers |
//! | rest | parts ([`Part`]): a family of facts each, the tail, the states of triggers, the moments that wait |
//! | 8 | in the changelog alone, from layout 5 on: the [seal](seal), XXH3 of her id and all that stands before, little endian |
//!
//! The seal names whose page it is and says that it is whole. In memory it would cost each customer 8 bytes, and guard what the
//! process has made itself.
//!
//! A part that is not there holds nothing. Each has a version of its own; the version of the layout is that of what stands here.
//! One that is not known is refused; what older builds wrote is made parts of their first version ([`old`]), and has no stamp: they
//! wrote a customer in each transaction that changed her.

mod old;

use xxhash_rust::xxh3::Xxh3Default;

use super::customer::Customer;
use super::waiting::Waiting;
use crate::moment::States;
use crate::profile::tail::Tail;
use crate::stored::{Lazy, Part, Piece, StoredError};
use crate::time::Timestamp;

/// The version this build writes.
pub const VERSION: u8 = 5;
/// The last without a seal.
const UNSEALED: u8 = 4;
/// The last without a stamp.
const UNSTAMPED: u8 = 3;
const HEADER: usize = 9;
const SEAL: usize = 8;

/// Packs a customer with the time she must be looked at next, and the transaction up to which she is true.
#[must_use]
pub fn pack(customer: &Customer, look: Timestamp, stamp: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    bytes.extend_from_slice(&look.0.to_le_bytes());
    let mut buffer = [0; 10];
    bytes.extend_from_slice(postcard::to_slice(&stamp, &mut buffer).unwrap_or_default());
    customer.profile.settled.write(&mut bytes);
    customer.profile.tail.write_any(Tail::TAG, &mut bytes);
    customer.states.write(&mut bytes);
    customer.waiting.write_any(Waiting::TAG, &mut bytes);
    bytes
}

/// Seals a packed customer for the changelog: it cannot be taken for whole when it is not, nor for another's.
#[must_use]
pub fn seal(id: &str, mut bytes: Vec<u8>) -> Vec<u8> {
    let seal = sum(id, &bytes);
    bytes.extend_from_slice(&seal);
    bytes
}

/// Takes the seal off what the changelog has under an id. What older builds wrote has none.
///
/// # Errors
/// Where it is another customer's page, or the bytes are damaged.
pub fn unsealed<'a>(id: &str, bytes: &'a [u8]) -> Result<&'a [u8], StoredError> {
    look(bytes)?;
    if bytes[0] <= UNSEALED {
        return Ok(bytes);
    }
    let (page, seal) = bytes
        .split_last_chunk::<SEAL>()
        .ok_or_else(|| StoredError::Damaged("it is cut off".to_owned()))?;
    if *seal == sum(id, page) {
        return Ok(page);
    }
    let said =
        "its checksum is not that of these bytes and this customer: they are damaged, or another's";
    Err(StoredError::Damaged(said.to_owned()))
}

/// XXH3 of an id, its length before it, and bytes.
fn sum(id: &str, bytes: &[u8]) -> [u8; SEAL] {
    let mut hash = Xxh3Default::new();
    hash.update(&(id.len() as u64).to_le_bytes());
    hash.update(id.as_bytes());
    hash.update(bytes);
    hash.digest().to_le_bytes()
}

/// When a packed customer must be looked at next.
///
/// # Errors
/// As [`unpack`].
pub fn look(bytes: &[u8]) -> Result<Timestamp, StoredError> {
    match bytes {
        [1..=VERSION, rest @ ..] => match rest.first_chunk::<8>() {
            Some(look) => Ok(Timestamp(i64::from_le_bytes(*look))),
            None => Err(StoredError::Damaged("it is cut off".to_owned())),
        },
        [found, ..] => Err(StoredError::newer("the profile", *found, VERSION)),
        [] => Err(StoredError::Damaged("it is empty".to_owned())),
    }
}

/// Changes when a packed customer must be looked at next.
pub fn set_look(bytes: &mut [u8], look: Timestamp) {
    if let Some(place) = bytes.get_mut(1..HEADER) {
        place.copy_from_slice(&look.0.to_le_bytes());
    }
}

/// The transaction up to which a packed customer is true; 0 where nothing says it.
#[must_use]
pub fn stamp(bytes: &[u8]) -> u64 {
    split_stamp(bytes).map_or(0, |(stamp, _)| stamp)
}

/// The stamp, and what comes after it.
fn split_stamp(bytes: &[u8]) -> Result<(u64, &[u8]), StoredError> {
    match bytes.split_at_checked(HEADER) {
        Some((header, parts)) if header[0] <= UNSTAMPED => Ok((0, parts)),
        Some((_, rest)) => {
            postcard::take_from_bytes(rest).map_err(|error| StoredError::Damaged(error.to_string()))
        }
        None => Err(StoredError::Damaged("it is cut off".to_owned())),
    }
}

/// Unpacks a customer. Her parts stay bytes until somebody asks for them: those of another build are [checked](check) first.
///
/// # Errors
/// Where the layout or a part is newer than this build, or the bytes are damaged.
pub fn unpack(bytes: &[u8]) -> Result<Box<Customer>, StoredError> {
    look(bytes)?;
    let (_, rest) = split_stamp(bytes)?;
    let mut rest: Piece = match bytes[0] {
        1 => old::first(rest)?[..].into(),
        2 => old::second(rest)?[..].into(),
        _ => rest.into(),
    };
    let mut customer = Box::<Customer>::default();
    while !rest.is_empty() {
        let part = Part::first(&mut rest)?;
        match part.tag {
            Tail::TAG => customer.profile.tail = Lazy::from_part(part),
            States::TAG => customer.states = States::read(part)?,
            Waiting::TAG => customer.waiting = Lazy::from_part(part),
            _ => {
                if let Some(Part { tag, version, .. }) = customer.profile.settled.take(part) {
                    let part = format!("part {tag} of a profile");
                    return Err(StoredError::newer(part, version, 0));
                }
            }
        }
    }
    Ok(customer)
}

/// Unpacks a customer whom another build may have packed: whatever of her cannot be read is said now.
///
/// # Errors
/// As [`unpack`].
pub fn check(bytes: &[u8]) -> Result<Customer, StoredError> {
    let customer = *unpack(bytes)?;
    customer.profile.settled.check()?;
    customer.profile.tail.check()?;
    customer.states.check()?;
    customer.waiting.check()?;
    Ok(customer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let mut customer = Customer::default();
        let settled = &mut customer.profile.settled;
        settled.browsing.viewed.push("p1".into());
        settled.seen.remember("m1");
        let bytes = pack(&customer, Timestamp(17), 300);
        assert_eq!((look(&bytes), stamp(&bytes)), (Ok(Timestamp(17)), 300));
        assert_eq!(check(&bytes).as_ref(), Ok(&customer));
        let mut sooner = bytes.clone();
        set_look(&mut sooner, Timestamp(5));
        assert_eq!(look(&sooner), Ok(Timestamp(5)));
        assert_eq!(check(&sooner), Ok(customer));
    }

    #[test]
    fn a_seal_holds_for_one_customer_and_every_bit() {
        let mut customer = Customer::default();
        customer.profile.settled.seen.remember("m1");
        let page = pack(&customer, Timestamp(17), 300);
        let sealed = seal("ana", page.clone());
        assert_eq!(unsealed("ana", &sealed), Ok(&page[..]));
        for other in ["ben", "an", "anab", ""] {
            let said = unsealed(other, &sealed).unwrap_err().to_string();
            assert!(said.contains("or another's"), "{said}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let found = unsealed("ana", &damaged);
            // Of another layout: the last that had no seal.
            let unsealed = damaged[0] <= UNSEALED && damaged[0] > 0;
            assert_eq!(found.is_ok(), unsealed, "{bit}: {found:?}");
        }
        for cut in 0..sealed.len() {
            assert!(unsealed("ana", &sealed[..cut]).is_err(), "{cut}");
        }
        let mut old = page;
        old[0] = UNSEALED;
        assert_eq!(unsealed("ana", &old), Ok(&old[..]));
        assert_eq!(check(&old), Ok(customer));
    }

    #[test]
    fn other_bytes_are_refused() {
        let mut customer = Customer::default();
        customer.profile.settled.seen.remember("m1");
        let mut bytes = pack(&customer, Timestamp::MAX, 1);
        bytes[0] = VERSION + 1;
        let said = unpack(&bytes).unwrap_err().to_string();
        assert!(said.contains("run the newer build"), "{said}");
        bytes[0] = VERSION;
        for cut in 1..bytes.len() {
            let found = check(&bytes[..cut]);
            // Cut between two parts, or before the first, it is another profile.
            let whole = cut == HEADER + 1;
            assert_eq!(found.is_ok(), whole, "{cut}: {found:?}");
        }
        assert!(matches!(unpack(&[]), Err(StoredError::Damaged(_))));
        bytes[0] = 0;
        assert!(matches!(unpack(&bytes), Err(StoredError::Newer { .. })));
        bytes[0] = VERSION;
        Part::write(4_000, 1, &[], &mut bytes);
        let said = unpack(&bytes).unwrap_err().to_string();
        assert!(said.contains("part 4000"), "{said}");
    }
}
