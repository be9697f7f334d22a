//! What the control group of this container allows, by version 2 or else 1.

use std::fs;

/// Memory in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub limit: Option<u64>,
    /// Without what the kernel can take back at any time: pages of files.
    pub used: Option<u64>,
    /// Shared memory, which is in `used` too.
    pub shared: Option<u64>,
}

/// Version 1 says "no limit" by a number near 2^63.
const NO_LIMIT: u64 = 1 << 60;

/// Reads the memory's limit and use.
pub fn memory() -> Memory {
    let read = |path: &str| fs::read_to_string(path).ok();
    if let Some(limit) = read("/sys/fs/cgroup/memory.max") {
        let usage = read("/sys/fs/cgroup/memory.current");
        let stat = read("/sys/fs/cgroup/memory.stat").unwrap_or_default();
        return told(&limit, &usage.unwrap_or_default(), &stat, "");
    }
    let folder = "/sys/fs/cgroup/memory";
    let limit = read(&format!("{folder}/memory.limit_in_bytes")).unwrap_or_default();
    let usage = read(&format!("{folder}/memory.usage_in_bytes")).unwrap_or_default();
    let stat = read(&format!("{folder}/memory.stat")).unwrap_or_default();
    told(&limit, &usage, &stat, "total_")
}

/// Source: the kernel's `cgroup-v2.rst` and `cgroup-v1/memory.rst`; in version 1 names with
/// `total_` count the groups below too.
fn told(limit: &str, usage: &str, stat: &str, prefix: &str) -> Memory {
    let field = |name: &str| {
        stat.lines()
            .filter_map(|line| line.strip_prefix(prefix)?.strip_prefix(name)?.strip_prefix(' '))
            .find_map(|value| value.trim().parse::<u64>().ok())
    };
    let of_files = field("inactive_file").unwrap_or(0) + field("active_file").unwrap_or(0);
    Memory {
        limit: limit.trim().parse().ok().filter(|limit| *limit < NO_LIMIT),
        used: usage.trim().parse::<u64>().ok().map(|usage| usage.saturating_sub(of_files)),
        shared: field("shmem"),
    }
}

/// Reads how many processes and threads may be, and how many there are.
pub fn processes() -> (Option<u64>, Option<u64>) {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let folders = ["/sys/fs/cgroup", "/sys/fs/cgroup/pids"];
    let of = |name: &str| folders.iter().find_map(|folder| number(&format!("{folder}/{name}")));
    (of("pids.max"), of("pids.current"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_files_are_not_counted_as_used() {
        let stat = "anon 100\nfile 900\nshmem 40\ninactive_file 500\nactive_file 360\n";
        let expected = Memory { limit: Some(2000), used: Some(240), shared: Some(40) };
        assert_eq!(told("2000\n", "1100\n", stat, ""), expected);
    }

    #[test]
    fn version_1_is_read_with_the_groups_below() {
        let stat = "shmem 1\ninactive_file 2\ntotal_shmem 10\ntotal_inactive_file 20\ntotal_active_file 5\n";
        let expected = Memory { limit: None, used: Some(75), shared: Some(10) };
        assert_eq!(told("9223372036854771712\n", "100\n", stat, "total_"), expected);
    }

    #[test]
    fn no_limit_is_none() {
        assert_eq!(told("max\n", "7\n", "", "").limit, None);
    }
}
