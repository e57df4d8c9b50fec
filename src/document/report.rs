//! An error in a file: where, what, what was expected, and what was probably meant.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a file that a person wrote; what is longer was made by a program that went wrong.
pub const FILE_BYTES: usize = 256 * 1024;

/// Bytes of a file of data: some 60,000 hashes, or stores; a set of triggers is one record of at most 32 MiB.
pub const DATA_BYTES: usize = 4 * 1024 * 1024;

/// Length of an ONNX file: some thousands of trees. What is published has to fit into a record of the control topic besides.
pub const ONNX_BYTES: usize = 4 * 1024 * 1024;

/// Whether a file of this name is one of ONNX.
#[must_use]
pub fn is_onnx(name: &str) -> bool {
    name.ends_with(".onnx")
}

/// A file and its text.
#[derive(Clone, Debug)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    named: NamedSource<String>,
    /// What [`super::yaml::keys`] found.
    keys: OnceLock<Vec<String>>,
}

impl Source {
    /// A file by the name that reports show.
    #[must_use]
    pub fn new(name: &str, text: String) -> Self {
        Self(Arc::new(Inner {
            named: NamedSource::new(name, text),
            keys: OnceLock::new(),
        }))
    }

    /// Reads a file, by the name that reports show.
    ///
    /// # Errors
    /// Where it cannot be read, is too long, or is not UTF-8. Of an ONNX file, which is no text, the text is its base64.
    pub fn load(path: &Path) -> Result<Self, Report> {
        let name = path.display().to_string();
        let bytes = fs::read(path)
            .map_err(|error| Report::nowhere(format!("cannot read `{name}`: {error}")))?;
        if is_onnx(&name) {
            return match bytes.len() <= ONNX_BYTES {
                true => Ok(Self::new(&name, STANDARD.encode(bytes))),
                false => {
                    let found = bytes.len();
                    let message =
                        format!("{name} has {found} bytes; at most {ONNX_BYTES} are read");
                    Err(Report::nowhere(message))
                }
            };
        }
        let most = match path.extension() {
            Some(extension) if extension == "csv" => DATA_BYTES,
            _ => FILE_BYTES,
        };
        if bytes.len() > most {
            let found = bytes.len();
            return Err(Report::nowhere(format!(
                "{name} has {found} bytes; at most {most} are read"
            )));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let read = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..read]
                .split(|byte| *byte == b'\n')
                .count();
            let message =
                format!("{name} is not UTF-8: byte {read}, in line {line}, begins no character");
            Report::nowhere(message).expected("a file that was saved as UTF-8".to_owned())
        })?;
        Ok(Self::new(&name, text))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.named.name()
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.named.inner()
    }

    /// What tells its text from another.
    #[must_use]
    pub fn digest(&self) -> u64 {
        xxh3_64(self.text().as_bytes())
    }

    /// The keys of its first level, read once: a set asks each of its files for many.
    pub(super) fn keys(&self, read: impl FnOnce() -> Vec<String>) -> &[String] {
        self.0.keys.get_or_init(read)
    }
}

/// One error in one file; shown with the line and a caret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Report {
    message: String,
    place: Option<(Source, Range<usize>)>,
    expected: Option<String>,
    suggestion: Option<String>,
}

impl Report {
    /// An error at some bytes of a file.
    #[must_use]
    pub fn at(source: &Source, span: Range<usize>, message: impl Into<String>) -> Self {
        let place = Some((source.clone(), span));
        Self {
            message: message.into(),
            place,
            expected: None,
            suggestion: None,
        }
    }

    /// An error that has no place in a file, such as that there is none.
    #[must_use]
    pub fn nowhere(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            expected: None,
            suggestion: None,
        }
    }

    /// Says what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<Option<String>>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Says what was probably meant.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<Option<String>>) -> Self {
        self.suggestion = suggestion.into();
        self
    }

    /// File, line and column (both from 1, in characters).
    #[must_use]
    pub fn position(&self) -> Option<(&str, usize, usize)> {
        let (source, span) = self.place.as_ref()?;
        let before = source.text().get(..span.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |line| line.chars().count())
            + 1;
        Some((source.name(), line, column))
    }

    /// The text that is meant.
    #[must_use]
    pub fn meant(&self) -> Option<&str> {
        let (source, span) = self.place.as_ref()?;
        source.text().get(span.clone())
    }

    /// Whether another says the same of the same place.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.message == other.message && self.position() == other.position()
    }

    /// As a person reads it, without colours: message, file, line, caret.
    #[must_use]
    pub fn rendered(&self) -> String {
        let mut text = String::new();
        let handler =
            GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(120);
        match handler.render_report(&mut text, self) {
            Ok(()) => text,
            Err(_) => self.to_string(),
        }
    }
}

impl Diagnostic for Report {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place
            .as_ref()
            .map(|(source, _)| &source.0.named as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, span) = self.place.as_ref()?;
        let label = self.suggestion.as_ref().map_or("here".to_owned(), |meant| {
            format!("did you mean `{meant}`?")
        });
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(
            Some(label),
            span.clone(),
        ))))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.expected
            .as_ref()
            .map(|expected| Box::new(format!("expected: {expected}")) as Box<dyn std::fmt::Display>)
    }
}

/// All of them, one after the other, and how many.
#[must_use]
pub fn rendered(reports: &[Report]) -> String {
    let mut text: String = reports.iter().map(Report::rendered).collect();
    let plural = if reports.len() == 1 { "" } else { "s" };
    let _infallible = writeln!(text, "{} error{plural}", reports.len());
    text
}
