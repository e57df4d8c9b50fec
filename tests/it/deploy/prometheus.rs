//! Alerting and recording rules: Prometheus takes them, their unit tests pass, they name only what exists, and each alert
//! says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use moments::document::report::Source;
use moments::event::Vocabulary;
use moments::event::record::Reject;
use moments::telemetry::Telemetry;
use moments::trigger::set::{self, Basis};
use serde_json::Value;

use super::promql::Known;
use super::{path, read, succeed, tool};
use crate::documents::anchors;

const RECORDING: &str = "deploy/prometheus/recording.yml";
const ALERTS: &str = "deploy/prometheus/alerts.yml";
const TESTS: &str = "deploy/prometheus/alerts.test.yml";
const RUNBOOK: &str = "docs/operations.md";

/// The rules of a file, in order.
fn rules(file: &str) -> Vec<Value> {
    let parsed: Value = serde_saphyr::from_str(&read(file)).expect(file);
    let groups = parsed["groups"].as_array().expect("groups");
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"));
    rules.cloned().collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// The metrics, and what the recording rules make of them.
pub fn known() -> Known {
    let mut known = Known::metrics();
    for rule in rules(RECORDING) {
        let name = text(&rule, "record");
        let labels = known
            .labels(text(&rule, "expr"))
            .unwrap_or_else(|error| panic!("{error}"));
        // Its level, the part before the first colon, says by what it is summed.
        let level = name.split(':').next().unwrap_or_default();
        let said: BTreeSet<String> = level.split('_').map(str::to_owned).collect();
        assert_eq!(labels, said, "{name}");
        known.record(name, labels);
    }
    known
}

#[test]
fn prometheus_takes_the_rules_and_their_tests_pass() {
    let Some(mut promtool) = tool("promtool") else {
        return;
    };
    succeed(promtool.args(["check", "rules", RECORDING, ALERTS]));
    let test =
        tool("promtool").map(|mut promtool| succeed(promtool.args(["test", "rules", TESTS])));
    assert!(test.is_some_and(|said| said.contains("SUCCESS")));
    // The token is where the process runs, not here.
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "secret").expect("written");
    for name in [RECORDING, ALERTS] {
        let copy = folder.path().join(path(name).file_name().expect("a name"));
        std::fs::copy(path(name), copy).expect("copied");
    }
    let config = folder.path().join("prometheus.yml");
    let written = read("deploy/prometheus/prometheus.yml");
    let in_place = "/run/secrets/moments-http-token";
    assert!(written.contains(in_place));
    let written = written.replace(in_place, &token.display().to_string());
    std::fs::write(&config, written).expect("written");
    let check = tool("promtool")
        .map(|mut promtool| succeed(promtool.args(["check", "config"]).arg(&config)));
    assert!(check.is_some_and(|said| said.contains("2 rule files found")));
}

#[test]
fn alerts_name_only_what_exists_and_say_what_to_do() {
    let known = known();
    let sections = anchors(&read(RUNBOOK));
    for alert in rules(ALERTS) {
        let name = text(&alert, "alert");
        let labels = known
            .labels(text(&alert, "expr"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let severity = text(&alert["labels"], "severity");
        assert!(
            ["critical", "warning"].contains(&severity),
            "{name}: {severity}"
        );
        let annotations = &alert["annotations"];
        for key in ["summary", "description"] {
            for named in labels_named(text(annotations, key)) {
                assert!(
                    labels.contains(named),
                    "{name}: no label {named} in its result"
                );
            }
        }
        let section = name.to_lowercase();
        assert_eq!(
            text(annotations, "runbook_url"),
            format!("{RUNBOOK}#{section}")
        );
        assert!(
            sections.contains(&section),
            "{RUNBOOK} has no section {name}"
        );
    }
}

/// The labels of `{{ $labels.name }}` in a template.
fn labels_named(template: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c != '_' && !c.is_ascii_alphanumeric();
    let after = template.split("$labels.").skip(1);
    after.map(move |rest| rest.split(ends).next().unwrap_or_default())
}

/// Sections of alerts that are gone mislead who comes at night.
#[test]
fn the_runbook_has_no_section_of_an_alert_that_is_not() {
    let alerts: BTreeSet<String> = rules(ALERTS)
        .iter()
        .map(|alert| text(alert, "alert").to_owned())
        .collect();
    let page = read(RUNBOOK);
    let sections = page
        .lines()
        .filter_map(|line| line.strip_prefix("### Moments"));
    let sections: BTreeSet<String> = sections.map(|rest| format!("Moments{rest}")).collect();
    assert_eq!(sections, alerts);
}

#[test]
fn each_alert_is_tested_where_it_comes_and_where_it_must_not() {
    let parsed: Value = serde_saphyr::from_str(&read(TESTS)).expect(TESTS);
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let tests = parsed["tests"].as_array().expect("tests");
    for case in tests
        .iter()
        .filter_map(|test| test["alert_rule_test"].as_array())
        .flatten()
    {
        let (comes, stays_away) = seen.entry(text(case, "alertname").to_owned()).or_default();
        match case["exp_alerts"].as_array().map_or(0, Vec::len) {
            0 => *stays_away += 1,
            _ => *comes += 1,
        }
    }
    for alert in rules(ALERTS) {
        let name = text(&alert, "alert");
        let (comes, stays_away) = seen.get(name).copied().unwrap_or_default();
        assert!(
            comes > 0 && stays_away > 0,
            "{name}: {comes} and {stays_away} cases"
        );
    }
}

/// A counter that first comes to be at 60 has not risen, as Prometheus sees it, and a first flood would go by unseen.
#[test]
fn each_counter_that_a_rule_asks_for_is_there_from_the_start() {
    let trigger = "trigger: t\nmoment: { event: Signed Up }\ntreatments: none\n";
    let source = Source::new("t.yaml", trigger.to_owned());
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        ..Basis::default()
    };
    let plan = set::compile(&[source], &basis).expect("a plan");
    let telemetry = Telemetry::new(&["cart".to_owned()], &plan);
    let shown = telemetry.text();
    let asked = rules(ALERTS).into_iter().chain(rules(RECORDING));
    let asked: Vec<String> = asked.map(|rule| text(&rule, "expr").to_owned()).collect();
    let mut seen = 0;
    for rest in asked
        .iter()
        .flat_map(|asked| asked.split("moments_").skip(1))
    {
        let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let selector = behind.strip_prefix('{').and_then(|it| it.split_once('}'));
        let selector = selector.map_or("", |(selector, _)| selector);
        // What is excluded need not be there.
        if !name.ends_with("_total") || selector.contains('!') || selector.contains('~') {
            continue;
        }
        let name = format!("moments_{name}");
        let is_there = shown
            .lines()
            .any(|line| line.starts_with(&name) && line.ends_with(" 0") && line.contains(selector));
        assert!(is_there, "{name}{{{selector}}} in\n{shown}");
        seen += 1;
    }
    assert!(seen > 8, "{seen}");
    for reason in Reject::WORDS {
        let line = format!("moments_rejected_total{{reason=\"{reason}\"}} 0");
        assert_eq!(shown.contains(&line), reason != "ignored", "{line}");
    }
}
