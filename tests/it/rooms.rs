//! The rooms of the house: each knows only those before it in `src/lib.rs`, the core asks neither the clock nor the world, no two
//! files need each other, and the picture in docs/design.md is drawn from the code's own imports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::generated;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// From a record to a command: the same for the same input.
const CORE: [&str; 29] = [
    "time",
    "stats",
    "stored",
    "event",
    "value",
    "table",
    "score",
    "measure",
    "money",
    "document",
    "avro",
    "mapping",
    "decode",
    "profile",
    "expression",
    "moment",
    "fact",
    "model",
    "segment",
    "treatment",
    "journey",
    "suppression",
    "referral",
    "trigger",
    "policy",
    "engine",
    "explain",
    "encode",
    "task",
];

/// What the core may not name.
const WORLD: [&str; 5] = ["std::time", "std::env", "std::thread", "rdkafka", "tracing"];

/// One file of the library, without comments and without its tests.
struct File {
    /// Its path below `src`, without `.rs` and without `/mod`: the path of its module.
    module: Vec<String>,
    text: String,
}

impl File {
    fn room(&self) -> &str {
        &self.module[0]
    }

    fn name(&self) -> String {
        self.module.join("::")
    }

    /// Everything that it takes from elsewhere in the library, as a path from its top.
    fn imports(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for (start, word) in [("crate::", 0), ("super::", 1)] {
            for (at, _) in self.text.match_indices(start) {
                let before = self.text[..at].chars().next_back().unwrap_or(' ');
                if before.is_alphanumeric() || before == '_' || before == ':' {
                    continue;
                }
                let mut rest = &self.text[at + start.len()..];
                let mut base = match word {
                    0 => Vec::new(),
                    _ => self.module[..self.module.len() - 1].to_vec(),
                };
                while let Some(more) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = more;
                }
                expand(&base, rest, &mut found);
            }
        }
        found
    }
}

