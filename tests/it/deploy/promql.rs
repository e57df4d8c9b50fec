//! Which labels the result of a PromQL expression has. Errors: a metric that does not exist, a label that it has not.

use std::collections::{BTreeMap, BTreeSet};

use moments::telemetry::metrics::{Kind, METRICS};
use promql_parser::label::Labels as Named;
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
    parse,
};

/// Labels that Prometheus adds to whatever it reads.
const ADDED: [&str; 2] = ["job", "instance"];

pub type Labels = BTreeSet<String>;

/// What can be asked for: the metrics of the program, what Prometheus adds, and what recording rules record.
#[derive(Clone, Debug)]
pub struct Known(BTreeMap<String, Labels>);

impl Known {
    /// The metrics of the program, and `up`.
    pub fn metrics() -> Self {
        let mut known = BTreeMap::from([("up".to_owned(), labels(ADDED))]);
        for metric in METRICS {
            let of = |more: &[&str]| {
                labels(ADDED)
                    .into_iter()
                    .chain(labels(metric.labels.iter().chain(more).copied()))
                    .collect()
            };
            match metric.kind {
                Kind::Histogram(_) => {
                    known.insert(format!("{}_bucket", metric.name), of(&["le"]));
                    known.insert(format!("{}_sum", metric.name), of(&[]));
                    known.insert(format!("{}_count", metric.name), of(&[]));
                }
                Kind::Counter | Kind::Gauge => {
                    known.insert(metric.name.to_owned(), of(&[]));
                }
            }
        }
        Self(known)
    }

    /// A recording rule's result can be asked for as well.
    pub fn record(&mut self, name: &str, labels: Labels) {
        self.0.insert(name.to_owned(), labels);
    }

    /// The labels of an expression's result.
    pub fn labels(&self, expression: &str) -> Result<Labels, String> {
        let parsed = parse(expression).map_err(|error| format!("{expression}: {error}"))?;
        self.of(&parsed)
            .map_err(|error| format!("{expression}: {error}"))
    }

    fn of(&self, expression: &Expr) -> Result<Labels, String> {
        match expression {
            Expr::VectorSelector(selector) => self.selected(selector),
            Expr::MatrixSelector(matrix) => self.selected(&matrix.vs),
            Expr::Subquery(query) => self.of(&query.expr),
            Expr::Paren(paren) => self.of(&paren.expr),
            Expr::Unary(unary) => self.of(&unary.expr),
            Expr::Aggregate(aggregate) => self.aggregated(aggregate),
            Expr::Binary(binary) => self.combined(binary),
            Expr::Call(call) => self.called(call),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(Labels::new()),
            Expr::Extension(_) => Err("no expression of Prometheus".to_owned()),
        }
    }

    fn selected(&self, selector: &VectorSelector) -> Result<Labels, String> {
        let name = selector
            .name
            .as_deref()
            .ok_or("a selector without a name")?;
        let labels = self
            .0
            .get(name)
            .ok_or(format!("there is no metric {name}"))?;
        let matchers = &selector.matchers;
        let matched = matchers
            .matchers
            .iter()
            .chain(matchers.or_matchers.iter().flatten());
        for matcher in matched {
            has(labels, &matcher.name)?;
        }
        Ok(labels.clone())
    }

    fn aggregated(&self, aggregate: &AggregateExpr) -> Result<Labels, String> {
        let labels = self.of(&aggregate.expr)?;
        Ok(match &aggregate.modifier {
            None => Labels::new(),
            Some(LabelModifier::Include(kept)) => all(&labels, kept)?,
            Some(LabelModifier::Exclude(dropped)) => &labels - &all(&labels, dropped)?,
        })
    }

    fn combined(&self, binary: &BinaryExpr) -> Result<Labels, String> {
        let (left, right) = (self.of(&binary.lhs)?, self.of(&binary.rhs)?);
        let Some(modifier) = &binary.modifier else {
            // With a number, what the other side has.
            return Ok(if left.is_empty() { right } else { left });
        };
        if let Some(LabelModifier::Include(on)) = &modifier.matching {
            all(&left, on)?;
            all(&right, on)?;
        }
        Ok(match &modifier.card {
            VectorMatchCardinality::ManyToOne(taken) => &left | &all(&right, taken)?,
            VectorMatchCardinality::OneToMany(taken) => &right | &all(&left, taken)?,
            VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => {
                if left.is_empty() { right } else { left }
            }
        })
    }

    fn called(&self, call: &Call) -> Result<Labels, String> {
        let mut labels = Labels::new();
        for argument in &call.args.args {
            labels.append(&mut self.of(argument)?);
        }
        if call.func.name == "histogram_quantile" {
            has(&labels, "le")?;
            labels.remove("le");
        }
        Ok(labels)
    }
}

fn labels<'a>(names: impl IntoIterator<Item = &'a str>) -> Labels {
    names.into_iter().map(str::to_owned).collect()
}

fn has(labels: &Labels, name: &str) -> Result<(), String> {
    if labels.contains(name) {
        return Ok(());
    }
    Err(format!("there is no label {name}, only {labels:?}"))
}

/// The named ones, all of which must be there.
fn all(labels: &Labels, named: &Named) -> Result<Labels, String> {
    for name in &named.labels {
        has(labels, name)?;
    }
    Ok(named.labels.iter().cloned().collect())
}

#[test]
fn labels_follow_from_metrics_and_operators() {
    let known = Known::metrics();
    let ok = |expression: &str, expected: &[&str]| {
        assert_eq!(
            known.labels(expression),
            Ok(labels(expected.iter().copied())),
            "{expression}"
        );
    };
    ok(
        "moments_lag_records > 0",
        &["instance", "job", "partition", "topic"],
    );
    ok(
        "sum by (topic) (rate(moments_events_read_total{topic=\"cart\"}[5m]))",
        &["topic"],
    );
    ok(
        "histogram_quantile(0.9, sum by (le, job) (rate(moments_commit_duration_seconds_bucket[5m])))",
        &["job"],
    );
    ok(
        "moments_lag_seconds and on (partition) moments_lag_records > 0",
        &["instance", "job", "partition"],
    );
    for (expression, error) in [
        (
            "rate(moments_event_read_total[5m])",
            "no metric moments_event_read_total",
        ),
        ("moments_tasks{status=\"refused\"}", "no label status"),
        ("sum by (trigger) (moments_lag_records)", "no label trigger"),
        (
            "moments_commit_duration_seconds",
            "no metric moments_commit_duration_seconds",
        ),
        (
            "moments_profiles and on (topic) moments_lag_records",
            "no label topic",
        ),
        (
            "histogram_quantile(0.9, sum by (job) (moments_commit_duration_seconds_bucket))",
            "no label le",
        ),
        ("sum by (", "sum by ("),
    ] {
        let found = known.labels(expression).expect_err(expression);
        assert!(found.contains(error), "{found}");
    }
}
