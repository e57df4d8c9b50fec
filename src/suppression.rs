//! Suppression lists: who is sent nothing, whatever she said, as a file of the set names them, or a topic that the file names.
//!
//! By their ids, or by an address, plain or as SHA-256. An entry is kept as 64 bits of its hash: of a million entries, somebody
//! else is taken for one of them in one of 10^13 lives.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::document::data;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::topic;
use crate::document::yaml::{self, Node, Yaml};
use crate::event::Text;
use crate::profile::{Address, Settled};
use crate::treatment::{CHANNEL_BYTES, is_channel};

/// A list's name.
pub const NAME_BYTES: usize = 64;
/// Channels that a list may name.
const CHANNELS_MAX: usize = 32;
/// Entries that stand one by one; more stand in a text or in a file of their own.
const LISTED_MAX: usize = 10_000;

/// The keys of the file of a list.
pub const KEYS: Keys = Keys {
    of: "a suppression list",
    known: &[
        Known::required(
            "suppression",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "robinson"),
            "Its name, once in a set: lower-case letters, digits and hyphens.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "Who is on it, in its author's words. For people.",
        ),
        Known::optional(
            "channels",
            Shape::List(&Shape::Form("^[a-z0-9_-]{1,32}$", "print"), 1, CHANNELS_MAX),
            "The channels that it counts for. Without it: all.",
        ),
        Known::default(
            "by",
            "id",
            Shape::Words(BY),
            "What its entries are: customers' ids, or addresses.",
        ),
        Known::optional(
            "hashed",
            Shape::Words(HASHED),
            "How they are hashed, as hexadecimal digits: an e-mail address in lower case and without blanks around it, a telephone number as its digits with a + where it has one. Without it they are not.",
        ),
        Known::optional(
            "list",
            Shape::Either(&[
                Shape::List(&Shape::Text(data::BYTES), 0, LISTED_MAX),
                Shape::Text(data::BYTES),
            ]),
            "Its entries: a list, a text of lines, or the name of a file beside it, `robinson.csv`, whose first column they are, without a heading.",
        ),
        Known::optional("topic", Shape::Form(topic::FORM, "robinson"), TOPIC_SAID),
    ],
    later: &[],
};
const TOPIC_SAID: &str = "Instead of `list`: the topic that brings its entries, one of `topics.tables` in the configuration. The key of a record is an entry; a record without a value takes it off the list, any other puts it on.";
const BY: &[&str] = &["id", "email", "phone", "push_token", "postal"];
const HASHED: &[&str] = &["sha256"];

/// A checked list.
#[derive(Debug)]
pub struct Suppression {
    /// Its name.
    pub name: Text,
    /// Those it counts for; none: all.
    channels: Vec<Text>,
    /// What its entries are; none: ids.
    by: Option<Address>,
    hashed: bool,
    /// Hashes of its entries, sorted; none of those that a topic brings.
    entries: Vec<u64>,
    /// The topic that brings its entries; none: it has its own.
    topic: Option<Text>,
}

/// The entries of a list that a topic has brought: hashes, and how many keys say each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Brought(HashMap<u64, u32, foldhash::fast::FixedState>);

impl Brought {
    /// An entry is on the list, by one more key or by one less.
    pub fn says(&mut self, entry: u64, is_on: bool) {
        let keys = self.0.entry(entry).or_default();
        *keys = match is_on {
            true => keys.saturating_add(1),
            false => keys.saturating_sub(1),
        };
        if *keys == 0 {
            self.0.remove(&entry);
        }
    }
}

impl Suppression {
    /// Whether it counts for a channel.
    #[must_use]
    pub fn counts_for(&self, channel: &str) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|it| it == channel)
    }

    /// The topic that brings its entries; none where it has its own.
    #[must_use]
    pub fn topic(&self) -> Option<&Text> {
        self.topic.as_ref()
    }

    /// An entry as it is kept.
    #[must_use]
    pub fn entry(&self, written: &str) -> u64 {
        entry((self.by, self.hashed), written)
    }

    /// Whether it names a customer; `brought`: what its topic has brought, where it has one.
    #[must_use]
    pub fn names(&self, profile: &Settled, brought: Option<&Brought>) -> bool {
        let own = match self.by {
            None => Some(&profile.id),
            Some(address) => profile.identity.addresses.get(address),
        };
        own.is_some_and(|own| {
            let own = normal(self.by, own);
            let own = match self.hashed {
                true => hex(&Sha256::digest(own)),
                false => own,
            };
            let own = xxh3_64(own.as_bytes());
            let is_brought = brought.is_some_and(|it| it.0.contains_key(&own));
            is_brought || self.entries.binary_search(&own).is_ok()
        })
    }
}

/// What a list of such entries keeps of one.
fn entry((by, hashed): (Option<Address>, bool), written: &str) -> u64 {
    let entry = match hashed {
        true => written.trim().to_lowercase(),
        false => normal(by, written),
    };
    xxh3_64(entry.as_bytes())
}

