//! Coupon codes: one of its own for each command, which nobody guesses and every replay finds again.
//!
//! A code is a prefix and so many characters of the HMAC-SHA256 of the command's id, by a key of the company's own, in the alphabet of
//! [Crockford's Base32](https://www.crockford.com/base32.html): it has no I, L, O and U, and reads those that are typed as 1, 1 and
//! 0. The same command has the same code on every machine that has the key, after every crash and in every replay. The key is in no
//! record, no file of ours and no log.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::Text;

/// Bounds of codes.
pub mod limits {
    /// Characters behind the prefix, at least: of a hundred thousand codes two are the same with a probability below 1 %.
    pub const LENGTH_MIN: u32 = 8;
    /// And at most: what a person still types.
    pub const LENGTH_MAX: u32 = 24;
    /// Of the prefix, bytes.
    pub const PREFIX_BYTES: usize = 16;
    /// Of a key: as many as the hash has, at least.
    pub const KEY_BYTES: usize = 32;
}

/// Characters behind the prefix where the trigger does not say: of a million codes two are the same with a probability of 0.04 %.
pub const LENGTH: u32 = 10;
/// The name under which an offer has its code.
pub const FIELD: &str = "code";
const _: () = assert!(
    limits::LENGTH_MAX * 5 <= 256,
    "as many bits as the hash has"
);
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What code the commands of a treatment have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coded {
    /// Each one of its own.
    Own(Form),
    /// That of the customer, by which she refers friends: the name of the [referral](crate::referral).
    Referral(Text),
}

/// What the codes of a treatment look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// What they begin with.
    pub prefix: Text,
    /// Characters behind it.
    pub length: u32,
}

/// A key of which codes are derived; or none, where nobody has said it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Key(Option<Arc<[u8]>>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_known() {
            "(not shown)"
        } else {
            "none"
        })
    }
}

impl Key {
    /// Of these bytes; none where they are fewer than [`limits::KEY_BYTES`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= limits::KEY_BYTES).then(|| Self(Some(bytes.into())))
    }

    /// That of scenarios, which name codes and hold at whoever's: no secret at all.
    #[must_use]
    pub fn of_scenarios() -> Self {
        Self(Some(Arc::from([0; limits::KEY_BYTES])))
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// The code of a command, or of what else has such an id; none without a key.
    #[must_use]
    pub fn code(&self, id: Uuid, form: &Form) -> Option<Text> {
        let key = self.0.as_ref()?;
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
        mac.update(id.as_bytes());
        let hash = mac.finalize().into_bytes();
        let bit = |at: usize| hash[at / 8] >> (7 - at % 8) & 1;
        let letter = |at: usize| (0..5).fold(0, |five, next| five << 1 | bit(at * 5 + next));
        let mut code = form.prefix.clone();
        let letters = 0..usize::try_from(form.length).unwrap_or_default();
        code.extend(letters.map(|at| char::from(ALPHABET[usize::from(letter(at))])));
        Some(code)
    }
}

/// What a code is known by that somebody has typed: whatever the case, look-alikes and separators. None where nothing is left of it.
#[must_use]
pub fn known_by(code: &str) -> Option<u64> {
    let read = as_read(code);
    (!read.is_empty()).then(|| xxh3_64(read.as_bytes()))
}

/// A code that somebody has typed, in one way: in capitals, look-alikes as the digits that they are taken for, without separators.
#[must_use]
pub fn as_read(code: &str) -> Text {
    let letters = code.chars().filter(char::is_ascii_alphanumeric);
    let read = letters.map(|letter| match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        letter => letter,
    });
    read.collect()
}

/// The codes of a property that has several with commas.
pub fn several(codes: &str) -> impl Iterator<Item = &str> {
    codes.split([',', ';']).map(str::trim)
}

/// The probability that of so many codes with so many characters behind their prefix two are the same (the birthday problem).
#[must_use]
pub fn collision(codes: f64, length: u32) -> f64 {
    let possible = 32_f64.powi(i32::try_from(length).unwrap_or(i32::MAX));
    -libm::expm1(-codes * (codes - 1.0) / 2.0 / possible)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key::new(&[7; 32]).expect("long enough")
    }

    fn form(prefix: &str, length: u32) -> Form {
        Form {
            prefix: prefix.into(),
            length,
        }
    }

    #[test]
    fn a_code_is_that_of_its_command_and_key() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let code = key().code(one, &form("HELLO-", 10)).expect("a key");
        assert_eq!(
            code, "HELLO-C81NBQC3FH",
            "codes that were sent are found again"
        );
        assert_ne!(key().code(two, &form("HELLO-", 10)).as_ref(), Some(&code));
        let other = Key::new(&[8; 32]).expect("long enough");
        assert_ne!(other.code(one, &form("HELLO-", 10)).as_ref(), Some(&code));
        assert_eq!(Key::default().code(one, &form("", 10)), None);
        assert_eq!(Key::new(&[7; 31]), None);
        assert_eq!(
            format!("{:?} {:?}", key(), Key::default()),
            "(not shown) none"
        );
    }

    #[test]
    fn the_bounds_are_what_they_say() {
        assert!(collision(1e5, limits::LENGTH_MIN) < 0.01);
        assert!(collision(1e5, limits::LENGTH_MIN - 1) > 0.01);
        assert!((collision(1e6, LENGTH) - 0.000_444).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn it_is_known_however_it_is_typed(id: u128, length in limits::LENGTH_MIN..=limits::LENGTH_MAX, swaps: u32, dash in 0usize..8) {
            let code = key().code(Uuid::from_u128(id), &form("LOYAL-", length)).expect("a key");
            let letters = &code["LOYAL-".len()..];
            prop_assert_eq!(letters.len(), length as usize);
            prop_assert!(letters.bytes().all(|letter| ALPHABET.contains(&letter)));
            let typed: String = code.chars().enumerate().map(|(at, letter)| {
                let swap = swaps >> (at % 32) & 1 == 1;
                match letter {
                    '0' if swap => 'o',
                    '1' if swap => 'l',
                    _ if swap => letter.to_ascii_lowercase(),
                    _ => letter,
                }
            }).collect();
            let (front, behind) = typed.split_at("LOYAL-".len() + dash);
            prop_assert_eq!(known_by(&format!(" {front}-{behind} ")), known_by(&code));
            let mut other = code.to_string();
            let last = if other.pop() == Some('7') { '8' } else { '7' };
            other.push(last);
            prop_assert_ne!(known_by(&other), known_by(&code));
        }
    }
}
