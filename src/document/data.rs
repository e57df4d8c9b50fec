//! Files of data that stand beside those that people write, and are named by them: CSV.

use std::path::Path;

use super::reader::Reader;
use super::report::{Report, Source};
use super::suggest::{closest, listed};
use super::yaml::Node;

pub use super::report::DATA_BYTES as BYTES;

/// Whether a text is the name of such a file.
#[must_use]
pub fn is_named(text: &str) -> bool {
    text.ends_with(".csv") && !text.contains('\n')
}

/// Whether a path is that of one.
#[must_use]
pub fn is_data_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "csv")
}

/// The file that a value names, wherever in the set it stands.
pub fn beside<'s>(
    reader: &mut Reader<'_>,
    node: &Node,
    files: &[&'s Source],
) -> Option<&'s Source> {
    let name = node.text().unwrap_or_default();
    let names = files.iter().map(|file| last(file.name()));
    let mut meant = files.iter().filter(|file| last(file.name()) == name);
    match (meant.next(), meant.next()) {
        (Some(file), None) => Some(file),
        (Some(_), Some(_)) => {
            let message = format!("several files of the set are called `{name}`");
            reader.fails(&node.span, message, "each name once".to_owned());
            None
        }
        (None, _) => {
            let suggestion = closest(name, names.clone()).map(str::to_owned);
            let message = format!("no file of the set is called `{name}`");
            let report = Report::at(reader.source, node.span.clone(), message)
                .expected(match files.is_empty() {
                    true => "a .csv file beside this one; there is none".to_owned(),
                    false => format!("one of {}", listed(names)),
                })
                .suggest(suggestion);
            reader.reports.push(report);
            None
        }
    }
}

/// The last part of a path, on any system.
fn last(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
