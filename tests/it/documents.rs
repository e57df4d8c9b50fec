//! What is written for people: every metric is in its table and nothing else, every link leads somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whatever stands between two of `quote` and looks like the name of a metric.
fn metrics(text: &str, quote: char) -> BTreeSet<&str> {
    let is_name = |text: &&str| {
        text.starts_with("moments_") && text.chars().all(|c| c == '_' || c.is_ascii_lowercase())
    };
    text.split(quote).filter(is_name).collect()
}

#[test]
fn every_metric_is_documented() {
    let (code, page) = (
        read(&root().join("src/telemetry.rs")),
        read(&root().join("docs/operations.md")),
    );
    assert_eq!(metrics(&code, '"'), metrics(&page, '`'));
}

#[test]
fn links_between_documents_lead_somewhere() {
    for page in [
        "README.md",
        "docs/triggers.md",
        "docs/guarantees.md",
        "docs/operations.md",
    ] {
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
fn anchors(text: &str) -> BTreeSet<String> {
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
