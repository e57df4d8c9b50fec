//! The real data sets as events of topics, ready to be produced.

use serde_json::{Value, json};

use crate::data::{Track, fixture, identify_all, open, otto, retail, shared_data};

/// Customers of the sample, copied so often, stand in for the full data set where that is not on the machine.
const COPIES: usize = 40;
/// One in so many customers said nothing about consent.
const SILENT: usize = 7;

/// An event and the topic it belongs to.
#[derive(Clone, Debug)]
pub struct Event {
    /// One of the inputs.
    pub topic: &'static str,
    /// Its key.
    pub customer: String,
    /// When it happened; of an identify, no later than what follows.
    pub time_ms: i64,
    /// As it is produced.
    pub line: String,
}

/// Online Retail, then OTTO eleven years later, each with who its customers are; in order of time.
pub fn history() -> Vec<Event> {
    let mut events = online_retail();
    events.extend(otto());
    assert!(events.is_sorted_by_key(|event| event.time_ms));
    events
}

/// The sessions of OTTO.
pub fn otto() -> Vec<Event> {
    let mut lines = Vec::new();
    otto::convert(open(&fixture(otto::FILE)).expect("fixture"), &mut lines).expect("otto");
    identified(&lines)
}

/// The orders of Online Retail: all, or those of the sample many times over.
pub fn online_retail() -> Vec<Event> {
    match shared_data(retail::FILE) {
        Some(path) => {
            let mut lines = Vec::new();
            retail::convert(open(&path).expect("data"), &mut lines).expect("retail");
            identified(&lines)
        }
        None => copies(COPIES),
    }
}

/// The orders of the sample of Online Retail, so many times, each time by other customers.
pub fn copies(count: usize) -> Vec<Event> {
    let mut lines = Vec::new();
    let raw = open(&fixture(retail::SAMPLE)).expect("fixture");
    retail::convert(raw, &mut lines).expect("retail");
    let mut copied = Vec::new();
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        for copy in 0..count {
            let mut event: Value = serde_json::from_slice(line).expect("JSON");
            for name in ["userId", "messageId"] {
                let text = event[name].as_str().expect("text");
                event[name] = json!(format!("{text}-{copy}"));
            }
            copied.extend_from_slice(event.to_string().as_bytes());
            copied.push(b'\n');
        }
    }
    identified(&copied)
}

/// Track lines in order of time, after what is known of their customers.
fn identified(lines: &[u8]) -> Vec<Event> {
    let mut identifies = Vec::new();
    identify_all(lines, &mut identifies).expect("identify");
    let profiles = text_lines(&identifies).enumerate();
    let mut events: Vec<Event> = profiles
        .filter(|(number, _)| number % SILENT != 0)
        .map(|(_, line)| {
            let identify: Value = serde_json::from_str(line).expect("JSON");
            let time: jiff::Timestamp = text(&identify, "timestamp").parse().expect("a time");
            Event {
                topic: "profile",
                customer: text(&identify, "userId").to_owned(),
                time_ms: time.as_millisecond(),
                line: line.to_owned(),
            }
        })
        .collect();
    events.extend(text_lines(lines).map(|line| {
        let track: Track = serde_json::from_str(line).expect("a track call");
        let topic = match track.event.as_str() {
            "Product Viewed" => "clickstream",
            "Product Added" => "cart",
            _ => "purchase",
        };
        let time_ms = track.time_ms();
        Event {
            topic,
            customer: track.user_id,
            time_ms,
            line: line.to_owned(),
        }
    }));
    events
}

/// Somebody looks at something in every partition, at this time: so every task comes as far as the last of them.
pub fn passers_by(partitions: i32, time_ms: i64) -> Vec<Event> {
    // Two in each: what one says alone is not believed.
    let at = |(partition, name): (i32, &str)| {
        let customer = of_partition(name, partition, partitions);
        let time = moments::time::Timestamp(time_ms).to_string();
        let line = json!({"type": "track", "event": "Product Viewed", "messageId": format!("{customer}-{time_ms}"),
            "userId": customer, "timestamp": time, "properties": {"product_id": "p"}});
        Event {
            topic: "clickstream",
            line: line.to_string(),
            customer,
            time_ms,
        }
    };
    let names = ["passer-by", "another"];
    let all = (0..partitions).flat_map(|partition| names.map(|name| (partition, name)));
    all.map(at).collect()
}

/// A customer whose events go to this partition.
pub fn of_partition(name: &str, partition: i32, partitions: i32) -> String {
    let mut names = (0..).map(|number| format!("{name}-{number}"));
    let found = names.find(|customer| {
        moments::runtime::murmur2::partition(customer.as_bytes(), partitions) == partition
    });
    found.expect("murmur2 reaches every partition")
}

/// The events in so many parts of about the same length; what happened at one instant is in one part.
pub fn parts(events: &[Event], count: usize) -> Vec<&[Event]> {
    let mut parts = Vec::new();
    let mut rest = events;
    for left in (1..=count).rev() {
        let least = rest.len() / left;
        let cut = (least.max(1)..rest.len())
            .find(|at| left > 1 && rest[at - 1].time_ms < rest[*at].time_ms)
            .unwrap_or(rest.len());
        let (part, others) = rest.split_at(cut);
        parts.push(part);
        rest = others;
    }
    parts
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("text")
}

fn text_lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(bytes).expect("text").lines()
}
