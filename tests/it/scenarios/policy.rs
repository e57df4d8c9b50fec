//! What stands between a moment and a treatment.

use moments::trigger::policy::{Policy, Sending};

use super::{check, check_with};

fn each_order(rest: &str) -> String {
    format!("moment: {{ event: Order Completed }}\n{rest}")
}

const EMAIL: &str = "treatments: [{ channel: email, template: x }]";
const ONSITE: &str = "treatments: [{ channel: onsite, template: x }]";

#[test]
fn a_cap_counts_what_was_sent_in_the_window_before() {
    let trigger = each_order(&format!("{ONSITE}\npolicy: {{ cap: 2 in 7d }}"));
    let lines = [
        "2026-03-01T10:00:00Z Order Completed",
        "2026-03-02T10:00:00Z Order Completed",
        "2026-03-08T09:59:59.999Z Order Completed",
        // Exactly seven days after the first, that one is out of the window.
        "2026-03-08T10:00:00Z Order Completed",
        "2026-03-09T09:59:59Z Order Completed",
    ];
    let expected = [
        "2026-03-01T10:00:00Z treat",
        "2026-03-02T10:00:00Z treat",
        "2026-03-08T09:59:59.999Z capped",
        "2026-03-08T10:00:00Z treat",
        "2026-03-09T09:59:59Z capped",
    ];
    check(&trigger, &lines, &expected);
    // In shadow the cap counts what would have been sent.
    let shadow = format!("mode: shadow\n{trigger}");
    let in_shadow = expected.map(|line| line.replace("treat", "shadow"));
    let in_shadow: Vec<&str> = in_shadow.iter().map(String::as_str).collect();
    check(&shadow, &lines, &in_shadow);
}

/// What each says, and what becomes of orders one after the other: of the same thing, or of this.
#[test]
fn every_nth_goes_and_those_between_do_not() {
    let order = |day: usize, coupon: &str| {
        format!(
            r#"2026-03-{day:02}T10:00:00Z Order Completed {{"order_id":"o{day}","coupon":"{coupon}"}}"#
        )
    };
    for (cap, policy, coupons, expected) in [
        (
            "every 3rd",
            "",
            "aaaaaaa",
            "treat capped capped treat capped capped treat",
        ),
        ("every 2nd", "", "abab", "treat capped treat capped"),
        (
            "every 2nd per event.coupon",
            "",
            "abaabb",
            "treat treat capped treat capped treat",
        ),
        // What is refused for another cap is one of those between, as far as there are any left.
        (
            "every 2nd",
            "caps = { all = '1 in 60h' }",
            "aaaaaa",
            "treat capped capped treat capped capped",
        ),
        (
            "once per event.coupon",
            "caps = { all = 'every 3rd' }",
            "abcdef",
            "treat capped capped treat capped capped",
        ),
        (
            "2 in 60d",
            "caps = { onsite = 'every 2nd' }",
            "aaaaaa",
            "treat capped treat capped capped capped",
        ),
    ] {
        let trigger = each_order(&format!("{ONSITE}\npolicy: {{ cap: {cap} }}"));
        let policy = format!("hold_out = '0%'\n{policy}");
        let policy: Policy = toml::from_str(&policy).expect("a policy");
        let lines = (1..)
            .zip(coupons.chars())
            .map(|(day, coupon)| order(day, &coupon.to_string()));
        let lines: Vec<String> = lines.collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let expected = (1..)
            .zip(expected.split(' '))
            .map(|(day, word)| format!("2026-03-{day:02}T10:00:00Z {word}"));
        let expected: Vec<String> = expected.collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check_with(&trigger, &policy, &lines, &expected);
    }
}

