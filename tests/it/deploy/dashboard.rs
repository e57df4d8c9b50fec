//! The Grafana dashboard, made from the table of metrics: a panel is a metric and how it is summed; query, unit and
//! description follow. A metric that no row names gets a panel in the last row by itself.
//!
//! `MOMENTS_UPDATE_DOCS=1 cargo test --test it dashboard` writes it anew.

use std::env;
use std::fs;

use moments::telemetry::metrics::{self as m, Kind, METRICS, Metric, Unit};
use serde_json::{Value, json};

use self::Show::{Age, Max, Quantiles, Rate, Sum};
use super::{path, prometheus, read};

const FILE: &str = "deploy/grafana/moments.json";
/// Grafana's grid has 24 columns; three panels stand in a row.
const WIDTH: usize = 8;
const HEIGHT: usize = 8;
/// What narrows every query down.
const CHOSEN: &str = r#"job=~"$job", instance=~"$instance""#;

/// How a metric is shown.
#[derive(Clone, Copy)]
enum Show {
    /// A counter a second, by these labels.
    Rate(&'static [&'static str]),
    /// A gauge, summed by these labels.
    Sum(&'static [&'static str]),
    /// A gauge, the largest by these labels.
    Max(&'static [&'static str]),
    /// A timestamp, as how long ago it was, the longest by these labels.
    Age(&'static [&'static str]),
    /// A histogram's 50th, 95th and 99th of a hundred.
    Quantiles,
}

type Panel = (&'static str, &'static Metric, Show);

/// What is looked at together, in the order in which one looks.
const ROWS: &[(&str, &[Panel])] = &[
    (
        "Flow",
        &[
            ("Records read, by topic", &m::EVENTS_READ, Rate(&["topic"])),
            (
                "Events taken, by what became of them",
                &m::EVENTS,
                Rate(&["kind"]),
            ),
            ("Moments, by trigger", &m::MOMENTS, Rate(&["trigger"])),
            ("Treatments, by trigger", &m::TREATMENTS, Rate(&["trigger"])),
            ("Refusals, by reason", &m::REFUSALS, Rate(&["reason"])),
            ("Moments held, by reason", &m::HELD, Rate(&["reason"])),
            (
                "Treatments taken back, by reason",
                &m::WITHDRAWALS,
                Rate(&["reason"]),
            ),
            ("Commands, by channel", &m::COMMANDS, Rate(&["channel"])),
        ],
    ),
    (
        "Time",
        &[
            (
                "Behind the clock, in event time",
                &m::LAG_SECONDS,
                Max(&["partition"]),
            ),
            (
                "Records waiting, by topic",
                &m::LAG_RECORDS,
                Sum(&["topic"]),
            ),
            ("Age of the watermark", &m::WATERMARK, Age(&["partition"])),
            ("From event to command", &m::ARRIVAL_TO_COMMAND, Quantiles),
        ],
    ),
    (
        "Outcomes",
        &[
            (
                "What came of treatments",
                &m::OUTCOMES,
                Rate(&["trigger", "outcome"]),
            ),
            (
                "Reports on treatments that nobody knows",
                &m::ORPHANED,
                Rate(&["outcome"]),
            ),
        ],
    ),
    (
        "Health",
        &[
            ("Tasks, by state", &m::TASKS, Sum(&["state"])),
            (
                "Transactions, by how they ended",
                &m::TRANSACTIONS,
                Rate(&["outcome"]),
            ),
            ("Commit", &m::COMMIT_DURATION, Quantiles),
            ("Dead letters, by reason", &m::REJECTED, Rate(&["reason"])),
            (
                "Parts of events that cannot be read, by name",
                &m::DEFECTS,
                Rate(&["name"]),
            ),
            (
                "Misplaced keys, by topic",
                &m::MISPLACED_KEYS,
                Rate(&["topic"]),
            ),
            ("Sending stopped", &m::SENDING_STOPPED, Max(&[])),
            ("Restore", &m::RESTORE_DURATION, Quantiles),
            (
                "Left to restore",
                &m::RESTORE_REMAINING,
                Sum(&["partition"]),
            ),
            ("Memory is short", &m::MEMORY_SHORT, Max(&["instance"])),
            ("Brokers answer", &m::BROKERS_REACHED, Max(&["instance"])),
            ("Clock set by", &m::CLOCK_OFF, Max(&["instance"])),
            ("Transactions that hang", &m::HANGING, Sum(&["topic"])),
            (
                "Partitions that nobody reads",
                &m::PARTITIONS_UNREAD,
                Max(&["topic"]),
            ),
            (
                "Topics that time waits for",
                &m::TOPIC_SILENT,
                Max(&["topic"]),
            ),
            ("Partitions", &m::PARTITIONS, Max(&[])),
            ("Schemas waited for", &m::SCHEMAS_AWAITED, Sum(&[])),
            (
                "Schemas asked for, by what came of it",
                &m::SCHEMA_REQUESTS,
                Rate(&["outcome"]),
            ),
        ],
    ),
    (
        "Memory",
        &[
            ("Customers", &m::PROFILES, Sum(&[])),
            ("Bytes of profiles", &m::PROFILE_BYTES, Sum(&[])),
            ("Profiles not written yet", &m::PROFILES_UNWRITTEN, Sum(&[])),
            ("Rows of tables, by topic", &m::TABLE_ROWS, Max(&["topic"])),
            ("Resident memory", &m::RESIDENT_MEMORY, Sum(&["instance"])),
        ],
    ),
    (
        "Process",
        &[
            ("Processor time", &m::CPU, Rate(&["instance"])),
            ("Open files", &m::OPEN_FDS, Sum(&["instance"])),
            (
                "Versions and revisions",
                &m::BUILD_INFO,
                Sum(&["version", "revision"]),
            ),
        ],
    ),
];