/// An id, or an address, as it is compared.
fn normal(by: Option<Address>, text: &str) -> String {
    let text = text.trim();
    match by {
        Some(Address::Email) => text.to_lowercase(),
        Some(Address::Phone) => {
            let digits = text.chars().filter(char::is_ascii_digit);
            let plus = text.starts_with('+').then_some('+');
            plus.into_iter().chain(digits).collect()
        }
        Some(Address::PushToken | Address::Postal) | None => text.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the file of a list; `files`: those of data beside it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(
    source: &Source,
    declared: Declared<'_>,
    files: &[&Source],
) -> Result<Suppression, Vec<Report>> {
    reader::file(source, declared, KEYS, |reader, fields| {
        suppression(reader, fields, files)
    })
}

fn suppression(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    files: &[&Source],
) -> Option<Suppression> {
    let name = reader.required(fields, "suppression", "its name, such as robinson");
    let name = name.and_then(|node| {
        let name = reader.name(node, ("a suppression list", "robinson"), NAME_BYTES)?;
        Some(Text::from(name))
    });
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on who is on it");
    }
    let channels = fields.get("channels");
    let channels = channels.map_or(Some(Vec::new()), |node| channels_of(reader, node));
    let by = fields.get("by");
    let by = by.map_or(Some("id"), |node| reader.one_of(node, BY));
    let hashed = fields.get("hashed");
    let hashed = hashed.map_or(Some(false), |node| {
        reader.one_of(node, HASHED).map(|_| true)
    });
    let topic = match fields.get("topic") {
        Some(node) => Some(topic::read(reader, (fields, node), "list")?),
        None => None,
    };
    let list = match topic {
        Some(_) => Some(Vec::new()),
        None => {
            let list = reader.required(fields, "list", "its entries, or `topic`");
            list.and_then(|node| entries(reader, node, files))
        }
    };
    let by = Address::ALL.into_iter().find(|it| Some(it.word()) == by);
    let (list, hashed) = (list?, hashed?);
    let mut entries: Vec<u64> = list.iter().map(|it| entry((by, hashed), it)).collect();
    entries.sort_unstable();
    entries.dedup();
    Some(Suppression {
        name: name?,
        channels: channels?,
        by,
        hashed,
        entries,
        topic,
    })
}

fn channels_of(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Text>> {
    let Yaml::List(items) = &node.value else {
        reader.unexpected(node, "a list of channels, such as `[print]`");
        return None;
    };
    let channel = |item: &Node| {
        let channel = item
            .text()
            .filter(|text| !text.is_empty() && is_channel(text));
        if channel.is_none() {
            let expected = format!(
                "a channel: at most {CHANNEL_BYTES} lower-case letters, digits, `-` and `_`"
            );
            reader.unexpected(item, expected);
        }
        channel.map(Text::from)
    };
    items.iter().map(channel).collect()
}

fn entries(reader: &mut Reader<'_>, node: &Node, files: &[&Source]) -> Option<Vec<String>> {
    let lines = |text: &str| -> Vec<String> {
        let first = |line: &str| {
            let column = line.split([',', ';', '\t']).next().unwrap_or_default();
            column.trim().trim_matches('"').trim().to_owned()
        };
        let first = text.lines().map(first);
        first.filter(|entry| !entry.is_empty()).collect()
    };
    match &node.value {
        Yaml::List(items) => {
            let entry = |item: &Node| Some(reader.text(item, "an entry")?.to_owned());
            items.iter().map(entry).collect()
        }
        Yaml::Scalar { text, .. } if data::is_named(text) => {
            let file = data::beside(reader, node, files)?;
            Some(lines(file.text()))
        }
        Yaml::Scalar { text, .. } => Some(lines(text)),
        Yaml::Map(_) => {
            reader.unexpected(node, "a list, a text of lines, or the name of a .csv file");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::report::rendered;
    use crate::event::Vocabulary;

    fn reading(text: &str) -> Result<Suppression, String> {
        let source = Source::new("s.yaml", text.to_owned());
        let data = Source::new("lists/people.csv", "ana,Ana\n\n\"ben\",Ben\n".to_owned());
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        let declared = Declared::new(&vocabulary, &attributes);
        read(&source, declared, &[&data]).map_err(|reports| rendered(&reports))
    }

    #[test]
    fn entries_stand_in_a_list_in_lines_or_in_a_file() {
        for list in ["[ana, ben, ben]", "|\n  ana\n  ben\n", "people.csv"] {
            let read = reading(&format!("suppression: robinson\nlist: {list}\n")).unwrap();
            for (id, named) in [("ana", true), ("ben", true), ("Ana", false), ("", false)] {
                let customer = Settled {
                    id: id.into(),
                    ..Settled::default()
                };
                assert_eq!(read.names(&customer, None), named, "{list} {id}");
            }
            assert_eq!(read.entries.len(), 2, "{list}");
        }
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("suppression: robinson\nlist: [ana]\nchannels: [print]\nabout: Who said no by post.", ""),
        ("suppression: robinson\nlist: []", ""),
        ("suppression: Robinson\nlist: [ana]", "is not a suppression list's name"),
        ("suppression: robinson", "`list` is missing"),
        ("suppression: robinson\nlist: [[ana]]", "a list is not valid here"),
        ("suppression: robinson\nlist: { ana: 1 }", "a list, a text of lines"),
        ("suppression: robinson\nlist: poeple.csv", "did you mean `people.csv`"),
        ("suppression: robinson\nlist: [ana]\nby: mail", "did you mean `email`"),
        ("suppression: robinson\nlist: [ana]\nhashed: md5", "one of"),
        ("suppression: robinson\nlist: [ana]\nchannels: print", "a list of channels"),
        ("suppression: robinson\nlist: [ana]\nchannels: [E-Mail]", "a channel"),
        ("suppression: robinson\ntopic: robinson\nby: email", ""),
        ("suppression: robinson\ntopic: robinson\nlist: [ana]", "`list` stands beside `topic`"),
        ("suppression: robinson\ntopic: a b", "the name of a topic"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let said = reading(text).err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
