//! Files of events: JSON Lines, gzipped or not, each line a record of at most
//! [`limits::RECORD_BYTES`](crate::event::limits::RECORD_BYTES) kept in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::Source;
use crate::event::limits::RECORD_BYTES;

/// The lines of a file; blank ones are passed over.
pub struct Lines {
    reader: Box<dyn BufRead>,
}

impl Lines {
    /// Opens a file, gzipped or not. `progress` is told of the bytes read from disk.
    ///
    /// # Errors
    /// Where it cannot be opened, with its path.
    pub fn open(path: &Path, progress: impl FnMut(u64) + 'static) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(named)?;
        let mut reader = BufReader::with_capacity(1 << 16, Watched { file, progress });
        let gzipped = reader.fill_buf().map_err(named)?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead> = if gzipped {
            Box::new(BufReader::with_capacity(
                1 << 16,
                MultiGzDecoder::new(reader),
            ))
        } else {
            Box::new(reader)
        };
        Ok(Self { reader })
    }
}

impl Source for Lines {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(line) = self.line()? else {
                return Ok(None);
            };
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(line));
            }
        }
    }
}

impl Lines {
    /// One line. Of one that is too long for an event only so much is kept that it is seen to be.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut any = false;
        loop {
            let chunk = self.reader.fill_buf()?;
            if chunk.is_empty() {
                return Ok(any.then_some(line));
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let room = (RECORD_BYTES + 1).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }
}

struct Watched<F> {
    file: File,
    progress: F,
}

impl<F: FnMut(u64)> Read for Watched<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        (self.progress)(read as u64);
        Ok(read)
    }
}
