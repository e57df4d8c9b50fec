//! The schemas in `schemas/`: one Avro record a topic, in versions. A version that was published never changes; a new one is a
//! new file and a new line here, and reads what every older one wrote (the tests hold it to that).

use crate::event::record::SchemaId;

/// A version of a topic's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its folder in `schemas/`.
    pub topic: &'static str,
    /// Counted from 1.
    pub number: u32,
    /// The id of its records where there is no registry: the topic's hundred and the number.
    pub id: SchemaId,
    /// The schema.
    pub text: &'static str,
}

macro_rules! versions {
    ($($topic:literal: $hundred:literal [$($number:literal)*],)*) => {
        &[$($(Version {
            topic: $topic,
            number: $number,
            id: $hundred * 100 + $number,
            text: include_str!(concat!("../../schemas/", $topic, "/v", $number, ".avsc")),
        },)*)*]
    };
}

/// What comes in, oldest version first.
pub const INPUTS: &[Version] = versions! {
    "cart": 1 [1 2],
    "clickstream": 2 [1 2 3],
    "outcomes": 3 [1],
    "profile": 4 [1],
    "purchase": 5 [1 2 3],
    "support": 6 [1],
};

/// What goes out, oldest version first.
pub const OUTPUTS: &[Version] = versions! {
    "treatments": 7 [1 2],
    "decisions": 8 [1 2],
};

/// The newest version of a topic's record.
///
/// # Panics
/// Where there is no such topic in `schemas/`.
#[must_use]
pub fn newest(topic: &str) -> Version {
    let all = INPUTS.iter().chain(OUTPUTS);
    #[expect(clippy::expect_used, reason = "callers name a folder of schemas/")]
    let newest = all
        .filter(|version| version.topic == topic)
        .max_by_key(|version| version.number)
        .expect("a folder of schemas/");
    *newest
}