/// Metrics that no row names, by their kind.
fn others(named: &[Metric]) -> Vec<Panel> {
    let left = METRICS.iter().filter(|metric| !named.contains(metric));
    left.map(|metric| {
        let show = match metric.kind {
            Kind::Counter => Rate(metric.labels),
            Kind::Gauge => Sum(metric.labels),
            Kind::Histogram(_) => Quantiles,
        };
        (metric.name, metric, show)
    })
    .collect()
}

/// Queries, each with its legend.
fn queries(metric: &Metric, show: Show) -> Vec<(String, String)> {
    let name = metric.name;
    let legend = |by: &[&str]| {
        let labels: Vec<String> = by.iter().map(|label| format!("{{{{{label}}}}}")).collect();
        if labels.is_empty() {
            "all".to_owned()
        } else {
            labels.join(" ")
        }
    };
    let (query, by) = match show {
        Rate(by) => {
            let rate = format!("rate({name}{{{CHOSEN}}}[$__rate_interval])");
            (format!("sum by ({}) ({rate})", by.join(", ")), by)
        }
        Sum(by) => (
            format!("sum by ({}) ({name}{{{CHOSEN}}})", by.join(", ")),
            by,
        ),
        Max(by) => (
            format!("max by ({}) ({name}{{{CHOSEN}}})", by.join(", ")),
            by,
        ),
        Age(by) => (
            format!("time() - min by ({}) ({name}{{{CHOSEN}}})", by.join(", ")),
            by,
        ),
        Quantiles => {
            let quantile = |of_hundred: u32| {
                let rate = format!("rate({name}_bucket{{{CHOSEN}}}[$__rate_interval])");
                let query = format!("histogram_quantile(0.{of_hundred}, sum by (le) ({rate}))");
                (query, format!("{of_hundred} of 100"))
            };
            return [50, 95, 99].map(quantile).into();
        }
    };
    vec![(query, legend(by))]
}

