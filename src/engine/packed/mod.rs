//! A customer at rest: the bytes in the task's table and in the changelog.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of the layout |
//! | 8 | when the customer must be looked at next, ms, little endian; [`Timestamp::MAX`] for never |
//! | 1 to 10 | her stamp: the number of the transaction up to which it is true, as [`postcard`] writes numbers |
//! | rest | parts ([`Part`]): a family of facts each, the tail, the states of triggers, the moments that wait |
//!
//! A part that is not there holds nothing. Each has a version of its own; the version of the layout is that of what stands here.
//! One that is not known is refused; what older builds wrote is made parts of their first version ([`old`]), and has no stamp: they
//! wrote a customer in each transaction that changed her.

mod old;

use super::customer::Customer;
use super::waiting::Waiting;
use crate::moment::States;
use crate::profile::tail::Tail;
use crate::stored::{Lazy, Part, Piece, StoredError};
use crate::time::Timestamp;

/// The version this build writes.
pub const VERSION: u8 = 4;
/// The last without a stamp.
const UNSTAMPED: u8 = 3;
const HEADER: usize = 9;

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
