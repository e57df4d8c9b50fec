//! Dates that come for everybody who is known then, in each one's zone.

use moments::trigger::policy::Policy;

use super::{check, check_with, onsite};

fn calendar(text: &str) -> String {
    onsite(&format!("calendar: {{ {text} }}"))
}

const KNOWN: &str = "2026-03-01T10:00:00Z Product Viewed";

#[test]
fn it_comes_for_who_is_known_then() {
    let eve = calendar("date: 12-24, at: '09:00'");
    let treat = &["2026-12-24T09:00:00Z treat"][..];
    let table: &[(&[&str], &[&str])] = &[
        (&[KNOWN, "until 2026-12-24T08:59:59.999Z"], &[]),
        (&[KNOWN, "until 2026-12-24T09:00:00Z"], treat),
        (&[KNOWN, "until 2027-12-24T08:59:59Z"], treat),
        // Known from that very instant on, by an event of any name.
        (
            &[
                "2026-12-24T09:00:00Z Something Else",
                "until 2026-12-25T00:00:00Z",
            ],
            treat,
        ),
        (
            &[
                "2026-12-24T09:00:00.001Z Product Viewed",
                "until 2027-12-24T08:59:59Z",
            ],
            &[],
        ),
        // Her first event comes after the watermark of others has passed the instant.
        (
            &[
                "until 2026-12-24T10:00:00Z",
                "2026-12-24T08:00:00Z Product Viewed",
                "until 2026-12-25T00:00:00Z",
            ],
            treat,
        ),
        (
            &[KNOWN, "until 2028-12-31T00:00:00Z"],
            &[
                "2026-12-24T09:00:00Z treat",
                "2027-12-24T09:00:00Z treat",
                "2028-12-24T09:00:00Z treat",
            ],
        ),
    ];
    for (lines, expected) in table {
        check(&eve, lines, expected);
    }
}

#[test]
fn it_is_her_local_time_that_counts() {
    let night = calendar("date: { every: month, day: 29 }, at: '02:30'");
    let madrid = r#"2026-03-01T10:00:00Z identify {"timezone":"Europe/Madrid"}"#;
    // In March it does not exist and moves on, in the other months it is summer.
    let lines = [madrid, "until 2026-04-30T00:00:00Z"];
    let expected = ["2026-03-29T01:30:00Z treat", "2026-04-29T00:30:00Z treat"];
    check(&night, &lines, &expected);
    // It comes twice, and the first is meant.
    let autumn = calendar("date: 10-25, at: '02:30'");
    let lines = [madrid, "until 2026-12-31T00:00:00Z"];
    check(&autumn, &lines, &["2026-10-25T00:30:00Z treat"]);
}

#[test]
fn who_moves_is_told_where_she_is_and_once() {
    let eve = calendar("date: 12-24, at: '09:00'");
    let until = "until 2026-12-31T00:00:00Z";
    let moves = |zone: &str, time: &str| format!(r#"{time} identify {{"timezone":"{zone}"}}"#);
    let madrid = moves("Europe/Madrid", "2026-03-01T10:00:00Z");
    let check = |line: &str, expected: &[&str]| {
        check(&eve, &[&madrid, line, until], expected);
    };
    // To the west before: later. After: not again.
    check(
        &moves("America/New_York", "2026-12-24T07:59:59Z"),
        &["2026-12-24T14:00:00Z treat"],
    );
    check(
        &moves("America/New_York", "2026-12-24T08:00:01Z"),
        &["2026-12-24T08:00:00Z treat"],
    );
    // An event at the instant itself comes before it.
    check(
        &moves("America/New_York", "2026-12-24T08:00:00Z"),
        &["2026-12-24T14:00:00Z treat"],
    );
    // To the east: sooner, and where it is past there, it is passed over.
    check(
        &moves("Asia/Tokyo", "2026-12-23T23:00:00Z"),
        &["2026-12-24T00:00:00Z treat"],
    );
    check(&moves("Asia/Tokyo", "2026-12-24T00:00:01Z"), &[]);
}

#[test]
fn a_zone_that_is_not_settled_yet_brings_it_nearer() {
    let eve = calendar("date: 12-24, at: '09:00'");
    let lines = [
        KNOWN,
        "until 2026-12-23T23:59:00Z",
        r#"2026-12-23T23:59:30Z identify {"timezone":"Asia/Tokyo"}"#,
        "until 2026-12-24T00:00:00Z",
    ];
    check(&eve, &lines, &["2026-12-24T00:00:00Z treat"]);
    let first = [
        "2026-12-24T08:59:30Z Product Viewed",
        "until 2026-12-24T09:00:00Z",
    ];
    check(&eve, &first, &["2026-12-24T09:00:00Z treat"]);
}

#[test]
fn an_anniversary_follows_from_her_profile() {
    let year = calendar("date: profile.signed_up, at: '10:00'");
    let lines = [
        "2024-02-29T08:00:00Z Signed Up",
        KNOWN,
        "until 2028-03-01T00:00:00Z",
    ];
    let expected = [
        "2025-02-28T10:00:00Z treat",
        "2026-02-28T10:00:00Z treat",
        "2027-02-28T10:00:00Z treat",
        "2028-02-29T10:00:00Z treat",
    ];
    check(&year, &lines, &expected);
    check(&year, &[KNOWN, "until 2028-03-01T00:00:00Z"], &[]);
    // A date that follows from her last order moves on with it.
    let order = calendar("date: profile.last_order, offset: -1d");
    let lines = [
        "2026-03-02T08:00:00Z Order Completed",
        "2026-05-02T08:00:00Z Order Completed",
        "until 2027-05-02T00:00:00Z",
    ];
    check(&order, &lines, &["2027-05-01T00:00:00Z treat"]);
}

/// Who says nothing of where she lives has the zone of the policy, until she does.
#[test]
fn without_a_zone_of_hers_it_is_that_of_the_policy() {
    let home: Policy =
        toml::from_str("hold_out = '0%'\ndefault_timezone = 'Europe/Madrid'").expect("a policy");
    let daily = calendar("date: { every: day }, at: '09:00'");
    check_with(
        &daily,
        &home,
        &[
            "2026-03-27T10:00:00Z Page Viewed",
            "until 2026-03-29T08:00:00Z",
            r#"2026-03-29T10:00:00Z identify {"timezone":"America/New_York"}"#,
            "until 2026-03-30T14:00:00Z",
        ],
        &[
            "2026-03-28T08:00:00Z treat",
            "2026-03-29T07:00:00Z treat",
            "2026-03-30T13:00:00Z treat",
        ],
    );
}
