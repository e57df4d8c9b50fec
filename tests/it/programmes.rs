//! The shipped triggers do what their scenarios say, each has scenarios, and the pages about them hold.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use moments::config::Config;
use moments::trigger::report;
use moments::trigger::scenario::{self, Outcome};
use moments::trigger::set::{self, Basis};

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a user has who configured nothing.
fn basis() -> Basis {
    let config = Config::default();
    Basis {
        vocabulary: Arc::new(config.vocabulary().expect("the standard vocabulary")),
        attributes: config.attributes(),
        policy: config.policy(),
    }
}

fn failures(outcomes: &[Outcome]) -> String {
    let failed = |outcome: &Outcome| {
        let difference = outcome.failure.as_ref()?;
        let Outcome {
            file, line, test, ..
        } = outcome;
        Some(format!("{file}:{line}: {test}\n{difference}"))
    };
    outcomes.iter().filter_map(failed).collect()
}

#[test]
fn every_shipped_scenario_holds() {
    let outcomes = scenario::run(&checkout("deploy/triggers"), &basis());
    let outcomes = outcomes.unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    let failures = failures(&outcomes);
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_shipped_trigger_shows_each_of_its_treatments() {
    let files = set::files(&checkout("deploy/triggers"), set::is_trigger_file);
    let files = files.expect("a directory of triggers");
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let plan = set::load(&file, &basis())
            .unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
        let trigger = &plan.triggers[0];
        let stem = file.file_stem().and_then(|stem| stem.to_str());
        assert_eq!(stem, Some(&*trigger.name), "{}", file.display());
        let scenarios = set::source(&file.with_extension("test.yaml"))
            .unwrap_or_else(|report| panic!("{}", report.rendered()));
        for treatment in &trigger.treatments {
            assert!(
                scenarios.text().contains(treatment.template.as_str()),
                "no scenario of {} expects {}",
                trigger.name,
                treatment.template
            );
        }
    }
}
