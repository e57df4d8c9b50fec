//! The shipped triggers do what their scenarios say, each has scenarios, and the pages about them hold.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moments::config::Config;
use moments::document::report;
use moments::document::report::Source;
use moments::reference;
use moments::scenario::{self, Outcome};
use moments::treatment::code::Key;
use moments::trigger::policy::Policy;
use moments::trigger::set::{self, Basis};

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a user has who configured nothing.
fn basis() -> Basis {
    basis_of(&Config::default())
}

fn basis_of(config: &Config) -> Basis {
    Basis {
        vocabulary: Arc::new(config.vocabulary().expect("a vocabulary")),
        attributes: config.attributes(),
        policy: config.policy(),
        mappings: Arc::default(),
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

/// Those that are shipped, and the edges of what may be declared.
#[test]
fn every_scenario_holds() {
    for folder in [
        "deploy/triggers",
        "deploy/referral",
        "tests/fixtures/edges",
        "tests/fixtures/journeys",
        "tests/fixtures/standing",
    ] {
        let outcomes = scenario::run(&checkout(folder), &basis());
        let outcomes = outcomes.unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
        let failures = failures(&outcomes);
        assert!(failures.is_empty(), "{failures}");
    }
}

/// What a company declares of its own events and customers, objects among it.
#[test]
fn what_a_company_declares_may_be_asked_for() {
    let folder = checkout("tests/fixtures/own");
    let config = Config::load_with(Some(&folder.join("moments.toml")), [], &[]);
    let outcomes = scenario::run(&folder, &basis_of(&config.expect("a configuration")));
    let outcomes = outcomes.unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    let failures = failures(&outcomes);
    assert!(failures.is_empty() && outcomes.len() == 2, "{failures}");
}

#[test]
fn every_shipped_trigger_shows_each_of_its_treatments() {
    let files = set::files(&checkout("deploy/triggers"), set::is_trigger_file);
    let files = files.expect("a directory of triggers");
    assert!(files.len() >= 10, "{files:?}");
    let plan = set::load(&checkout("deploy/triggers"), &basis())
        .unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    for trigger in &plan.triggers {
        let is_its = |file: &&PathBuf| file.file_stem() == Some(OsStr::new(trigger.name.as_str()));
        let file = files.iter().find(is_its);
        let file = file.unwrap_or_else(|| panic!("no file is called as {}", trigger.name));
        let scenarios = Source::load(&file.with_extension("test.yaml"))
            .unwrap_or_else(|report| panic!("{}", report.rendered()));
        for treatment in trigger.choices() {
            assert!(
                scenarios.text().contains(treatment.template.as_str()),
                "no scenario of {} expects {}",
                trigger.name,
                treatment.template
            );
        }
    }
}

#[test]
fn every_shipped_trigger_says_what_it_is_measured_by() {
    let plan = set::load(&checkout("deploy/triggers"), &basis())
        .unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    for trigger in &plan.triggers {
        assert!(trigger.kpi.is_some(), "{}", trigger.name);
    }
}

/// Where there is a key; without one `check` says so.
#[test]
fn the_shipped_referral_goes_with_the_shipped_triggers() {
    let mut sources = moments::demo::programmes::sources();
    sources.extend(set::sources(&checkout("deploy/referral")).expect("files"));
    let with_key = |code_key| Basis {
        policy: Policy {
            code_key,
            ..basis().policy
        },
        ..basis()
    };
    let plan = set::compile(&sources, &with_key(Key::of_scenarios()))
        .unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    assert_eq!(plan.referrals.len(), 1);
    let reports = set::compile(&sources, &with_key(Key::default())).expect_err("no key");
    assert!(report::rendered(&reports).contains("[codes] key_file"));
}

/// Beside the shipped triggers, and beside one whose scenario meets its caps and its hours.
#[test]
fn the_shipped_policy_is_one_for_the_shipped_triggers() {
    let policy = fs::read_to_string(checkout("deploy/policy.yaml")).expect("the policy");
    let mut sources = moments::demo::programmes::sources();
    let alone = set::compile(&sources, &basis()).expect("a plan");
    sources.push(Source::new("policy.yaml", policy.clone()));
    let plan = set::compile(&sources, &basis())
        .unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    assert_ne!(plan.revision, alone.revision);
    let directory = tempfile::tempdir().expect("a directory");
    let put =
        |name: &str, text: &str| fs::write(directory.path().join(name), text).expect("a file");
    put("policy.yaml", &policy);
    put(
        "t.yaml",
        "trigger: t\nmoment: { event: Product Viewed }\ntreatments: [{ channel: email, template: seen }]\n\
         policy: { quiet_hours: drop }\n",
    );
    put(
        "t.test.yaml",
        "- test: at ten, once a day, and not by night\n  profile: { consent: [email] }\n  events: |\n\
         \x20   2026-03-02T10:00:00Z  Product Viewed  { product_id: p1 }\n\
         \x20   2026-03-02T11:00:00Z  Product Viewed  { product_id: p1 }\n\
         \x20   2026-03-02T22:00:00Z  Product Viewed  { product_id: p1 }\n\
         \x20   2026-03-03T06:00:00Z  Product Viewed  { product_id: p1 }\n\
         \x20 expect:\n    - { at: 2026-03-02T10:00:00Z }\n    - { at: 2026-03-03T06:00:00Z }\n\
         \x20 refused:\n    - { at: 2026-03-02T11:00:00Z, reason: capped }\n\
         \x20   - { at: 2026-03-02T22:00:00Z, reason: quiet_hours }\n",
    );
    let outcomes = scenario::run(directory.path(), &basis())
        .unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    assert_eq!((outcomes.len(), failures(&outcomes)), (1, String::new()));
}

#[test]
fn reference_pages_are_up_to_date() {
    for (path, made) in reference::pages() {
        let path = checkout(path);
        if std::env::var_os("MOMENTS_UPDATE_DOCS").is_some() {
            fs::write(&path, made).expect("a page can be written");
            continue;
        }
        let kept = fs::read_to_string(&path)
            .unwrap_or_default()
            .replace("\r\n", "\n");
        assert!(
            kept == made,
            "{} is not what the code says; MOMENTS_UPDATE_DOCS=1 cargo test reference_pages writes it anew",
            path.display()
        );
    }
}

/// The revision is left out: it changes with every word of a trigger.
#[test]
fn the_page_shows_what_check_prints() {
    let plan = set::load(&checkout("deploy/triggers"), &basis())
        .unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    let page = fs::read_to_string(checkout("docs/running.md")).expect("the page");
    let shown = blocks(&page, "console")
        .into_iter()
        .find(|block| block.starts_with("$ moments check --triggers deploy/triggers\n"))
        .expect("the command");
    let rows: Vec<Vec<&str>> = shown
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let (last, rows) = rows.split_last().expect("rows");
    assert_eq!(last[0], plan.triggers.len().to_string());
    assert_eq!(rows.len(), plan.triggers.len());
    for (row, trigger) in rows.iter().zip(&plan.triggers) {
        let (priority, generation) = (
            trigger.policy.priority.to_string(),
            trigger.generation.to_string(),
        );
        let name = trigger.name.as_str();
        let kind = trigger.kind.word();
        assert_eq!(
            row[..],
            [name, kind, "priority", &priority, "generation", &generation]
        );
    }
}

/// The fenced blocks of a page in a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let rest = page.split(&fence).skip(1);
    rest.filter_map(|rest| rest.split("\n```").next())
        .map(|block| format!("{block}\n"))
        .collect()
}

/// A trigger file of which a block shows only a part.
fn completed(block: &str) -> String {
    let parts = [
        ("trigger:", "trigger: example\n"),
        ("moment:", "moment: { event: Order Completed }\n"),
        (
            "treatments:",
            "treatments: [{ channel: email, template: hello }]\n",
        ),
    ];
    let says = |key: &str| block.lines().any(|line| line.starts_with(key));
    let lacks = |key: &str| match key {
        "treatments:" => !says(key) && !says("journey:"),
        key => !says(key),
    };
    let lacking = parts.iter().filter(|(key, _)| lacks(key));
    lacking.map(|(_, part)| *part).chain([block]).collect()
}

#[test]
fn the_page_on_triggers_is_true() {
    let directory = tempfile::tempdir().expect("a directory");
    let page = fs::read_to_string(checkout("docs/triggers.md")).expect("the page");
    let file = directory.path().join("moments.toml");
    let key = directory.path().join("key");
    fs::write(&key, "what-only-the-shop-knows-0123456789abcdef").expect("a key");
    let codes = format!("[codes]\nkey_file = '{}'\n", key.display());
    fs::write(&file, blocks(&page, "toml").concat() + &codes).expect("a configuration");
    let config = Config::load_with(Some(&file), [], &[]).expect("the page's configuration");
    let basis = basis_of(&config);
    // Half of the trigger's own policies begin with the same word.
    let is_shared = |block: &String| {
        set::is_shared(&Source::new("block.yaml", block.clone()))
            || block.starts_with("policy:\n  caps:")
    };
    let (shared, examples): (Vec<_>, Vec<_>) =
        blocks(&page, "yaml").into_iter().partition(is_shared);
    assert!(examples.len() > 10 && !shared.is_empty());
    let shared: Vec<Source> = (0..)
        .zip(shared)
        .map(|(n, text)| Source::new(&format!("shared-{n}.yaml"), text))
        .collect();
    for source in &shared {
        fs::write(directory.path().join(source.name()), source.text()).expect("a file");
    }
    for block in examples {
        if block.starts_with("- test:") {
            fs::write(directory.path().join("whole.test.yaml"), block).expect("scenarios");
            continue;
        }
        let whole = block.starts_with("trigger:");
        let name = if whole { "whole.yaml" } else { "part.yaml" };
        let text = completed(&block);
        fs::write(directory.path().join(name), &text).expect("a trigger");
        let sources = [&[Source::new(name, text)], &shared[..]].concat();
        if let Err(reports) = set::compile(&sources, &basis) {
            panic!("{}", report::rendered(&reports));
        }
    }
    let outcomes = scenario::run(directory.path(), &basis)
        .unwrap_or_else(|reports| panic!("{}", report::rendered(&reports)));
    assert!(outcomes.len() > 2);
    let failures = failures(&outcomes);
    assert!(failures.is_empty(), "{failures}");
}
