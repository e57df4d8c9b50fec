//! The AsyncAPI document is one by AsyncAPI's own schema.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;

/// AsyncAPI's JSON Schema of its version 3.0.0.
const SCHEMA: &str = "tests/fixtures/asyncapi-3.0.0.schema.json.gz";
const DOCUMENT: &str = "docs/reference/asyncapi.yaml";

/// The validator that `./dev test` brings.
fn validator() -> Option<PathBuf> {
    let found =
        std::env::var_os("MOMENTS_LINTERS").map(|bin| Path::new(&bin).join("check-jsonschema"));
    if found.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "MOMENTS_LINTERS is not set, and in CI no test may be skipped; use ./dev test"
        );
        // Past the capture of test output, so that it is seen although the test passes.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the AsyncAPI document: no check-jsonschema (./dev test brings it)"
        );
    }
    found
}

#[test]
fn the_document_of_all_topics_is_one_of_asyncapi() {
    let Some(validator) = validator() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut text = String::new();
    let packed = File::open(root.join(SCHEMA)).expect("the schema");
    GzDecoder::new(packed)
        .read_to_string(&mut text)
        .expect("a schema of text");
    let schema = dir.path().join("asyncapi.json");
    fs::write(&schema, text).expect("a schema beside the test");
    let check = |document: &Path| {
        let mut command = Command::new(&validator);
        command.arg("--schemafile").arg(&schema).arg(document);
        command.output().expect("check-jsonschema runs")
    };
    let output = check(&root.join(DOCUMENT));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    // It would not pass what is none.
    let broken = dir.path().join("broken.yaml");
    let document = fs::read_to_string(root.join(DOCUMENT)).expect("the document");
    fs::write(&broken, document.replace("action: receive", "action: take")).expect("a broken one");
    assert!(!check(&broken).status.success());
}
