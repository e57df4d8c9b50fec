//! The demo, small and short, as a person would start it.

use std::time::Duration;

use super::support::process::ProcessGuard;

#[test]
fn it_ends_by_itself_and_has_shown_treatments() {
    let arguments = ["demo", "--once", "--seconds", "4", "--customers", "150"];
    let mut demo = ProcessGuard::moments("demo", arguments);
    let ended = demo.wait(Duration::from_secs(60));
    let output = demo.output();
    assert!(ended.success(), "{output}");
    assert!(output.contains("OTTO dataset"), "{output}");
    assert!(output.contains("kcat -b 127.0.0.1:"), "{output}");
    let all = output.lines().find(|line| line.starts_with("all "));
    let counts: Vec<u64> = all
        .expect("a line of totals")
        .split_whitespace()
        .filter_map(|word| word.replace(',', "").parse().ok())
        .collect();
    let [moments, treated, ..] = counts[..] else {
        panic!("{output}")
    };
    assert!(moments >= treated && treated > 0, "{output}");
    assert!(output.contains("  → "), "a treatment in a story: {output}");
}
