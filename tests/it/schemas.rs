//! The schemas for editors: up to date, true of every shipped file, and false of what the readers refuse.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use jsonschema::Validator;
use moments::config::Config;
use moments::document::keys::{Keys, Need, Shape};
use moments::document::reader::Declared;
use moments::document::report::Source;
use moments::document::yaml;
use moments::event::Vocabulary;
use moments::event::record::TRAITS;
use moments::json_schema::Kind;
use moments::mapping::{self, is_mapping_file};
use moments::scenario::{SCENARIO, is_scenario_file};
use moments::trigger::definition;
use moments::trigger::policy::{Policy, file};
use moments::trigger::set::{self, is_trigger_file};
use serde_json::{Value, json};

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn validator(kind: Kind) -> Validator {
    jsonschema::draft7::new(&kind.schema()).expect("a schema of draft 7")
}

fn wrong(validator: &Validator, value: &Value) -> String {
    let errors = validator.iter_errors(value);
    errors
        .map(|error| format!("{}: {error}\n", error.instance_path))
        .collect()
}

/// A YAML file as an editor sees it.
fn yaml_of(source: &Source) -> Value {
    let node = yaml::parse(source, &mut Vec::new());
    node.expect("a file of YAML").json()
}

fn toml_of(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).expect("a file of TOML");
    serde_json::to_value(table).expect("TOML is JSON")
}

#[test]
fn schemas_are_up_to_date() {
    for kind in Kind::value_variants() {
        let (path, made) = (checkout(kind.path()), kind.text());
        if std::env::var_os("MOMENTS_UPDATE_DOCS").is_some() {
            fs::write(&path, made).expect("a schema can be written");
            continue;
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is not what the code says; MOMENTS_UPDATE_DOCS=1 cargo test schemas_are_up_to_date writes it anew",
            path.display()
        );
    }
}

#[test]
fn every_shipped_file_fits_its_schema() {
    let files = set::files(&checkout("deploy/triggers"), is_trigger_file).expect("files");
    for file in files {
        let source = Source::load(&file).unwrap_or_else(|report| panic!("{}", report.rendered()));
        let wrong = wrong(&validator(kind_of(&source)), &yaml_of(&source));
        assert!(wrong.is_empty(), "{}:\n{wrong}", file.display());
    }
    all_fit(Kind::Scenario, "deploy/triggers", is_scenario_file);
    all_fit(Kind::Scenario, "tests/fixtures/edges", is_scenario_file);
    all_fit(Kind::Scenario, "tests/fixtures/journeys", is_scenario_file);
    all_fit(
        Kind::Trigger,
        "tests/fixtures/journeys",
        set::is_trigger_file,
    );
    all_fit(Kind::Mapping, "deploy/mappings", is_mapping_file);
    all_fit(Kind::MappingTest, "deploy/mappings", is_scenario_file);
}

/// The kind of a file of a set, by what it is of.
fn kind_of(source: &Source) -> Kind {
    let kinds = [
        ("fact", Kind::Fact),
        ("model", Kind::Model),
        ("segment", Kind::Segment),
        ("labels", Kind::Labels),
        ("personas", Kind::Personas),
        ("path", Kind::Path),
        ("table", Kind::Table),
    ];
    let own = kinds.into_iter().find(|(word, _)| set::is_of(source, word));
    own.map_or(Kind::Trigger, |(_, kind)| kind)
}

fn all_fit(kind: Kind, folder: &str, is_meant: fn(&Path) -> bool) {
    let validator = validator(kind);
    let files = set::files(&checkout(folder), is_meant).expect("files");
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let source = Source::load(&file).unwrap_or_else(|report| panic!("{}", report.rendered()));
        let wrong = wrong(&validator, &yaml_of(&source));
        assert!(wrong.is_empty(), "{}:\n{wrong}", file.display());
    }
}

