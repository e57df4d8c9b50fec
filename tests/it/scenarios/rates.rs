//! Send rates: over everybody so many are sent by a channel, the most important first; the others wait.

use moments::trigger::policy::Policy;

use super::check_with;

fn policy(more: &str) -> Policy {
    let text = format!("hold_out = '0%'\n{more}");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// One an hour on the site.
fn hourly(more: &str) -> Policy {
    policy(&format!("send_rates = {{ onsite = '1 in 1h' }}\n{more}"))
}

/// An order is answered; a review before it, a ticket before both.
fn triggers(order: &str) -> String {
    let treatments = "treatments: [{ channel: onsite, template: x }]";
    format!(
        "moment: {{ event: Order Completed }}\n{treatments}\npolicy: {{ good_for: 2d{order} }}\n===\n\
         trigger: u\nmoment: {{ event: Product Reviewed }}\n{treatments}\npolicy: {{ good_for: 2d, priority: 60 }}\n===\n\
         trigger: v\nmoment: {{ event: Support Ticket Opened }}\n{treatments}\npolicy: {{ good_for: 2d, priority: 70 }}"
    )
}

const ANA: &str = "2026-03-02T10:00:00Z Order Completed";
const BEN: &str = "2026-03-02T10:00:01Z userId=ben Order Completed";
const CID: &str = "2026-03-02T10:00:02Z userId=cid Order Completed";

#[test]
fn the_most_important_goes_first_and_then_whose_moment_came_first() {
    let lines = [
        ANA,
        // They come in another order than they happened in.
        CID,
        BEN,
        "2026-03-02T10:20:00Z userId=dan Product Reviewed",
        "until 2026-03-02T10:30:00Z",
        "2026-03-02T10:30:01Z userId=eva Support Ticket Opened",
    ];
    let ana = "2026-03-02T10:00:00Z treat";
    let eva = "2026-03-02T10:30:01Z eva treat";
    let dan = "2026-03-02T10:20:00Z dan treat";
    let ben = "2026-03-02T10:00:01Z ben treat";
    let cid = "2026-03-02T10:00:02Z cid treat";
    // Ana's was sent at 10:20, when time came to her order: an hour later is the next one's turn, to the millisecond.
    for (until, expected) in [
        ("until 2026-03-02T11:19:59.999Z", &[ana][..]),
        ("until 2026-03-02T11:20:00Z", &[ana, eva]),
        ("until 2026-03-02T12:19:59.999Z", &[ana, eva]),
        ("until 2026-03-02T12:20:00Z", &[ana, eva, dan]),
        ("until 2026-03-02T13:20:00Z", &[ana, eva, dan, ben]),
        ("until 2026-03-02T14:20:00Z", &[ana, eva, dan, ben, cid]),
    ] {
        let hours = [
            "until 2026-03-02T11:19:00Z",
            "until 2026-03-02T11:20:00Z",
            "until 2026-03-02T12:20:00Z",
            "until 2026-03-02T13:20:00Z",
        ];
        let before = hours.iter().filter(|hour| **hour < until);
        let lines: Vec<&str> = lines
            .iter()
            .chain(before)
            .chain([&until])
            .copied()
            .collect();
        check_with(&triggers(""), &hourly(""), &lines, expected);
    }
}

#[test]
fn of_one_instant_the_most_important_goes_whoever_is_looked_at_first() {
    let absent = |name: &str, after: &str, priority: u8| {
        format!(
            "{name}moment: {{ absence: {{ of: Order Completed, after: {after}, within: 30m }} }}\n\
             treatments: [{{ channel: onsite, template: x }}]\npolicy: {{ priority: {priority}, good_for: 1h }}"
        )
    };
    let both = format!(
        "{}\n===\n{}",
        absent("", "Product Added", 40),
        absent("trigger: u\n", "Cart Viewed", 60)
    );
    let lines = [
        "2026-03-02T10:00:00Z Product Added",
        "2026-03-02T10:00:00Z userId=zoe Cart Viewed",
        "until 2026-03-02T10:30:00Z",
        "until 2026-03-02T11:30:00Z",
        "until 2026-03-02T11:30:00.001Z",
    ];
    // Both are due at 10:30. At 11:30 Ana's turn has come, in the last instant of its hour.
    let (zoe, ana) = (
        "2026-03-02T10:30:00Z zoe treat",
        "2026-03-02T10:30:00Z treat",
    );
    check_with(&both, &hourly(""), &lines, &[zoe, ana]);
    let slower = policy("send_rates = { onsite = '1 in 61m' }");
    check_with(
        &both,
        &slower,
        &lines,
        &[zoe, "2026-03-02T10:30:00Z expired"],
    );
}

#[test]
fn so_many_go_at_once_as_the_rate_leaves_free() {
    let three = policy("send_rates = { onsite = '3 in 1h' }");
    let many = ["ben", "cid", "dan", "eva"]
        .map(|id| format!("2026-03-02T10:00:00Z userId={id} Order Completed"));
    let mut lines = vec![ANA];
    lines.extend(many.iter().map(String::as_str));
    lines.extend([
        "until 2026-03-02T10:00:00Z",
        "until 2026-03-02T10:59:59.999Z",
    ]);
    let sent = |id: &str| format!("2026-03-02T10:00:00Z {id}treat");
    let first = ["", "ben ", "cid "].map(sent);
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    check_with(&triggers(""), &three, &lines, &first);
    lines.push("until 2026-03-02T11:00:00Z");
    let all = ["", "ben ", "cid ", "dan ", "eva "].map(sent);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    check_with(&triggers(""), &three, &lines, &all);
    // Another channel has a rate of its own, or none.
    let other = policy("send_rates = { print = '1 in 1h' }");
    check_with(&triggers(""), &other, &lines, &all);
}

#[test]
fn everything_is_asked_again_when_the_turn_comes() {
    let ten = "until 2026-03-02T10:00:10Z";
    let (before, eleven) = (
        "until 2026-03-02T11:00:09.999Z",
        "until 2026-03-02T11:00:10Z",
    );
    let (ana, cid) = (
        "2026-03-02T10:00:00Z treat",
        "2026-03-02T10:00:02Z cid treat",
    );
    let lines = |between: &'static str| [ANA, BEN, CID, ten, between, before, eleven];
    // Who has left the audience in between takes nobody's turn.
    let calm = format!("audience: profile.support.open == 0\n{}", triggers(""));
    let complaint = "2026-03-02T10:30:00Z userId=ben Support Ticket Opened";
    let calm = calm.split("\n===\n").next().expect("the first");
    let expected = [ana, "2026-03-02T10:00:01Z ben audience", cid];
    check_with(calm, &hourly(""), &lines(complaint), &expected);
    // Who takes back her yes is out at once.
    let no = r#"2026-03-02T10:30:00Z userId=ben identify {"consent":{"onsite":false}}"#;
    let expected = [ana, "2026-03-02T10:00:01Z ben withdrawn", cid];
    check_with(&triggers(""), &hourly(""), &lines(no), &expected);
    // Who is erased is forgotten.
    let erased = "2026-03-02T10:30:00Z userId=ben Customer Erased";
    check_with(&triggers(""), &hourly(""), &lines(erased), &expected);
    // A cap that is used up meanwhile: hers by another trigger, on a channel without a rate.
    let capped = triggers("").replacen(
        "trigger: u\nmoment: { event: Product Reviewed }\ntreatments: [{ channel: onsite",
        "trigger: u\nmoment: { event: Product Reviewed }\ntreatments: [{ channel: store",
        1,
    );
    let reviewed = "2026-03-02T10:30:00Z userId=ben Product Reviewed";
    let expected = [
        ana,
        "2026-03-02T10:30:00Z ben treat",
        "2026-03-02T10:00:01Z ben capped",
        cid,
    ];
    let caps = hourly("caps = { all = '1 in 1d' }");
    check_with(&capped, &caps, &lines(reviewed), &expected);
}

#[test]
fn who_has_a_turn_at_night_waits_for_the_morning_and_for_another_turn() {
    let quiet = hourly("quiet_hours = { default = '10:30-12:00' }");
    let lines = [
        ANA,
        BEN,
        "until 2026-03-02T10:00:10Z",
        // Ben's turn comes, and it is quiet. Cid minds no hours.
        "2026-03-02T10:40:00Z userId=cid Product Reviewed",
        "2026-03-02T11:30:00Z userId=dan Support Ticket Opened",
        "until 2026-03-02T11:59:59.999Z",
        "until 2026-03-02T12:00:10Z",
        "until 2026-03-02T12:30:00Z",
        "until 2026-03-02T13:30:00Z",
    ];
    let holds = triggers(", quiet_hours: hold");
    let expected = [
        "2026-03-02T10:00:00Z treat",
        "2026-03-02T10:40:00Z cid treat",
        // At 12:00:10 both wait for a turn.
        "2026-03-02T11:30:00Z dan treat",
        "2026-03-02T10:00:01Z ben treat",
    ];
    check_with(&holds, &quiet, &lines, &expected);
}

#[test]
fn who_is_held_out_takes_a_place_and_who_is_in_shadow_does_not() {
    let lines = [
        ANA,
        "2026-03-02T10:00:01Z userId=ben Product Reviewed",
        "until 2026-03-02T10:00:10Z",
        "until 2026-03-02T11:00:09.999Z",
        "until 2026-03-02T11:00:10Z",
    ];
    let first = |word| format!("2026-03-02T10:00:00Z {word}");
    let ben = "2026-03-02T10:00:01Z ben treat";
    let out = triggers(", hold_out: 100%, priority: 90");
    check_with(&out, &hourly(""), &lines[..4], &[&first("held_out")]);
    check_with(&out, &hourly(""), &lines, &[&first("held_out"), ben]);
    let shadow = format!("mode: shadow\n{}", triggers(", priority: 90"));
    check_with(&shadow, &hourly(""), &lines[..3], &[&first("shadow"), ben]);
}

#[test]
fn what_one_carries_goes_with_it() {
    let digest = triggers(", digest: 10m");
    let lines = [
        "2026-03-02T10:00:00Z Order Completed",
        "2026-03-02T10:01:00Z Order Completed",
        "2026-03-02T10:02:00Z userId=ben Order Completed",
        "2026-03-02T10:03:00Z userId=ben Order Completed",
        "until 2026-03-02T10:10:00Z",
        "until 2026-03-02T10:20:00Z",
        "until 2026-03-02T11:09:59.999Z",
        "until 2026-03-02T11:10:00Z",
    ];
    let expected = [
        "2026-03-02T10:00:00Z treat",
        "2026-03-02T10:01:00Z digested",
        "2026-03-02T10:02:00Z ben treat",
        "2026-03-02T10:03:00Z ben digested",
    ];
    check_with(&digest, &hourly(""), &lines[..7], &expected[..2]);
    check_with(&digest, &hourly(""), &lines, &expected);
}

#[test]
fn a_step_of_a_journey_waits_for_its_turn_and_goes_on() {
    let journey = "moment: { event: Order Completed }\n\
        journey: [{ send: { channel: onsite, template: one } }, { wait: 10m }, { send: { channel: store, template: two } }]\n\
        policy: { good_for: 2d }";
    let lines = [
        ANA,
        BEN,
        "until 2026-03-02T10:00:10Z",
        "until 2026-03-02T11:00:09.999Z",
        "until 2026-03-02T11:00:10Z",
        "until 2026-03-02T11:10:09.999Z",
        "until 2026-03-02T11:10:10Z",
    ];
    let expected = [
        "2026-03-02T10:00:00Z entered",
        "2026-03-02T10:00:01Z ben entered",
        "2026-03-02T10:00:00Z treat",
        "2026-03-02T10:10:00Z treat",
        "2026-03-02T10:00:01Z ben treat",
        "2026-03-02T11:10:10Z ben treat",
    ];
    check_with(journey, &hourly(""), &lines[..4], &expected[..4]);
    check_with(journey, &hourly(""), &lines[..6], &expected[..5]);
    check_with(journey, &hourly(""), &lines, &expected);
    // Who takes back her yes meanwhile goes on without it.
    let no = r#"2026-03-02T10:30:00Z userId=ben identify {"consent":{"onsite":false}}"#;
    let lines = [
        ANA,
        BEN,
        "until 2026-03-02T10:00:10Z",
        no,
        "until 2026-03-02T10:30:00Z",
    ];
    let withdrawn = "2026-03-02T10:00:01Z ben withdrawn";
    // Before time comes to Ana's second step.
    let expected = [&expected[..3], &[withdrawn], &expected[3..4]].concat();
    check_with(journey, &hourly(""), &lines, &expected);
}

/// Everything waits as it was, whatever the engine holds of it.
#[test]
fn a_moment_that_turns_out_not_to_hold_leaves_the_queue() {
    let lines = [
        ANA,
        "2026-03-02T10:00:01Z userId=ben Product Added",
        "until 2026-03-02T10:30:01Z",
        // Late: it was in time.
        "2026-03-02T10:10:00Z userId=ben Order Completed",
        "until 2026-03-02T12:00:00Z",
    ];
    let absence = "moment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
        treatments: [{ channel: onsite, template: x }]\npolicy: { good_for: 2d }\n===\ntrigger: u\n\
        moment: { event: { name: Order Completed, where: profile.orders.count == 1 } }\n\
        treatments: [{ channel: onsite, template: x }]\npolicy: { good_for: 2d, priority: 60 }";
    let expected = [
        "2026-03-02T10:00:00Z treat",
        "2026-03-02T10:30:01Z ben withdrawn",
        "2026-03-02T10:10:00Z ben treat",
    ];
    check_with(absence, &hourly(""), &lines, &expected);
}
