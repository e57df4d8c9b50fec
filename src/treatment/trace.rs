//! W3C trace context: the header `traceparent`, which ties a command to the event that caused it.

use std::fmt;

/// Where something stands in a trace. Both ids are never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: u128,
    /// The span within it.
    pub span_id: u64,
    /// Bit 0: whoever began the trace records it.
    pub flags: u8,
}

impl TraceContext {
    /// Bytes of a header of version 00.
    const BYTES: usize = 55;

    /// Reads a `traceparent` header; none where it is not a valid one, as the recommendation says.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        // A later version may add fields after the four that are known.
        let (known, more) = header.split_at_checked(Self::BYTES)?;
        let mut fields = known.split('-');
        let version = hexadecimal(fields.next()?, 2)?;
        let trace_id = hexadecimal(fields.next()?, 32)?;
        let span_id = u64::try_from(hexadecimal(fields.next()?, 16)?).ok()?;
        let flags = u8::try_from(hexadecimal(fields.next()?, 2)?).ok()?;
        let ends = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.is_empty() || more.starts_with('-'),
        };
        let is_valid = ends && fields.next().is_none() && trace_id != 0 && span_id != 0;
        is_valid.then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }

    /// Whether whoever began the trace records it.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }
}

/// So many lower-case digits, and nothing else.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let fits = text.len() == digits && text.bytes().all(is_digit);
    fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// As a header of version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_or_it_is_none() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let read = |header: String| TraceContext::parse(&header);
        let expected = TraceContext {
            trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
            span_id: 0xb7ad_6b71_6920_3331,
            flags: 1,
        };
        assert_eq!(read(format!("00-{trace}-{span}-01")), Some(expected));
        assert_eq!(expected.to_string(), format!("00-{trace}-{span}-01"));
        assert_eq!(read(format!("01-{trace}-{span}-01-more")), Some(expected));
        assert!(!read(format!("00-{trace}-{span}-00")).is_some_and(TraceContext::is_sampled));
        for invalid in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("01-{trace}-{span}-01more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", "\n".repeat(32)),
            format!("00-{}-{span}-01", "é".repeat(16)),
            format!("00_{trace}-{span}-01"),
        ] {
            assert_eq!(read(invalid.clone()), None, "{invalid}");
        }
    }
}