/// As it stands, and with every default and every example in force.
#[test]
fn the_shipped_configuration_fits_its_schema() {
    let validator = validator(Kind::Config);
    let text = fs::read_to_string(checkout("deploy/moments.toml")).expect("the configuration");
    let is_setting = |line: &str| line.contains(" = ") || line.starts_with('[');
    let in_force: String = text
        .lines()
        .map(|line| match line.trim_start_matches('#').trim() {
            setting if line.starts_with('#') && is_setting(setting) => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(in_force.contains("\nbootstrap = "), "{in_force}");
    for text in [&text, &in_force] {
        let wrong = wrong(&validator, &toml_of(text));
        assert!(wrong.is_empty(), "{wrong}");
    }
}

/// What the schema of a policy file refuses, the reader refuses too.
#[test]
fn a_policy_file_fits_its_schema() {
    let both = taken(Kind::Policy, |source, declared| {
        file::read(source, declared, &Policy::default()).is_ok()
    });
    let good = "policy: { consent_by_default: [onsite], caps: { all: \"1 in 4h, every 2nd\" } }";
    assert_eq!(both(good), (true, true));
    for (right, bad) in [
        ("policy", "polciy"),
        ("caps", "cap"),
        ("every 2nd", "every second"),
        ("[onsite]", "onsite"),
    ] {
        refused(&both, good, right, bad);
    }
}

/// Whether the reader takes a text, and whether the schema of its kind does.
fn taken(
    kind: Kind,
    reads: impl Fn(&Source, Declared<'_>) -> bool,
) -> impl Fn(&str) -> (bool, bool) {
    let (validator, vocabulary) = (validator(kind), Vocabulary::standard());
    move |text| {
        let source = Source::new("t.yaml", text.to_owned());
        let attributes = BTreeMap::new();
        let declared = Declared::new(&vocabulary, &attributes);
        let is_read = reads(&source, declared);
        (is_read, validator.is_valid(&yaml_of(&source)))
    }
}

/// What is good is refused by both with `bad` in place of what is right.
fn refused(both: &impl Fn(&str) -> (bool, bool), good: &str, right: &str, bad: &str) {
    let text = good.replacen(right, bad, 1);
    assert_ne!(text, good, "{bad}");
    assert_eq!(both(&text), (false, false), "{text}");
}

const GOOD: &str = "trigger: t\nmoment: { absence: { of: Order Completed, after: Product Added, within: 30m } }\n\
    treatments: [{ channel: email, template: hello }]\npolicy: { cap: 1 in 7d }\n";

/// What an editor marks, and `moments check` as well.
#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    let both = taken(Kind::Trigger, |source, declared| {
        definition::read(source, declared).is_ok()
    });
    assert_eq!(both(GOOD), (true, true));
    for (right, bad) in [
        ("trigger: t\n", ""),
        ("trigger: t\n", "trigger: Not A Name\n"),
        ("trigger: t\n", "trigger: t\nstages: onboarding\n"),
        ("trigger: t\n", "trigger: t\nstage: lunch\n"),
        ("trigger: t\n", "trigger: t\nmode: on\n"),
        ("trigger: t\n", "trigger: t\ngeneration: 0\n"),
        ("trigger: t\n", "trigger: t\nfrom: tomorrow\n"),
        ("absence", "absense"),
        ("moment: {", "moment: { event: Signed Up,"),
        ("within: 30m", "within: 30 minutes"),
        (", after: Product Added", ""),
        ("within: 30m", "within: 30m, from: middle"),
        ("after: Product Added", "after: []"),
        ("after: Product Added", "after: { where: event.price > 3 }"),
        ("channel: email", "channel: E Mail"),
        ("channel: email, ", ""),
        (", template: hello", ""),
        ("template: hello", "template: hello, data: [1]"),
        ("[{ channel: email, template: hello }]", "[]"),
        ("cap: 1 in 7d", "cap: one a week"),
        ("cap: 1 in 7d", "priority: 101"),
        ("cap: 1 in 7d", "priority: high"),
        ("cap: 1 in 7d", "good_for: soon"),
        ("cap: 1 in 7d", "quiet_hours: wait"),
    ] {
        refused(&both, GOOD, right, bad);
    }
}

#[test]
fn a_wrong_mapping_is_refused() {
    const GOOD: &str = "mapping: shop\nevent: Order Completed\nuserId: [customer.id, customer.mail]\n\
        timestamp: { from: at, time: s }\nproperties: { total: { from: cents, divide_by: 100 } }\n";
    let both = taken(Kind::Mapping, |source, declared| {
        mapping::read(source, declared).is_ok()
    });
    for (right, good) in [
        ("", ""),
        ("time: s", "time: [s, rfc3339]"),
        ("mapping: shop\n", "mapping: shop\nnull_values: (not set)\n"),
        (
            "mapping: shop\n",
            "mapping: shop\nnull_values: [\"(not set)\", none]\n",
        ),
    ] {
        assert_eq!(both(&GOOD.replacen(right, good, 1)), (true, true), "{good}");
    }
    for (right, bad) in [
        ("mapping: shop\n", ""),
        ("mapping: shop\n", "mapping: shop\nnames: some\n"),
        ("mapping: shop\n", "mapping: shop\nunmapped: keep\n"),
        ("userId", "user"),
        ("time: s", "time: []"),
        ("time: s", "time: [s, {}]"),
        ("mapping: shop\n", "mapping: shop\nnull_values: []\n"),
        ("from: at", "form: at"),
        ("[customer.id, customer.mail]", "[]"),
        ("{ total: { from: cents, divide_by: 100 } }", "total"),
    ] {
        refused(&both, GOOD, right, bad);
    }
}

