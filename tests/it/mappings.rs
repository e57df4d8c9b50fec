//! The shipped mappings make of samples what their tests say, and each has tests.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use moments::config::Config;
use moments::document::report;
use moments::mapping::is_mapping_file;
use moments::scenario;
use moments::trigger::set::{self, Basis};

#[test]
fn every_shipped_mapping_has_tests_and_they_hold() {
    let config = Config::default();
    let basis = Basis {
        vocabulary: Arc::new(config.vocabulary().expect("a vocabulary")),
        attributes: config.attributes(),
        policy: config.policy(),
        mappings: Arc::default(),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mappings");
    let files = set::files(&folder, set::is_trigger_file).expect("a folder of mappings");
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        assert!(is_mapping_file(&file), "{}", file.display());
        let tests = file.with_extension("test.yaml");
        let outcomes = scenario::run(&tests, &basis);
        let outcomes = outcomes.unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
        let failed: Vec<_> = outcomes
            .iter()
            .filter(|outcome| outcome.failure.is_some())
            .collect();
        assert!(outcomes.len() >= 5 && failed.is_empty(), "{failed:?}");
    }
}

#[test]
fn tests_of_this_folder_are_found_by_their_name_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mappings");
    let output = Command::new(env!("CARGO_BIN_EXE_moments"))
        .current_dir(folder)
        .env_remove("MOMENTS_CONFIG")
        .args(["test", "shopify-orders.test.yaml"])
        .output()
        .expect("moments runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.starts_with("./shopify-orders.test.yaml\n  ok "),
        "{said}"
    );
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_mapping_can_be_checked_where_there_are_no_triggers() {
    let folder = tempfile::tempdir().expect("a folder");
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/mappings/shopify-orders.yaml");
    let check = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_moments"))
            .current_dir(folder.path())
            .env_remove("MOMENTS_CONFIG")
            .arg("check")
            .args(arguments)
            .output()
            .expect("moments runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8(said).expect("text"),
        )
    };
    let mapping = mapping.to_str().expect("text");
    let (passes, said) = check(&["--mapping", mapping]);
    assert_eq!(
        said,
        "mapping shopify-orders, for topic *\nno triggers: no errors\n"
    );
    assert!(passes);
    for missing in [
        &[][..],
        &["--mapping", mapping, "--triggers", "nowhere"],
        &["--mapping", mapping, "--set", "triggers.path=nowhere"],
        &["--mapping", "nowhere.yaml"],
    ] {
        let (passes, said) = check(missing);
        assert!(!passes, "{missing:?}: {said}");
    }
}
