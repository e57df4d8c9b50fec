//! From text to syntax, by the `cel` crate, within bounds.

use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, SourceInfo};
use cel::parser::ParseErrors;

use super::{ExpressionError, limits};
use crate::time::parse_duration;

/// A parsed text with the place of every node.
pub struct Parsed<'t> {
    /// The text.
    pub text: &'t str,
    /// Its syntax.
    pub root: IdedExpr,
    places: SourceInfo,
}

impl Parsed<'_> {
    /// The bytes of a node and everything below it.
    pub fn span(&self, node: &IdedExpr) -> Range<usize> {
        let own = self.token(node);
        match &node.expr {
            Expr::Select(select) => {
                let start = self.span(&select.operand).start;
                start..self.after_field(own.end, &select.field)
            }
            Expr::Call(call) => {
                let mut span = own.clone();
                if is_word(&call.func_name) {
                    // The token is the opening bracket; the name stands before it.
                    span.start = self.before_bracket(own.start, &call.func_name);
                    span.end = self.closing(own.start, ')');
                }
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    let part = self.span(part);
                    span = span.start.min(part.start)..span.end.max(part.end);
                }
                if call.func_name == cel::common::ast::operators::INDEX {
                    span.end = self.closing(own.start, ']');
                }
                span
            }
            Expr::List(_) => own.start..self.closing(own.start, ']'),
            Expr::Map(_) => own.start..self.closing(own.start, '}'),
            _ => own,
        }
    }

    /// The same with the brackets around it that close or open within.
    pub fn balanced(&self, span: Range<usize>) -> Range<usize> {
        let (mut open, mut lacking) = (0usize, 0usize);
        for (_, character) in outside_quotes(&self.text[span.clone()]) {
            match character {
                '(' => open += 1,
                ')' if open > 0 => open -= 1,
                ')' => lacking += 1,
                _ => {}
            }
        }
        let behind = self.text[span.end..].char_indices();
        let closing = behind.filter(|(_, it)| *it == ')').take(open).last();
        let before = self.text[..span.start].char_indices().rev();
        let opening = before.filter(|(_, it)| *it == '(').take(lacking).last();
        let start = opening.map_or(span.start, |(at, _)| at);
        start..closing.map_or(span.end, |(at, _)| span.end + at + 1)
    }

    /// The bytes of a call's name.
    pub fn name_span(&self, node: &IdedExpr, name: &str) -> Range<usize> {
        let bracket = self.token(node).start;
        let start = self.before_bracket(bracket, name);
        start..start + name.len()
    }

    /// The bytes of the field of a selection.
    pub fn field_span(&self, node: &IdedExpr, field: &str) -> Range<usize> {
        let end = self.after_field(self.token(node).end, field);
        end.saturating_sub(field.len())..end
    }

    fn token(&self, node: &IdedExpr) -> Range<usize> {
        let (start, stop) = self.places.offset_for(node.id).unwrap_or((0, 0));
        clip(self.text, start as usize..stop as usize + 1)
    }

    fn after_field(&self, dot: usize, field: &str) -> usize {
        self.text[dot..]
            .find(field)
            .map_or(dot, |at| dot + at + field.len())
    }

    fn before_bracket(&self, bracket: usize, name: &str) -> usize {
        self.text[..bracket].rfind(name).unwrap_or(bracket)
    }

    /// Just after the bracket that closes the one at `open`.
    fn closing(&self, open: usize, bracket: char) -> usize {
        let mut depth = 0;
        for (at, character) in outside_quotes(&self.text[open..]) {
            match character {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && character == bracket {
                return open + at + 1;
            }
        }
        self.text.len()
    }
}

/// Whether a call's name is a function's, not an operator's.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.')
}

/// Parses a text.
pub fn parse(text: &str) -> Result<Parsed<'_>, ExpressionError> {
    within_bounds(text)?;
    // No macros: `has` stays a call like any other, and there are no loops.
    let parser = cel::Env::default().with_optional_support(false).parser();
    match parser.parse_with_source_info(text) {
        Ok((root, places)) => Ok(Parsed { text, root, places }),
        Err(errors) => Err(syntax_error(text, &errors)),
    }
}

