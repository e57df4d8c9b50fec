//! Models: what `moments fit` finds, against published results; what ONNX files say, against the libraries that made them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use moments::config::Config;
use moments::document::report::{Source, rendered};
use moments::scenario;
use moments::score::Given;
use moments::score::onnx::Onnx;
use moments::trigger::set::{self, Basis};

use crate::data::{fixture, shared_data};
use crate::support::process::said;

fn fit(arguments: &[&str], file: &Path) -> Result<String, String> {
    fit_of("bgnbd", arguments, file)
}

fn fit_of(what: &str, arguments: &[&str], file: &Path) -> Result<String, String> {
    said(
        Command::new(env!("CARGO_BIN_EXE_moments"))
            .args(["fit", what])
            .args(arguments)
            .arg(file),
    )
}

/// The number behind a word of the printed file.
fn number(text: &str, word: &str) -> f64 {
    let behind = text.split_once(word).unwrap_or_else(|| panic!("{text}")).1;
    let end = behind.find([',', '\n', ' ']).unwrap_or(behind.len());
    let number = behind[..end].trim_end_matches('.');
    number.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// Fader, Hardie and Lee (2005), table 2: CDNOW's customers of the first quarter of 1997, over 39 weeks.
#[test]
fn bg_nbd_is_fitted_to_cdnows_customers_as_published() {
    let Some(path) = shared_data("cdnow-sample.txt") else {
        return;
    };
    let mut table = "customer_id,date,time\n".to_owned();
    for line in fs::read_to_string(path).expect("data").lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [_, customer, day, ..] = cells[..] else {
            panic!("{line}");
        };
        let _infallible = writeln!(
            table,
            "{customer},\"1997, or so\",{}-{}-{}",
            &day[..4],
            &day[4..6],
            &day[6..]
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cdnow.csv");
    fs::write(&file, table).expect("a file");
    let printed = fit(&["--until", "1997-09-30"], &file).expect("it fits");
    for (word, expected, within) in [
        (" r: ", 0.243, 0.000_5),
        ("alpha: ", 4.414, 0.000_5),
        (" a: ", 0.793, 0.000_5),
        (" b: ", 2.426, 0.000_5),
        ("log-likelihood ", -9_582.4, 0.05),
    ] {
        let found = number(&printed, word);
        assert!(
            (found - expected).abs() <= within,
            "{word}{found}: {printed}"
        );
    }
    assert!(
        printed.contains("2357 customers") && printed.contains("unit: 7d"),
        "{printed}"
    );
}

#[test]
fn it_is_fitted_to_event_files_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, table) = (
        folder.path().join("events.jsonl"),
        folder.path().join("t.csv"),
    );
    let (mut lines, mut rows) = (String::new(), "time,customer_id\n".to_owned());
    for customer in 0..30 {
        for visit in 0..=customer % 4 {
            let day = 1 + (customer * 3 + visit * 7) % 28;
            let time = format!("2026-03-{day:02}T10:00:00Z");
            let _infallible = writeln!(
                lines,
                r#"{{"type":"track","event":"Order Completed","userId":"c{customer}","messageId":"{customer}-{visit}","timestamp":"{time}","properties":{{"order_id":"{customer}-{visit}"}}}}"#
            );
            let _infallible = writeln!(rows, "{time},c{customer}");
        }
    }
    lines.push_str(r#"{"type":"track","event":"Product Viewed","userId":"c1","timestamp":"2026-04-03T10:00:00Z"}"#);
    fs::write(&events, lines).expect("a file");
    fs::write(&table, rows).expect("a file");
    let of_events = fit(&["--unit", "1d", "--name", "loyal"], &events).expect("it fits");
    assert_eq!(
        of_events,
        fit(&["--unit", "1d", "--name", "loyal"], &table).expect("it fits")
    );
    assert!(
        of_events.contains("model: loyal") && of_events.contains("30 customers"),
        "{of_events}"
    );

    // What says too little is said.
    let wrong = |text: &str, expected: &str| {
        fs::write(&table, text).expect("a file");
        let said = fit(&[], &table).expect_err(expected);
        assert!(said.contains(expected), "{said}");
    };
    wrong(
        "customer_id,time\na,2026-03-01\nb,2026-03-02\n",
        "none on a second day",
    );
    wrong("customer_id,time\n", "no purchase was read");
    wrong("customer,time\na,2026-03-01\n", "no column `customer_id`");
    wrong(
        "customer_id,time\na,yesterday\n",
        "line 2: `yesterday` is no time",
    );
}

/// Each file, with the rows and scores of the library that fitted it: `tests/fixtures/onnx/make.py`.
#[test]
fn onnx_files_say_what_the_libraries_say_that_made_them() {
    let text = fs::read_to_string(fixture("onnx/expected.json")).expect("what is expected");
    let expected: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let expected = expected.as_object().expect("models by name");
    assert!(expected.len() >= 16);
    for (name, of) in expected {
        let bytes = fs::read(fixture(&format!("onnx/{name}.onnx"))).expect("a file");
        let model = Onnx::compile(&bytes, None, None);
        let model = model.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let rows = of["rows"].as_array().expect("rows");
        let scores = of["scores"].as_array().expect("scores");
        assert_eq!((rows.len(), scores.len()), (12, 12));
        for (row, score) in rows.iter().zip(scores) {
            let given = row.as_array().expect("values").iter();
            let given: Vec<Given<'_>> = given
                .map(|value| match value.as_str() {
                    Some(text) => Given::Text(text),
                    None => Given::Number(value.as_f64().unwrap_or(f64::NAN)),
                })
                .collect();
            let found = model.score(&given);
            let found = found.unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            let score = score.as_f64().expect("a score");
            let near = 2e-6 * score.abs().max(1.0);
            assert!(
                (found - score).abs() <= near,
                "{name} {row}: {found}, not {score}"
            );
        }
    }
}

const CHURN: &str = "model: churn
onnx:
  file: churn.onnx
  inputs:
    recency: { of: \"(now - profile.last_order) / duration('1d')\", unknown: missing, typical: 1 }
    visits: { of: profile.sessions.count }
    channel: { of: profile.attributes.channel, unknown: missing, typical: shop }
    spent: { of: profile.orders.value, unknown: missing }
";

/// What is changed of it, and what is said then.
#[rustfmt::skip]
const WRONG: &[(&str, &str, &str)] = &[
    ("churn.onnx", "chum.onnx", "did you mean `churn.onnx`?"),
    ("    visits: { of: profile.sessions.count }\n", "", "the file's input `visits` is missing"),
    ("visits:", "visit:", "did you mean `visits`?"),
    ("profile.sessions.count", "profile.attributes.channel", "`visits` takes a number or a bool, and this is a text"),
    ("profile.attributes.channel", "profile.sessions.count", "`channel` takes a text, and this is a number"),
    ("unknown: missing, typical: 1", "unknown: gone", "is not valid here"),
    ("  inputs:", "  column: 5\n  inputs:", "the score has 2 columns"),
    ("  inputs:", "  output: chances\n  inputs:", "it has no output `chances`, but output_label, output_probability"),
];

const LEAVES: &str = "trigger: leaves
moment: { prediction: { model: churn, crosses: { at_least: 0 }, evaluate: { on: Order Completed } } }
treatments: [{ channel: onsite, template: stay }]
";

const LEAVES_TEST: &str = "- test: whoever orders has a score
  profile: { channel: web }
  events: |
    2026-03-02T10:00:00Z  Product Viewed   { product_id: p1 }
    2026-03-02T11:00:00Z  Order Completed  { order_id: o1, total: 20 }
  expect:
    - { at: 2026-03-02T11:00:00Z, channel: onsite, template: stay }
";

/// A set with a model from a file: its trigger, its scenario, and what is said of one that does not fit.
#[test]
fn a_model_of_a_file_is_a_part_of_a_set() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    fs::copy(
        fixture("onnx/columns.onnx"),
        folder.path().join("churn.onnx"),
    )
    .expect("a copy");
    write("churn.yaml", CHURN);
    write("leaves.yaml", LEAVES);
    write("leaves.test.yaml", LEAVES_TEST);
    let config = folder.path().join("moments.toml");
    fs::write(&config, "[attributes]\nchannel = \"text\"\n").expect("a file");
    let config = Config::load_with(Some(&config), [], &[]).expect("a configuration");
    let basis = Basis {
        vocabulary: std::sync::Arc::new(config.vocabulary().expect("a vocabulary")),
        attributes: config.attributes(),
        policy: config.policy(),
        mappings: std::sync::Arc::default(),
    };
    let load = || set::load(folder.path(), &basis);
    let plan = load().unwrap_or_else(|reports| panic!("{}", rendered(&reports)));
    assert_eq!(plan.models.len(), 1);
    let outcomes = scenario::run(folder.path(), &basis);
    let outcomes = outcomes.unwrap_or_else(|reports| panic!("{}", rendered(&reports)));
    assert_eq!(outcomes.len(), 1);

    for (from, to, expected) in WRONG {
        write("churn.yaml", &CHURN.replacen(from, to, 1));
        let said = load()
            .err()
            .map(|reports| rendered(&reports))
            .unwrap_or_default();
        assert!(said.contains(expected), "{expected}: {said}");
    }
    write("churn.yaml", CHURN);
    let before = load().expect("a set").revision.clone();
    fs::write(folder.path().join("churn.onnx"), b"no model").expect("a file");
    let said = load()
        .err()
        .map(|reports| rendered(&reports))
        .unwrap_or_default();
    assert!(said.contains("this is no ONNX file"), "{said}");
    let mut bytes = fs::read(fixture("onnx/columns.onnx")).expect("a file");
    // What stands behind the model is passed over, and yet another file.
    bytes.extend([0xfa, 0x3f, 0x00]);
    fs::write(folder.path().join("churn.onnx"), &bytes).expect("a file");
    assert_ne!(load().expect("a set").revision, before);
}

/// Nine customers, of whom each ordered once more and later than the one before.
#[test]
fn the_bounds_of_labels_are_fitted_to_orders() {
    let folder = tempfile::tempdir().expect("a folder");
    let (events, table) = (folder.path().join("e.jsonl"), folder.path().join("t.csv"));
    let (mut lines, mut rows) = (String::new(), "customer_id,time,value\n".to_owned());
    for customer in 1..=9 {
        for order in 0..customer {
            let time = format!("2026-03-{:02}T10:00:00Z", customer * 3 - order / 4);
            let _infallible = writeln!(
                lines,
                r#"{{"event":"Order Completed","userId":"c{customer}","messageId":"{customer}-{order}","timestamp":"{time}","properties":{{"order_id":"{customer}-{order}","total":10.5}}}}"#
            );
            let _infallible = writeln!(rows, "c{customer},{time},10.5");
        }
    }
    fs::write(&events, lines).expect("a file");
    fs::write(&table, rows).expect("a file");
    let fitted = fit_of("rfm", &[], &events).expect("it fits");
    assert_eq!(fitted, fit_of("rfm", &[], &table).expect("it fits"));
    for said in [
        "9 customers who bought, as of 2026-03-27T10:00:00.000Z",
        "recency: { recent: 9d, medium: 18d }",
        "frequency: { regular: 4, often: 7 }",
        "monetary: { average: 42, spender: 73.5 }",
    ] {
        assert!(fitted.contains(said), "{said}: {fitted}");
    }
    // What is printed is a file of a set.
    let trigger = "trigger: t\nmoment: { transition: { enters: long } }\ntreatments: none\n===\n\
        segment: long\nwhen: profile.rfm.recency == \"long\"\n";
    let texts = trigger.split("===\n").chain([fitted.as_str()]);
    let sources: Vec<Source> = texts
        .map(|text| Source::new("t.yaml", text.to_owned()))
        .collect();
    let config = Config::default();
    let basis = Basis {
        vocabulary: Arc::new(config.vocabulary().expect("words")),
        ..Basis::default()
    };
    set::compile(&sources, &basis)
        .map_err(|it| rendered(&it))
        .expect("a set");
    let other = fit_of("rfm", &["--shares", "50,90"], &table).expect("it fits");
    assert!(other.contains("{ regular: 6, often: 9 }"), "{other}");
    let wrong = fit_of("rfm", &["--shares", "90,50"], &table).expect_err("shares");
    assert!(
        wrong.contains("expected two shares of a hundred"),
        "{wrong}"
    );
    fs::write(
        &table,
        "customer_id,time,value\na,2026-03-01,1\nb,2026-03-01,1\n",
    )
    .expect("a file");
    let alike = fit_of("rfm", &[], &table).expect_err("alike");
    assert!(
        alike.contains("2 customers differ too little in recency"),
        "{alike}"
    );
}
