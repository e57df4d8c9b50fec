//! What processes cost, as the kernel counts it.

use std::fs;

/// Ticks of a second in /proc; the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// CPU seconds of a process and its threads so far, user and system.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may have spaces in it, the state is the first field and user time the twelfth.
    let fields = stat
        .rsplit_once(')')
        .map_or("", |(_, fields)| fields)
        .split_whitespace();
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / TICKS
}

/// A number of /proc/PID/status: `Threads`, or in kB `VmHWM`, `VmRSS`.
pub fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim_start_matches(':').split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// The broker: the Java process below this one.
pub fn broker() -> u32 {
    let pids = fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_java = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "java")
    };
    let own = u64::from(std::process::id());
    let is_below = |pid: &u32| {
        let mut pid = u64::from(*pid);
        while pid > 1 && pid != own {
            pid = u32::try_from(pid).map_or(0, |pid| status(pid, "PPid"));
        }
        pid == own
    };
    pids.filter(is_java)
        .find(is_below)
        .expect("the broker is a child")
}

/// The value below which so many percent lie.
pub fn percentile<T: Copy + Ord + Default>(values: &mut [T], percent: usize) -> T {
    values.sort_unstable();
    let at = values.len() * percent / 100;
    values
        .get(at.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
