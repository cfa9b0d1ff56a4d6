//! On what a drill ran, in a line for its document.

use std::process::Command;

/// Cores, memory, kernel, as far as this system tells.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| total_mb(&text))
        .map_or_else(
            || "unknown memory".to_owned(),
            |mb| format!("{mb} MB of memory"),
        );
    let kernel = said("uname", &["-srm"]).unwrap_or_else(|| std::env::consts::OS.to_owned());
    format!("{cores} cores, {memory}, {kernel}")
}

/// The commit of the repository, with a mark when files differ from it.
pub fn commit() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    said(
        "git",
        &[
            "-C",
            folder,
            "describe",
            "--always",
            "--dirty=, with changes",
        ],
    )
    .unwrap_or_else(|| "unknown".to_owned())
}

fn total_mb(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kb: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb / 1024)
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_megabytes() {
        assert_eq!(
            total_mb("MemTotal:       16384000 kB\nMemFree: 1 kB\n"),
            Some(16_000)
        );
        assert_eq!(total_mb(""), None);
    }
}
