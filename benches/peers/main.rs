//! Peers beside us on one workload: `./dev bench peers [--help]`.
//!
//! This process is what the bench needs of Rust, `generate`, `floor` and `limit`; with other arguments it becomes `run.py`, which
//! starts a broker, the peers and `moments`, and prints the table.

mod floor;
mod generate;
mod limit;

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // Cargo adds an argument of its own.
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["generate", events, customers, days, folder] => {
            generate::write(
                number(events),
                number(customers),
                number(days),
                Path::new(folder),
            );
        }
        [
            "floor",
            bootstrap,
            prefix,
            partitions,
            seconds,
            ref properties @ ..,
        ] => {
            let partitions = i32::try_from(number(partitions)).expect("a number of partitions");
            floor::run(bootstrap, prefix, partitions, number(seconds), properties);
        }
        ["limit", folder] => limit::run(Path::new(folder)),
        _ => {
            let own = std::env::current_exe().expect("this program has a path");
            let error = Command::new("python3")
                // Nothing is written beside the sources.
                .arg("-B")
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/run.py"))
                .arg("--tool")
                .arg(own)
                .args(["--moments", env!("CARGO_BIN_EXE_moments")])
                .args(args)
                .exec();
            panic!("python3 cannot be run: {error}");
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

/// CPU seconds of this process so far, all threads, user and system: as the kernel counts it, in hundredths.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    // After the name, which may have spaces in it, the state is the first field and user time the twelfth.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