#[test]
fn a_wrong_test_of_a_mapping_is_refused() {
    let validator = validator(Kind::MappingTest);
    let good = json!([
        { "test": "t", "key": "ana", "headers": { "X-Topic": "orders" }, "record": { "kind": "order" },
          "expect": { "event": "Order Completed", "userId": "ana" }, "defects": ["total"] },
        { "test": "t", "record": "{}", "expect": "ignored" },
        { "test": "t", "record": {}, "expect": { "rejected": "no_customer" } },
    ]);
    assert!(validator.is_valid(&good), "{}", wrong(&validator, &good));
    for (key, bad) in [
        ("test", Value::Null),
        ("expect", json!("ignore")),
        ("expect", json!({ "user": "ana" })),
        ("headers", json!("X-Topic")),
        ("defects", json!("total")),
        ("events", json!("2026-03-02T10:00:00Z  Signed Up")),
    ] {
        let mut tests = good.clone();
        tests[0][key] = bad;
        assert!(!validator.is_valid(&tests), "{tests}");
    }
}

/// What the decoder takes of an identify call, the schema offers.
#[test]
fn a_scenario_may_say_what_an_identify_call_says() {
    let schema = Kind::Scenario.schema();
    let profile = &schema["items"]["properties"]["profile"]["properties"];
    let offered: Vec<_> = profile.as_object().expect("traits").keys().collect();
    assert_eq!(offered, TRAITS);
}

#[test]
fn a_wrong_configuration_and_wrong_scenarios_are_refused() {
    let validator = validator(Kind::Config);
    for bad in [
        "[topics]\npartition = 3",
        "[topics.cart]\nlateness = \"soon\"",
        "[policy]\nsending = \"maybe\"",
        "[time]\nclock = \"sundial\"",
        "[kafka.properties]\n\"group.id\" = \"mine\"",
        "[attributes]\ntier = \"colour\"",
        "[log]\nformat = 3",
    ] {
        assert!(!validator.is_valid(&toml_of(bad)), "{bad}");
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("moments.toml");
        fs::write(&file, bad).expect("a file");
        assert!(Config::load_with(Some(&file), [], &[]).is_err(), "{bad}");
    }
    let validator = self::validator(Kind::Scenario);
    let good = json!([{ "test": "t", "events": "2026-03-02T10:00:00Z  Signed Up", "expect": [] }]);
    assert!(validator.is_valid(&good));
    for (key, bad) in [
        ("expect", json!("nothing")),
        ("expect", json!([{ "chanel": "email" }])),
        ("refused", json!([{ "reason": "bad mood" }])),
        ("anonymous", json!("yes")),
        ("event", json!("2026-03-02T10:00:00Z  Signed Up")),
    ] {
        let mut scenario = good.clone();
        scenario[0][key] = bad;
        assert!(!validator.is_valid(&scenario), "{scenario}");
    }
}

/// Every table that is read, from the roots down.
fn tables(keys: &'static Keys, found: &mut Vec<&'static Keys>) {
    if found.iter().any(|known| std::ptr::eq(*known, keys)) {
        return;
    }
    found.push(keys);
    for known in keys.known {
        below(&known.shape, found);
    }
}

fn below(shape: &'static Shape, found: &mut Vec<&'static Keys>) {
    match shape {
        Shape::Mapping(keys) | Shape::OneOf(keys) | Shape::Open(keys) => tables(keys, found),
        Shape::List(item, ..) | Shape::Each(item) | Shape::Named(_, item) => below(item, found),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| below(shape, found)),
        _ => {}
    }
}

#[test]
fn every_key_is_described() {
    let mut found = Vec::new();
    tables(&definition::KEYS, &mut found);
    tables(&SCENARIO, &mut found);
    tables(&mapping::KEYS, &mut found);
    tables(&moments::scenario::mapping::TEST, &mut found);
    assert!(found.len() >= 16, "{}", found.len());
    for keys in found {
        for known in keys.known {
            let Keys { of, .. } = keys;
            assert!(known.about.ends_with('.'), "{of}: {}", known.name);
            if let (Need::Default(value), Shape::Words(words)) = (known.need, known.shape) {
                assert!(words.contains(&value), "{of}: {}", known.name);
            }
        }
    }
}
