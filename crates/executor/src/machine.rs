//! What this machine has.

/// All memory of this machine in bytes; `None` where it cannot be told.
pub fn memory() -> Option<u64> {
    memory_in(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn memory_in(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let text = "MemFree:  1 kB\nMemTotal:       16384256 kB\n";
        assert_eq!(memory_in(text), Some(16_777_478_144));
        assert_eq!(memory_in("MemTotal: many"), None);
    }
}