fn within_bounds(text: &str) -> Result<(), ExpressionError> {
    let fails = |span: Range<usize>, message: String| {
        Err(ExpressionError {
            span: clip(text, span),
            message,
            expected: None,
            suggestion: None,
        })
    };
    if text.trim().is_empty() {
        return fails(
            0..text.len(),
            "an expression was expected, and there is none".to_owned(),
        );
    }
    if let Some(at) = text.find("\"\"\"").or_else(|| text.find("'''")) {
        return fails(at..at + 3, "a text stands in one pair of quotes".to_owned());
    }
    if text.len() > limits::TEXT_BYTES {
        let message = format!(
            "an expression has at most {} bytes; this one has {}",
            limits::TEXT_BYTES,
            text.len()
        );
        return fails(0..text.len(), message);
    }
    let (mut depth, mut tokens, mut in_word) = (0usize, 0usize, false);
    for (at, character) in outside_quotes(text) {
        let word = character.is_alphanumeric() || character == '_';
        let begins = if word {
            !in_word
        } else {
            !character.is_whitespace()
        };
        tokens += usize::from(begins);
        in_word = word;
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::NESTING {
            return fails(
                at..at + 1,
                format!("brackets stand at most {} deep", limits::NESTING),
            );
        }
        if tokens > limits::TOKENS {
            let message = format!(
                "an expression has at most {} names, literals and operators",
                limits::TOKENS
            );
            return fails(at..at + 1, message);
        }
    }
    Ok(())
}

/// The characters outside of quoted texts; of a quoted text, its opening quote. In a raw text
/// (`r"..."`) a backslash is a backslash.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote: Option<(char, bool)> = None;
    let (mut escaped, mut before) = (false, ' ');
    text.char_indices().filter(move |(_, character)| {
        let outside = quote.is_none();
        match quote {
            Some(_) if escaped => escaped = false,
            Some((_, false)) if *character == '\\' => escaped = true,
            Some((open, _)) if *character == open => quote = None,
            None if matches!(character, '"' | '\'') => {
                quote = Some((*character, matches!(before, 'r' | 'R')));
            }
            _ => {}
        }
        before = *character;
        outside
    })
}

/// What the parser says, in our words where it says it in those of its grammar.
fn syntax_error(text: &str, errors: &ParseErrors) -> ExpressionError {
    let Some(error) = errors.errors.first() else {
        return ExpressionError {
            span: 0..text.len(),
            message: "this is no expression".to_owned(),
            expected: None,
            suggestion: None,
        };
    };
    let start = place(text, error.pos.0, error.pos.1);
    let end = text[start..]
        .char_indices()
        .find(|(at, c)| *at > 0 && !c.is_alphanumeric())
        .map_or(text.len(), |(at, _)| start + at);
    let raw = error.msg.trim_start_matches("Syntax error: ");
    let at_end = start >= text.trim_end().len();
    let rest = &text[start..end];
    let message = if at_end {
        "the expression ends too early".to_owned()
    } else if raw.starts_with("reserved identifier") {
        format!("`{rest}` is reserved in CEL")
    } else if raw.starts_with("token recognition error") {
        "a text or a character stands here that CEL does not know".to_owned()
    } else {
        format!("`{rest}` was not expected here")
    };
    let (expected, suggestion) = common_slip(text, start);
    ExpressionError {
        span: clip(text, start..end),
        message,
        expected,
        suggestion,
    }
}

/// What people write who come from SQL or from a spreadsheet.
fn common_slip(text: &str, start: usize) -> (Option<String>, Option<String>) {
    let rest = &text[start..];
    let before = text[..start].trim_end();
    let slips = [
        ("and", "&&"),
        ("or", "||"),
        ("not", "!"),
        ("AND", "&&"),
        ("OR", "||"),
        ("NOT", "!"),
        ("<>", "!="),
    ];
    for (wrong, right) in slips {
        if rest.starts_with(wrong) {
            return (None, Some(right.to_owned()));
        }
        if before.ends_with(wrong) && is_word(wrong) {
            return (Some(format!("`{right}` instead of `{wrong}`")), None);
        }
    }
    if rest.starts_with(['“', '”', '‘', '’']) {
        return (None, Some("\"".to_owned()));
    }
    if rest.starts_with('=') || before.ends_with('=') {
        return (None, Some("==".to_owned()));
    }
    if let Some(duration) = bare_duration(text, start) {
        return (None, Some(format!("duration(\"{duration}\")")));
    }
    (
        Some(
            "an expression in CEL, such as `profile.basket.value >= 20 && has(profile.country)`"
                .to_owned(),
        ),
        None,
    )
}

/// A number with its unit, as durations stand elsewhere in a file, of which the unit begins at `start`.
fn bare_duration(text: &str, start: usize) -> Option<&str> {
    let number = text[..start].trim_end_matches(|c: char| c.is_ascii_digit());
    let unit = text[start..].find(|c: char| !c.is_alphanumeric());
    let whole = &text[number.len()..unit.map_or(text.len(), |end| start + end)];
    parse_duration(whole).is_ok().then_some(whole)
}

/// The byte of a line and column (in characters, from 1).
fn place(text: &str, line: isize, column: isize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let column = usize::try_from(column - 1).unwrap_or(0);
    text[start..]
        .char_indices()
        .nth(column)
        .map_or(text.len(), |(at, _)| start + at)
}

/// A span that lies in the text, on boundaries of characters.
fn clip(text: &str, span: Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}