#[test]
fn a_treatment_is_good_for_so_long_and_no_longer() {
    let trigger = each_order(&format!("{ONSITE}\npolicy: {{ good_for: 10m }}"));
    let order = "2026-03-02T10:00:00Z Order Completed";
    let table = [
        ("now 2026-03-02T10:10:00Z", "2026-03-02T10:00:00Z treat"),
        (
            "now 2026-03-02T10:10:00.001Z",
            "2026-03-02T10:00:00Z expired",
        ),
    ];
    for (now, expected) in table {
        check(&trigger, &[now, order], &[expected]);
    }
    // Without a word: a day, and ten minutes on the site.
    let onsite = each_order(ONSITE);
    check(&onsite, &[table[0].0, order], &[table[0].1]);
    check(&onsite, &[table[1].0, order], &[table[1].1]);
    let yes = r#"2026-03-01T10:00:00Z identify {"consent":{"email":true}}"#;
    let email = each_order(EMAIL);
    let day = ["2026-03-02T10:00:00Z treat"];
    check(&email, &[yes, "now 2026-03-03T10:00:00Z", order], &day);
    let expired = ["2026-03-02T10:00:00Z expired"];
    check(
        &email,
        &[yes, "now 2026-03-03T10:00:00.001Z", order],
        &expired,
    );
}

#[test]
fn dates_are_asked_when_it_is_decided() {
    let dates = "from: 2026-03-02T00:00:00Z\nuntil: 2026-03-03T00:00:00Z";
    let trigger = format!("{dates}\n{}", each_order(ONSITE));
    let table = [
        ("2026-03-01T23:59:59.999Z", "out_of_dates"),
        ("2026-03-02T00:00:00Z", "treat"),
        ("2026-03-02T23:59:59.999Z", "treat"),
        ("2026-03-03T00:00:00Z", "out_of_dates"),
    ];
    for (time, word) in table {
        let line = format!("{time} Order Completed");
        check(&trigger, &[&line], &[&format!("{time} {word}")]);
    }
    let early = [
        "now 2026-03-02T00:00:00Z",
        "2026-03-01T23:59:00Z Order Completed",
    ];
    check(&trigger, &early, &["2026-03-01T23:59:00Z treat"]);
}

#[test]
fn reasons_are_asked_in_their_order() {
    let stopped = Policy {
        sending: Sending::Stopped,
        ..Policy::for_everybody()
    };
    let order = "2026-03-02T10:00:00Z Order Completed";
    let is = |trigger: &str, policy: &Policy, word: &str| {
        let expected = format!("2026-03-02T10:00:00Z {word}");
        check_with(
            trigger,
            policy,
            &["now 2026-03-05T00:00:00Z", order],
            &[&expected],
        );
    };
    let hopeless = "audience: profile.orders.count > 5\ntreatments: [{ if: profile.orders.count > 6, channel: email, template: x }]";
    let hopeless = each_order(hopeless);
    let over = "until: 2026-03-03T00:00:00Z";
    is(&format!("mode: off\n{over}\n{hopeless}"), &stopped, "off");
    is(
        &format!("mode: shadow\n{over}\n{hopeless}"),
        &stopped,
        "out_of_dates",
    );
    is(
        &format!("mode: shadow\n{hopeless}"),
        &stopped,
        "sending_stopped",
    );
    let live = Policy::for_everybody();
    is(&format!("mode: shadow\n{hopeless}"), &live, "expired");
    let good = "policy: { good_for: 30d }";
    is(
        &format!("mode: shadow\n{hopeless}\n{good}"),
        &live,
        "audience",
    );
    let fits = hopeless.replace("> 5", "> 0");
    is(
        &format!("mode: shadow\n{fits}\n{good}"),
        &live,
        "no_treatment_fits",
    );
    let email = fits.replace("> 6", "> 0");
    is(
        &format!("mode: shadow\n{email}\n{good}"),
        &live,
        "no_consent",
    );
    let onsite = email.replace("email", "onsite");
    is(&format!("mode: shadow\n{onsite}\n{good}"), &live, "shadow");
    is(&format!("{onsite}\n{good}"), &live, "treat");
}

#[test]
fn consent_is_what_she_said_last() {
    let trigger = each_order(EMAIL);
    let order = "2026-03-02T10:00:00Z Order Completed";
    let treat = &["2026-03-02T10:00:00Z treat"][..];
    let refuse = &["2026-03-02T10:00:00Z no_consent"][..];
    let yes = r#"2026-03-01T10:00:00Z identify {"consent":{"email":true}}"#;
    let no = r#"2026-03-01T11:00:00Z identify {"consent":{"email":false}}"#;
    let unsubscribed = "2026-03-01T12:00:00Z Unsubscribed";
    let table: &[(&[&str], &[&str])] = &[
        (&[order], refuse),
        (&[yes, order], treat),
        (&[yes, no, order], refuse),
        // What was said earlier and read later changes nothing.
        (&[no, yes, order], refuse),
        (&[yes, unsubscribed, order], refuse),
        (
            &[
                yes,
                r#"2026-03-01T12:00:00Z Unsubscribed {"channel":"sms"}"#,
                order,
            ],
            treat,
        ),
        (
            &[
                yes,
                r#"2026-03-01T12:00:00Z identify {"consent":{"email":null}}"#,
                order,
            ],
            treat,
        ),
    ];
    for (lines, expected) in table {
        check(&trigger, lines, expected);
    }
    let free = Policy {
        consent_by_default: vec!["email".into()],
        ..Policy::for_everybody()
    };
    check_with(&trigger, &free, &[order], treat);
    check_with(&trigger, &free, &[no, order], refuse);
}