/// Grafana's word for a unit.
fn unit(metric: &Metric, show: Show) -> &'static str {
    match (metric.unit, show) {
        // Seconds of processor a second.
        (Unit::Seconds, Rate(_)) => "percentunit",
        (Unit::Seconds, _) => "s",
        (Unit::Bytes, _) => "bytes",
        (Unit::One, Rate(_)) => "cps",
        (Unit::One, _) => "short",
    }
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn panel(id: usize, (x, y): (usize, usize), (title, metric, show): Panel) -> Value {
    let names = ["A", "B", "C"];
    let targets = queries(metric, show).into_iter().zip(names);
    let targets: Vec<Value> = targets
        .map(|((query, legend), name)| {
            json!({"datasource": source(), "expr": query, "legendFormat": legend, "refId": name})
        })
        .collect();
    json!({
        "id": id,
        "type": "timeseries",
        "title": title,
        "description": format!("{} ({})", metric.help, metric.name),
        "datasource": source(),
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": unit(metric, show), "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": targets,
    })
}

fn panels() -> Vec<Value> {
    let mut rows: Vec<(&str, Vec<Panel>)> = ROWS
        .iter()
        .map(|(title, row)| (*title, row.to_vec()))
        .collect();
    let named: Vec<Metric> = rows
        .iter()
        .flat_map(|(_, row)| row)
        .map(|panel| *panel.1)
        .collect();
    let others = others(&named);
    if !others.is_empty() {
        rows.push(("Other", others));
    }
    let (mut made, mut y) = (Vec::new(), 0);
    for (title, row) in rows {
        made.push(json!({"id": made.len() + 1, "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}}));
        y += 1;
        let across = 24 / WIDTH;
        for (number, shown) in row.iter().enumerate() {
            let place = (number % across * WIDTH, y + number / across * HEIGHT);
            made.push(panel(made.len() + 1, place, *shown));
        }
        y += row.len().div_ceil(across) * HEIGHT;
    }
    made
}

/// A variable whose values are those of a label.
fn chosen(name: &str, label: &str, of: &str) -> Value {
    let query = format!("label_values({of}, {label})");
    json!({"name": name, "type": "query", "datasource": source(), "definition": query, "query": {"query": query, "refId": name},
        "includeAll": true, "multi": true, "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1})
}

fn dashboard() -> Value {
    let build = m::BUILD_INFO.name;
    let of_job = format!("{build}{{job=~\"$job\"}}");
    json!({
        "uid": "moments",
        "title": "moments",
        "description": "Made from the table of metrics of the program; change it there.",
        "tags": ["moments"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "graphTooltip": 1,
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "current": {}, "refresh": 1},
            chosen("job", "job", build),
            chosen("instance", "instance", &of_job),
        ]},
        "annotations": {"list": []},
        "links": [],
        "panels": panels(),
    })
}

#[test]
fn the_dashboard_is_as_the_table_of_metrics_makes_it() {
    let made = serde_json::to_string_pretty(&dashboard()).expect("JSON") + "\n";
    if env::var_os("MOMENTS_UPDATE_DOCS").is_some() {
        fs::write(path(FILE), &made).expect("written");
    }
    assert!(
        read(FILE) == made,
        "{FILE} is not as the metrics are; MOMENTS_UPDATE_DOCS=1 cargo test --test it dashboard"
    );
}

/// Of the file as it is shipped.
#[test]
fn every_query_names_only_what_exists() {
    let known = prometheus::known();
    let shipped: Value = serde_json::from_str(&read(FILE)).expect("JSON");
    let mut queries = 0;
    let panels = shipped["panels"].as_array().expect("panels");
    for target in panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
    {
        let query = target["expr"]
            .as_str()
            .expect("a query")
            .replace("$__rate_interval", "5m");
        let labels = known
            .labels(&query)
            .unwrap_or_else(|error| panic!("{error}"));
        let legend = target["legendFormat"].as_str().expect("a legend");
        for label in legend
            .split("{{")
            .skip(1)
            .filter_map(|rest| rest.split("}}").next())
        {
            assert!(labels.contains(label), "the legend {legend} of {query}");
        }
        queries += 1;
    }
    assert!(queries >= METRICS.len(), "{queries} queries");
    let shown = read(FILE);
    for metric in METRICS {
        assert!(
            shown.contains(metric.name),
            "no panel shows {}",
            metric.name
        );
    }
}
