//! What is written for people: only metrics that exist are named, every link leads somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use moments::telemetry::metrics::METRICS;

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
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
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
