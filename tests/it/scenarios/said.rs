//! What cannot be read, or is written otherwise than expected, never means "go on".

use moments::trigger::plan::Policy;

use super::{check, check_with, onsite};

/// She is written to by e-mail when she puts something in her basket.
const EMAIL: &str = "moment: { event: Product Added }\n\
    treatments: [{ channel: email, template: x }]\npolicy: { good_for: 1000d }";

const ADDED: &str = r#"2026-03-02T10:00:00Z Product Added {"product_id":"p"}"#;

/// Whether she is written to who said yes, and then this; `odd` where a part of it cannot be read.
fn written_to(said: &str, outcome: &str) {
    let (odd, said) = match said.strip_prefix("odd ") {
        Some(said) => ("odd ", said),
        None => ("", said),
    };
    let yes = r#"2026-03-01T10:00:00Z identify {"consent":{"email":true,"sms":true}}"#;
    let then = format!(r#"{odd}2026-03-01T11:00:00Z identify {{"consent":{said}}}"#);
    let expected = format!("2026-03-02T10:00:00Z {outcome}");
    check(EMAIL, &[yes, &then, ADDED], &[&expected]);
}

#[test]
fn a_no_is_a_no_however_it_is_written() {
    for no in [
        r#"{"email":false}"#,
        r#"{"email":"False"}"#,
        r#"{"email":0}"#,
        r#"{"email":"0"}"#,
        r#"{"email":"no"}"#,
        r#"{"email":"off"}"#,
        r#"{"email":"unsubscribed"}"#,
        r#"{"email":"not_subscribed"}"#,
        r#"{"email":{"status":"unsubscribed"}}"#,
        r#"{"status":"unsubscribed"}"#,
        "false",
        r#""no""#,
        "0",
        r#"["sms"]"#,
        "[]",
        r#"odd {"email":"perhaps"}"#,
        r#"odd {"email":["news"]}"#,
        "odd 17",
    ] {
        written_to(no, "no_consent");
    }
}

#[test]
fn a_yes_stays_where_nothing_is_said_of_it() {
    for said in [
        r#"{"sms":false}"#,
        r#"{"email":null}"#,
        r#"{"email":""}"#,
        "{}",
        "null",
        r#"["email"]"#,
        r#"{"email":"Subscribed"}"#,
        "true",
    ] {
        written_to(said, "treat");
    }
}

#[test]
fn a_list_leaves_open_what_needs_no_yes_and_a_no_to_all_does_not() {
    for (said, outcome) in [
        (r#"["email"]"#, "treat"),
        ("[]", "treat"),
        ("false", "no_consent"),
    ] {
        let said = format!(r#"2026-03-01T10:00:00Z identify {{"consent":{said}}}"#);
        let expected = format!("2026-03-02T10:00:00Z {outcome}");
        check(
            &onsite("event: Product Added"),
            &[&said, ADDED],
            &[&expected],
        );
    }
}

#[test]
fn an_unsubscription_counts_whatever_its_channel() {
    let yes = r#"2026-03-01T10:00:00Z identify {"consent":{"email":true}}"#;
    for (said, outcome) in [
        ("2026-03-01T11:00:00Z Unsubscribed", "no_consent"),
        (
            r#"2026-03-01T11:00:00Z Unsubscribed {"channel":"E-Mail"}"#,
            "no_consent",
        ),
        (
            r#"2026-03-01T11:00:00Z Unsubscribed {"channel":"all"}"#,
            "no_consent",
        ),
        (
            r#"2026-03-01T11:00:00Z Unsubscribed {"channel":"sms"}"#,
            "treat",
        ),
        // Nobody knows which.
        (
            r#"odd 2026-03-01T11:00:00Z Unsubscribed {"channel":["email"]}"#,
            "no_consent",
        ),
    ] {
        let expected = format!("2026-03-02T10:00:00Z {outcome}");
        check_with(
            EMAIL,
            &Policy::for_everybody(),
            &[yes, said, ADDED],
            &[&expected],
        );
    }
}

#[test]
fn an_order_with_an_odd_part_still_cancels_the_reminder() {
    let reminder = onsite("absence: { of: Order Completed, after: Product Added, within: 30m }");
    for order in [
        r#"2026-03-02T10:10:00Z Order Completed {"total":20,"products":[{"product_id":"p","price":30},{"product_id":"discount","price":-10}]}"#,
        r#"2026-03-02T10:10:00Z Order Completed {"total":-1,"quantity":-1}"#,
        "2026-03-02T10:10:00Z Order Completed",
        r#"2026-03-02T10:10:00Z Order Completed {"products":[]}"#,
        r#"2026-03-02T10:10:00Z Order Completed {"total":"20.00"}"#,
        r#"odd 2026-03-02T10:10:00Z Order Completed {"total":"twenty"}"#,
        r#"odd 2026-03-02T10:10:00Z Order Completed {"total":{"amount":20}}"#,
        r#"odd 2026-03-02T10:10:00Z Order Completed {"products":"teapot"}"#,
    ] {
        check(
            &reminder,
            &[ADDED, order, "until 2026-03-02T12:00:00Z"],
            &[],
        );
    }
}

#[test]
fn a_refund_or_cancellation_with_an_odd_part_is_taken() {
    for event in [
        r#"2026-03-02T10:00:00Z Order Refunded {"order_id":"o1","total":-20}"#,
        r#"2026-03-02T10:00:00Z Order Refunded {"order_id":"o1"}"#,
        r#"odd 2026-03-02T10:00:00Z Order Refunded {"order_id":"o1","total":"all of it"}"#,
        r#"odd 2026-03-02T10:00:00Z Order Cancelled {"order_id":["o1"],"reason":{}}"#,
    ] {
        let taken = onsite("event: [Order Refunded, Order Cancelled]");
        check(&taken, &[event], &["2026-03-02T10:00:00Z treat"]);
    }
}
