//! What is written for people: only metrics that exist are named, every link leads somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use moments::telemetry::metrics::{METRICS, OF_ONSITE, OF_SENDER};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Pages for people. Those of `docs/reference` are made from the code.
const PAGES: &[&str] = &[
    "README.md",
    "docs/triggers.md",
    "docs/events.md",
    "docs/treatments.md",
    "docs/sending.md",
    "docs/onsite.md",
    "docs/running.md",
    "docs/limits.md",
    "docs/design.md",
    "docs/benchmarks.md",
    "docs/mapping.md",
    "docs/cloudevents.md",
    "docs/generate.md",
    "docs/deployment.md",
    "docs/formats.md",
    "docs/guarantees.md",
    "docs/torture.md",
    "docs/operations.md",
    "docs/http-api.md",
    "docs/editors.md",
    "docs/extending.md",
];

/// Words in a text that look like the name of a metric.
fn metrics(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c != '_' && !c.is_ascii_lowercase())
        .filter(|word| word.starts_with("moments_"))
}

/// The name of the metric that a series belongs to.
fn stem(series: &str) -> &str {
    let parts = ["_bucket", "_sum", "_count"];
    let stem = parts.iter().find_map(|part| series.strip_suffix(part));
    stem.unwrap_or(series)
}

#[test]
fn documents_name_only_metrics_that_exist() {
    let all = METRICS.iter().chain(OF_SENDER).chain(OF_ONSITE);
    let known: BTreeSet<_> = all.map(|metric| metric.name).collect();
    for page in PAGES {
        for name in metrics(&read(&root().join(page))) {
            assert!(
                known.contains(name) || known.contains(stem(name)),
                "{name} in {page}"
            );
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for page in PAGES {
        let page = root().join(page);
        let text = read(&page);
        let links = text.split("](").skip(1).filter_map(|rest| {
            let (link, _) = rest.split_once(')')?;
            (!link.contains("://")).then_some(link)
        });
        for link in links {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.with_file_name(file),
            };
            assert!(target.exists(), "{link} in {}", page.display());
            assert!(
                heading.is_empty() || anchors(&read(&target)).contains(heading),
                "{link} in {}",
                page.display()
            );
        }
    }
}

/// The headings of a page as links name them.
pub fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// What, how much, and where the code says so: files and declarations.
type Bound = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The rows of the bounds in docs/limits.md.
#[rustfmt::skip]
const BOUNDS: &[Bound] = &[
    ("one event", "1 MiB", &[("event/mod.rs", "RECORD_BYTES: usize = 1024 * 1024;")]),
    ("products of an event; a list property; a text property", "256; 64; 1,024 bytes", &[
        ("event/mod.rs", "PRODUCTS: usize = 256;"), ("event/mod.rs", "LIST_ITEMS: usize = 64;"),
        ("event/mod.rs", "TEXT_BYTES: usize = 1024;"),
    ]),
    ("message ids for duplicates", "last 512 a customer within a visit, 32 at rest", &[
        ("profile/mod.rs", "VISIT_MESSAGE_IDS: usize = 512;"), ("profile/mod.rs", "MESSAGE_IDS: usize = 32;"),
    ]),
    ("events beyond the watermark", "1,024 or 256 KiB a customer", &[
        ("profile/mod.rs", "TAIL_EVENTS: usize = 1024;"), ("profile/mod.rs", "TAIL_BYTES: usize = 256 * 1024;"),
    ]),
    ("open deadlines of an absence with `per`", "32 a customer and trigger", &[("moment/absence.rs", "OPEN_MAX: usize = 32;")]),
    ("events in the window of a threshold's sum or mean", "256 a customer and trigger", &[
        ("moment/threshold.rs", "ENTRIES_MAX: usize = 256;"),
    ]),
    ("baskets; products of a basket, of the wish list", "4; 32 each", &[
        ("profile/basket.rs", "CARTS_MAX: usize = 4;"), ("profile/mod.rs", "BASKET_LINES: usize = 32;"),
        ("profile/mod.rs", "WISHLIST_PRODUCTS: usize = 32;"),
    ]),
    ("products viewed, interests", "8 each", &[
        ("profile/mod.rs", "VIEWED_PRODUCTS: usize = 8;"), ("profile/mod.rs", "INTERESTS: usize = 8;"),
    ]),
    ("parcels; tickets and chats; reviews that are known again", "16; 16; 16", &[
        ("profile/deliveries.rs", "KNOWN_MAX: usize = 16;"), ("profile/support.rs", "KNOWN_MAX: usize = 16;"),
        ("profile/reviews.rs", "KNOWN_MAX: usize = 16;"),
    ]),
    ("orders known again; refunds of one; currencies with a total", "32; 8; 8", &[
        ("profile/orders.rs", "KNOWN_MAX: usize = 32;"), ("profile/orders.rs", "REFUNDS_MAX: usize = 8;"),
        ("profile/orders.rs", "CURRENCIES_MAX: usize = 8;"),
    ]),
    ("attributes; channels with consent said", "64; 16", &[
        ("profile/mod.rs", "ATTRIBUTES: usize = 64;"), ("profile/mod.rs", "CONSENTS: usize = 16;"),
    ]),
    ("a cap; channels with caps or quiet hours", "N up to 100; 32", &[
        ("trigger/policy/cap.rs", "COUNT_MAX: u32 = 100;"), ("trigger/policy/channel.rs", "CHANNELS: usize = 32;"),
    ]),
    ("values that caps `per` something are counted by", "64 a customer", &[("profile/contacts.rs", "KEYS_MAX: usize = 64;")]),
    ("moments of a customer that wait, for the end of quiet hours, their digest, others to compete with or their turn", "32", &[
        ("engine/waiting.rs", "MAX: usize = 32;"),
    ]),
    ("a send rate; channels with one", "N up to 10,000; 32", &[
        ("trigger/policy/rate.rs", "COUNT_MAX: u32 = 10_000;"), ("trigger/policy/channel.rs", "CHANNELS: usize = 32;"),
    ]),
    ("commands by a channel with a send rate", "each task has its part of it: what one leaves, no other uses", &[
        ("trigger/policy/rate.rs", "pub fn part(self, own: u32, tasks: u32)"),
    ]),
    ("treatments of a customer that can be taken back", "the last 32, for 30 days", &[
        ("profile/sent.rs", "MAX: usize = 32;"), ("profile/sent.rs", "KEPT_MS: i64 = 30 * DAY_MS;"),
    ]),
    ("beginnings of a sequence of a customer", "64", &[("moment/sequence.rs", "OPEN_MAX: usize = 64;")]),
    ("journeys that a customer is inside", "16", &[("profile/journeys.rs", "OPEN_MAX: usize = 16;")]),
    ("journeys of which it is known when she entered them (`re_enter`)", "64 a customer", &[
        ("profile/journeys.rs", "ENTERED_MAX: usize = 64;"),
    ]),
    ("ways of adaptive splits that a customer took whose goal may still be met", "32", &[
        ("profile/journeys.rs", "WENT_MAX: usize = 2 * OPEN_MAX;"),
    ]),
    ("friends by one referral that `at_most` may count; referrals of which they are known", "100; 8 a customer", &[
        ("profile/referrals.rs", "TIMES_MAX: usize = 100;"), ("profile/referrals.rs", "REFERRALS_MAX: usize = 8;"),
    ]),
    ("steps of a journey; branches or ways of a step", "64; 16", &[
        ("journey/mod.rs", "STEPS: usize = 64;"), ("journey/mod.rs", "WAYS: usize = 16;"),
    ]),
    ("steps of a journey in its figures, those that edits took out with them; ways of one", "256; 64 a trigger and task", &[
        ("tally/funnel.rs", "STEPS: usize = 256;"), ("tally/funnel.rs", "WAYS: usize = 64;"),
    ]),
    ("entries of a fact's window, different values; values of its `per`", "256; 64", &[
        ("measure.rs", "ENTRIES: usize = 256;"), ("measure.rs", "KEYS: usize = 64;"),
    ]),
    ("lots of a balance", "256 a customer and value of `per`", &[
        ("measure.rs", "ENTRIES: usize = 256;"), ("measure/lots.rs", "while self.lots.len() > limits::ENTRIES {"),
    ]),
    ("files of triggers, facts, segments, labels, personas and the path; treatments of one trigger", "1,000; 16", &[
        ("trigger/set.rs", "TRIGGERS: usize = 1000;"), ("treatment/choice.rs", "TREATMENTS: usize = 16;"),
    ]),
    ("rows and columns of a reference table", "100,000; 32", &[
        ("table.rs", "ROWS: usize = 100_000;"), ("table.rs", "COLUMNS: usize = 32;"),
    ]),
    ("rows of a topic of tables; what they say", "1,000,000 a topic; 64 MiB, in each task", &[
        ("table/rows.rs", "ROWS: usize = 1_000_000;"), ("table/rows.rs", "BYTES: usize = 64 * 1024 * 1024;"),
    ]),
    ("what a row says; what it said before, within the lateness", "256 columns; 64 times", &[
        ("table/rows.rs", "CELLS: usize = 256;"), ("table/rows.rs", "VERSIONS: usize = 64;"),
    ]),
    ("records at hand", "2,048 or 1 MiB a topic and task", &[
        ("task/inbox.rs", "QUEUE_RECORDS: usize = 2048;"), ("task/inbox.rs", "QUEUE_BYTES: usize = 1024 * 1024;"),
    ]),
    ("one transaction", "4 MiB taken and made", &[("task/transaction.rs", "TRANSACTION_BYTES: usize = 4 * 1024 * 1024;")]),
];

#[test]
fn bounds_are_those_of_the_code() {
    let page = read(&root().join("docs/limits.md"));
    let (_, table) = page.split_once("|---|---|---|\n").expect("a table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let rows: Vec<(&str, &str)> = rows
        .map(|row| {
            let mut cells = row.split('|').skip(1).map(str::trim);
            let mut cell = || cells.next().expect("a cell");
            (cell(), cell())
        })
        .collect();
    let said: Vec<(&str, &str)> = BOUNDS
        .iter()
        .map(|(what, limit, _)| (*what, *limit))
        .collect();
    assert_eq!(rows, said, "each row is held to the code here");
    for (what, _, declared) in BOUNDS {
        for (file, declaration) in *declared {
            let code = read(&root().join("src").join(file));
            assert!(
                code.contains(declaration),
                "{what}: {file} does not say {declaration}"
            );
        }
    }
}

/// Who comes for the first time reads one page, to its end.
#[test]
fn the_readme_is_short() {
    assert!(read(&root().join("README.md")).lines().count() <= 250);
}
