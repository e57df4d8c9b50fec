//! Writes records to files, one a topic, or all to one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Record, Truth};
use crate::config::InputKind;

/// The topics, with the names of their files.
const TOPICS: [(InputKind, &str); 6] = [
    (InputKind::Cart, "cart"),
    (InputKind::Clickstream, "clickstream"),
    (InputKind::Outcomes, "outcomes"),
    (InputKind::Profile, "profile"),
    (InputKind::Purchase, "purchase"),
    (InputKind::Support, "support"),
];
/// What is gathered before it is written.
const BUFFER_BYTES: usize = 1 << 20;

/// A file that is being written, gzipped or not.
enum Out {
    Plain(BufWriter<Box<dyn Write + Send>>),
    Gzip(GzEncoder<BufWriter<Box<dyn Write + Send>>>),
}

impl Out {
    fn create(path: &Path, gzip: bool) -> io::Result<Self> {
        let file = File::create(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        Ok(Self::to(Box::new(file), gzip))
    }

    fn to(stream: Box<dyn Write + Send>, gzip: bool) -> Self {
        let out = BufWriter::with_capacity(BUFFER_BYTES, stream);
        // Speed before size: at the default level, gzip takes longer than everything else together.
        if gzip {
            Self::Gzip(GzEncoder::new(out, Compression::fast()))
        } else {
            Self::Plain(out)
        }
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let out: &mut dyn Write = match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out,
        };
        out.write_all(line)?;
        out.write_all(b"\n")
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut out) => out.flush(),
            Self::Gzip(out) => out.finish()?.flush(),
        }
    }
}

/// Events as JSON Lines: a file a topic, or one stream of all.
pub struct Files {
    topics: Vec<(Option<InputKind>, Out)>,
}

impl Files {
    /// A file for each topic in `folder`, which is made: `cart.jsonl` and so on, or `.jsonl.gz`.
    ///
    /// # Errors
    /// Where one cannot be made, with its path.
    pub fn in_folder(folder: &Path, gzip: bool) -> io::Result<Self> {
        fs::create_dir_all(folder).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
        })?;
        let ending = if gzip { "jsonl.gz" } else { "jsonl" };
        let create = |(kind, name): (InputKind, &str)| {
            let path = folder.join(format!("{name}.{ending}"));
            Ok((Some(kind), Out::create(&path, gzip)?))
        };
        Ok(Self {
            topics: TOPICS.into_iter().map(create).collect::<io::Result<_>>()?,
        })
    }

    /// All topics to one stream, in order of time.
    #[must_use]
    pub fn to(stream: Box<dyn Write + Send>, gzip: bool) -> Self {
        Self {
            topics: vec![(None, Out::to(stream, gzip))],
        }
    }

    /// Writes an event.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn event(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut outs = self.topics.iter_mut();
        match outs.find(|(kind, _)| kind.is_none() || *kind == record.topic) {
            Some((_, out)) => out.line(record.value),
            None => Ok(()),
        }
    }

    /// Writes what is still to be written.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(self) -> io::Result<()> {
        self.topics
            .into_iter()
            .try_for_each(|(_, out)| out.finish())
    }
}

/// The file of truths.
pub struct Truths {
    out: Out,
}

impl Truths {
    /// Made at `path`; gzipped where it ends in `.gz`.
    ///
    /// # Errors
    /// Where it cannot be made, with its path.
    pub fn create(path: &Path) -> io::Result<Self> {
        let gzip = path.extension().is_some_and(|ending| ending == "gz");
        Ok(Self {
            out: Out::create(path, gzip)?,
        })
    }

    /// Where the truths of events in `folder` go: beside it, so that the folder holds events only.
    #[must_use]
    pub fn beside(folder: &Path) -> PathBuf {
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push("-truth.jsonl");
        folder.with_file_name(name)
    }

    /// Writes a line.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.out.line(line)
    }

    /// Writes how everybody is, and what is still to be written.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(mut self, people: impl Iterator<Item = Truth>) -> io::Result<()> {
        for truth in people {
            self.out.line(&serde_json::to_vec(&truth)?)?;
        }
        self.out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truths_lie_beside_the_folder_of_events() {
        for (folder, truths) in [
            ("shop", "shop-truth.jsonl"),
            ("a/b/shop/", "a/b/shop-truth.jsonl"),
        ] {
            assert_eq!(Truths::beside(Path::new(folder)), Path::new(truths));
        }
    }
}
