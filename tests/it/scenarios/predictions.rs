//! Predictions: what a model's score makes true, by events and by time alone.

use super::{check, onsite};

/// BG/NBD with parameters for which one can calculate by hand: after a second order the log-odds are ln(2 / 1) = 0.693 less
/// 2 ln((1 + age) / (1 + last)), in days.
const ALIVE: &str = "===\nmodel: alive\nbg_nbd: { r: 1, alpha: 1, a: 1, b: 2, unit: 1d }";

fn asked(evaluate: &str, crosses: &str) -> String {
    let moment = format!(
        "prediction: {{ model: alive, crosses: {{ {crosses} }}, evaluate: {{ {evaluate} }} }}"
    );
    format!("{}\n{ALIVE}", onsite(&moment))
}

#[test]
fn by_time_alone_it_comes_true_at_the_evaluation_after_the_score_has_crossed() {
    let lines = [
        "2026-03-02T10:00:00Z Order Completed {\"order_id\":\"o1\"}",
        "2026-03-04T10:00:00Z Order Completed {\"order_id\":\"o2\"}",
        "until 2026-03-20T00:00:00Z",
    ];
    // Below 0.5 from (3 / (1 + age))^2 x 2 < 1 on: an age of 3.25 days, 2026-03-05T15:49.
    let daily = asked("every: 1d", "below: 0.5");
    check(&daily, &lines, &["2026-03-06T10:00:00Z treat"]);
    // Counted from the order, each time she is asked about.
    let from_order = asked("on: Order Completed, every: 36h", "below: 0.5");
    check(&from_order, &lines, &["2026-03-05T22:00:00Z treat"]);
    let hourly = asked("every: 1h", "below: 0.5");
    check(&hourly, &lines, &["2026-03-05T16:00:00Z treat"]);
    // Whoever bought once is a customer still, as far as the model knows.
    check(&daily, &[lines[0], lines[2]], &[]);
    // Whoever never bought has no score, and is outside.
    let never = ["2026-03-02T10:00:00Z Product Viewed", lines[2]];
    check(&asked("every: 1d", "at_least: 0"), &never, &[]);
}

#[test]
fn it_is_armed_again_once_the_score_has_been_outside_at_an_evaluation() {
    let lines = [
        "2026-03-02T10:00:00Z Order Completed {\"order_id\":\"o1\"}",
        "2026-03-04T10:00:00Z Order Completed {\"order_id\":\"o2\"}",
        "2026-03-08T09:00:00Z Order Completed {\"order_id\":\"o3\"}",
        "until 2026-03-30T00:00:00Z",
    ];
    // With the third: (7 / (1 + age))^3 x 3 < 1, an age of 9.1 days; the next day's evaluation finds it.
    let daily = asked("every: 1d", "below: 0.5");
    let expected = ["2026-03-06T10:00:00Z treat", "2026-03-12T10:00:00Z treat"];
    check(&daily, &lines, &expected);
    // Whoever asks every twelve days has not seen that she was away in between.
    let rarely = asked("every: 12d", "below: 0.5");
    check(&rarely, &lines, &["2026-03-14T10:00:00Z treat"]);
}

/// Her views lately, as a propensity: 0.5 at two.
const LIKELY: &str = "===\nfact: views\nof: Product Viewed\nmeasure: count\nover: 1h\n===\nmodel: likely\nlogistic: { intercept: -2, inputs: { views: { of: facts.views, weight: 1 } } }";

fn likely(rest: &str) -> String {
    let moment = format!(
        "prediction: {{ model: likely, crosses: {{ at_least: 0.5 }}, evaluate: {{ on: Product Viewed }}{rest} }}"
    );
    format!("{}\n{LIKELY}", onsite(&moment))
}

#[test]
fn at_an_event_it_is_asked_with_the_event_taken_in() {
    let lines = [
        "2026-03-02T10:00:00Z Product Viewed",
        "2026-03-02T10:10:00Z Product Viewed",
        "2026-03-02T10:20:00Z Product Viewed",
        // Of an hour, the first has gone.
        "2026-03-02T11:10:00Z Product Viewed",
        "2026-03-02T12:30:00Z Product Viewed",
        "2026-03-02T12:31:00Z Product Viewed",
        "until 2026-03-03T00:00:00Z",
    ];
    let expected = ["2026-03-02T10:10:00Z treat", "2026-03-02T12:31:00Z treat"];
    check(&likely(""), &lines, &expected);
    check(&likely(", when: settled"), &lines, &expected);
}

#[test]
fn what_comes_out_of_order_is_taken_at_its_place() {
    let lines = [
        "2026-03-02T10:00:20Z Product Viewed",
        "2026-03-02T10:00:40Z Product Viewed",
        "2026-03-02T10:00:00Z Product Viewed",
        "until 2026-03-03T00:00:00Z",
    ];
    let seen = [
        "2026-03-02T10:00:40Z treat",
        "2026-03-02T10:00:20Z treat",
        "2026-03-02T10:00:40Z back: settled_otherwise",
    ];
    check(&likely(""), &lines, &seen);
    check(
        &likely(", when: settled"),
        &lines,
        &["2026-03-02T10:00:20Z treat"],
    );
}

#[test]
fn a_segment_of_a_score_is_entered_by_time_alone_to_the_millisecond() {
    let trigger = format!(
        "{}\n{ALIVE}\n===\nsegment: leaving\nwhen: models.alive < 0.5",
        onsite("transition: { enters: leaving }")
    );
    let lines = [
        "2026-03-02T10:00:00Z Order Completed {\"order_id\":\"o1\"}",
        "2026-03-04T10:00:00Z Order Completed {\"order_id\":\"o2\"}",
        "until 2026-03-20T00:00:00Z",
    ];
    // An age of 3 x sqrt(2) - 1 = 3.242640687 days.
    check(
        &trigger,
        &lines,
        &["2026-03-05T15:49:24.156Z leaving treat"],
    );
}