/// The paths that stand behind a path: `a::b`, or several in braces.
fn expand(base: &[String], rest: &str, found: &mut Vec<Vec<String>>) {
    if let Some(inner) = rest.strip_prefix('{') {
        let (mut depth, mut start) = (0, 0);
        for (at, letter) in inner.char_indices() {
            match letter {
                '{' => depth += 1,
                ',' if depth == 0 => {
                    expand(base, inner[start..at].trim(), found);
                    start = at + 1;
                }
                '}' if depth == 0 => {
                    expand(base, inner[start..at].trim(), found);
                    return;
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return;
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (word, more) = rest.split_at(end.unwrap_or(rest.len()));
    if word.is_empty() {
        return;
    }
    let mut path = base.to_vec();
    if word != "self" {
        path.push(word.to_owned());
    }
    match more.strip_prefix("::") {
        Some(more) => expand(&path, more, found),
        None => found.push(path),
    }
}

/// Without comments, and without what stands behind `#[cfg(test)]`.
fn stripped(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = code.unwrap_or_default().lines();
    let lines = lines.map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn files() -> Vec<File> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::from(ROOT).join("src")];
    while let Some(path) = open.pop() {
        for entry in path.read_dir().expect("a folder of the library") {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if stem == Some("tests") {
                continue;
            }
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let below = path
                .strip_prefix(Path::new(ROOT).join("src"))
                .expect("below it");
            let module = below.with_extension("");
            let words = module
                .iter()
                .map(|word| word.to_string_lossy().into_owned());
            let module: Vec<String> = words.filter(|word| word != "mod").collect();
            if ["lib", "main"].contains(&module[0].as_str()) {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            let text = stripped(&text);
            files.push(File { module, text });
        }
    }
    files.sort_by(|a, b| a.module.cmp(&b.module));
    files
}

/// The rooms, in the order in which they stand in `src/lib.rs`.
fn rooms() -> Vec<String> {
    let lib = std::fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).expect("text");
    let named = lib.lines().filter_map(|line| line.strip_prefix("pub mod "));
    named
        .map(|room| room.trim_end_matches(';').to_owned())
        .collect()
}

#[test]
fn each_room_knows_only_those_before_it() {
    let rooms = rooms();
    let place = |room: &str| rooms.iter().position(|known| known == room);
    let mut against = BTreeSet::new();
    for file in files() {
        let own = place(file.room()).unwrap_or_else(|| panic!("{} is no room", file.room()));
        for path in file.imports() {
            if let Some(other) = path.first().and_then(|room| place(room))
                && other > own
            {
                against.insert(format!("{} takes {}", file.name(), path.join("::")));
            }
        }
    }
    assert!(against.is_empty(), "{against:#?}");
}

#[test]
fn the_core_asks_neither_the_clock_nor_the_world() {
    let mut against = BTreeSet::new();
    for file in files().iter().filter(|file| CORE.contains(&file.room())) {
        for word in WORLD.iter().filter(|word| file.text.contains(**word)) {
            against.insert(format!("{} names {word}", file.name()));
        }
    }
    assert!(against.is_empty(), "{against:#?}");
    let rooms = rooms();
    for room in CORE {
        assert!(rooms.iter().any(|known| known == room), "{room} is no room");
    }
}

/// By file, the files that it takes something from. A name that a room only passes on (`pub use`) is where it was made; a folder's
/// own `mod.rs` and what lies in the folder may know each other.
fn arrows(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let known: BTreeSet<Vec<String>> = files.iter().map(|file| file.module.clone()).collect();
    let passed_on: BTreeMap<Vec<String>, Vec<String>> = files.iter().flat_map(passed_on).collect();
    let home = |path: &[String]| -> Option<Vec<String>> {
        let path = passed_on.get(path).map_or(path, Vec::as_slice);
        (1..=path.len())
            .rev()
            .map(|len| path[..len].to_vec())
            .find(|it| known.contains(it))
    };
    let mut arrows = BTreeMap::new();
    for file in files {
        let homes = file.imports().into_iter().filter_map(|path| home(&path));
        let others = homes
            .filter(|other| !other.starts_with(&file.module) && !file.module.starts_with(other));
        arrows.insert(file.name(), others.map(|other| other.join("::")).collect());
    }
    arrows
}

/// The names that a file passes on, and where they are made.
fn passed_on(file: &File) -> Vec<(Vec<String>, Vec<String>)> {
    let mut found = Vec::new();
    for statement in file.text.split("pub use ").skip(1) {
        let statement = statement.split(';').next().unwrap_or_default();
        let statement = statement.strip_prefix("self::").unwrap_or(statement);
        let mut paths = Vec::new();
        expand(&file.module, statement, &mut paths);
        for path in paths {
            let name = path.last().expect("a name").clone();
            let mut here = file.module.clone();
            here.push(name);
            found.push((here, path));
        }
    }
    found
}

/// Everything that can be reached from a file.
fn reached(arrows: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = arrows[from].iter().collect();
    while let Some(next) = open.pop() {
        if seen.insert(next.clone()) {
            open.extend(&arrows[next]);
        }
    }
    seen
}

#[test]
fn no_two_files_need_each_other() {
    let files = files();
    let arrows = arrows(&files);
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for file in arrows.keys() {
        let mut circle: Vec<String> = reached(&arrows, file)
            .into_iter()
            .filter(|other| reached(&arrows, other).contains(file))
            .collect();
        circle.sort();
        if circle.contains(file) {
            circles.insert(circle);
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

/// The rooms as a graph in Mermaid: an arrow where a room takes from another, but for those that a longer way says already.
fn picture() -> String {
    let rooms = rooms();
    let mut takes: BTreeMap<String, BTreeSet<String>> = rooms
        .iter()
        .map(|room| (room.clone(), BTreeSet::new()))
        .collect();
    for file in files() {
        for path in file.imports() {
            if let Some(other) = path.first().filter(|room| rooms.contains(room))
                && other != file.room()
            {
                takes
                    .get_mut(file.room())
                    .expect("a room")
                    .insert(other.clone());
            }
        }
    }
    let mut lines = vec!["```mermaid".to_owned(), "flowchart BT".to_owned()];
    for room in &rooms {
        for other in &takes[room] {
            let longer = takes[room]
                .iter()
                .any(|between| between != other && reached(&takes, between).contains(other));
            if !longer {
                lines.push(format!("  {room} --> {other}"));
            }
        }
    }
    lines.push("```".to_owned());
    lines.join("\n")
}

#[test]
fn the_picture_of_the_rooms_is_up_to_date() {
    let maker = ("rooms", "tests/it/rooms.rs");
    generated::is_up_to_date("docs/design.md", maker, &(picture() + "\n"));
}