#[test]
fn a_no_is_kept_however_many_channels_there_are() {
    let free = Policy {
        consent_by_default: vec!["email".into()],
        ..Policy::for_everybody()
    };
    let junk: Vec<String> = (0..20).map(|i| format!(r#""c{i}":true"#)).collect();
    let many = format!(
        r#"2026-03-01T10:00:00Z identify {{"consent":{{{}}}}}"#,
        junk.join(",")
    );
    let lines = [
        &*many,
        "2026-03-01T11:00:00Z Unsubscribed",
        "2026-03-02T10:00:00Z Order Completed",
    ];
    let refused = ["2026-03-02T10:00:00Z no_consent"];
    check_with(&each_order(EMAIL), &free, &lines, &refused);
}

#[test]
fn a_no_between_the_moment_and_its_decision_counts() {
    let trigger = "moment: { absence: { of: Order Completed, after: Product Added, within: 30m } }
treatments: [{ channel: email, template: x }]";
    let yes = r#"2026-03-01T10:00:00Z identify {"consent":{"email":true}}"#;
    let added = "2026-03-02T10:00:00Z Product Added";
    let end = "until 2026-03-02T10:31:00Z";
    let no = "2026-03-02T10:30:20Z Unsubscribed";
    let other = r#"2026-03-02T10:30:20Z identify {"consent":{"sms":false}}"#;
    check(
        trigger,
        &[yes, added, no, end],
        &["2026-03-02T10:30:00Z no_consent"],
    );
    check(
        trigger,
        &[yes, added, other, end],
        &["2026-03-02T10:30:00Z treat"],
    );
    // A yes that comes after the moment does not make one who had said nothing a reader.
    let late_yes = r#"2026-03-02T10:30:20Z identify {"consent":{"email":true}}"#;
    check(
        trigger,
        &[added, late_yes, end],
        &["2026-03-02T10:30:00Z no_consent"],
    );
}

#[test]
fn a_no_that_was_read_already_counts_although_it_was_said_later() {
    let yes = r#"2026-03-01T10:00:00Z identify {"consent":{"email":true}}"#;
    let no = r#"2026-03-02T10:00:10Z identify {"consent":{"email":false}}"#;
    let order = "2026-03-02T10:00:00Z Order Completed";
    let refused = ["2026-03-02T10:00:00Z no_consent"];
    check(&each_order(EMAIL), &[yes, no, order], &refused);
    // The order comes late, behind the watermark.
    let late = [yes, "until 2026-03-02T10:00:05Z", no, order];
    check(&each_order(EMAIL), &late, &refused);
    check(
        &each_order(EMAIL),
        &[yes, order, no],
        &[
            "2026-03-02T10:00:00Z treat",
            "2026-03-02T10:00:00Z back: no_consent",
        ],
    );
}

#[test]
fn a_channel_is_one_in_capitals_too() {
    let yes = r#"2026-03-01T10:00:00Z identify {"consent":{"EMail":true}}"#;
    let order = "2026-03-02T10:00:00Z Order Completed";
    check(
        &each_order(EMAIL),
        &[yes, order],
        &["2026-03-02T10:00:00Z treat"],
    );
    for no in [
        r#"2026-03-01T11:00:00Z identify {"consent":{"Email":false}}"#,
        r#"2026-03-01T11:00:00Z Unsubscribed {"channel":"Email"}"#,
    ] {
        check(
            &each_order(EMAIL),
            &[yes, no, order],
            &["2026-03-02T10:00:00Z no_consent"],
        );
    }
}
