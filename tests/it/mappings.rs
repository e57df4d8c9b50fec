//! The shipped mappings make of samples what their tests say, and each has tests.

use std::path::Path;
use std::sync::Arc;

use moments::config::Config;
use moments::mapping::is_mapping_file;
use moments::trigger::report;
use moments::trigger::scenario;
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
    assert!(files.len() >= 3, "{files:?}");
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
