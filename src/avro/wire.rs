//! Confluent's wire format: byte 0, the id of the writer's schema in 4 bytes, big-endian, and the datum.

use crate::event::record::SchemaId;

/// The first byte of every record; no JSON text begins with it.
pub const MAGIC: u8 = 0;

/// The id and the datum; none where the payload is not in wire format.
#[must_use]
pub fn split(payload: &[u8]) -> Option<(SchemaId, &[u8])> {
    let (head, datum) = payload.split_first_chunk::<5>()?;
    let [MAGIC, id @ ..] = head else {
        return None;
    };
    let id = SchemaId::try_from(i32::from_be_bytes(*id)).ok()?;
    Some((id, datum))
}

/// The head that goes before a datum.
#[must_use]
pub fn head(id: SchemaId) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [MAGIC, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_headed_is_split_again() {
        let payload = [&head(0x0102_0304)[..], b"datum"].concat();
        assert_eq!(payload[..5], [0, 1, 2, 3, 4]);
        assert_eq!(split(&payload), Some((0x0102_0304, &b"datum"[..])));
        assert_eq!(split(&payload[..4]), None);
        assert_eq!(split(b"{\"a\":1}"), None);
        assert_eq!(split(&head(7)), Some((7, &[][..])));
        assert_eq!(
            split(&head(0x7fff_ffff)).map(|(id, _)| id),
            Some(0x7fff_ffff)
        );
        // No registry has it, and some do not even say so.
        assert_eq!(split(&head(0x8000_0000)), None);
    }
}
