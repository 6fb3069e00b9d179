//! What this process has in memory, by the kernel's word.

use std::fs;

/// What is resident now, in KiB.
#[must_use]
pub fn resident_kib() -> u64 {
    of_status("VmRSS:")
}

/// The most that has ever been resident, in KiB.
#[must_use]
pub fn peak_kib() -> u64 {
    of_status("VmHWM:")
}

fn of_status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux, which tells of each process");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.trim().trim_end_matches(" kB").parse().expect("so many kB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_something_in_memory_and_never_more_than_its_peak() {
        let resident = resident_kib();
        assert!(resident > 100 && peak_kib() >= resident);
    }
}
