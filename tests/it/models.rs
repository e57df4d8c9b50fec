//! Models: what `moments fit` finds, against published results.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::data::shared_data;

fn fit(arguments: &[&str], file: &Path) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_moments"))
        .args(["fit", "bgnbd"])
        .args(arguments)
        .arg(file)
        .output()
        .expect("the program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
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
