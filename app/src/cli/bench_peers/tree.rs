//! What processes cost: CPU time and anonymous memory of a process and of all
//! that it started, from Linux's `/proc`.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// `USER_HZ`: 100 on every Linux, whatever the kernel's own tick is.
const TICK: Duration = Duration::from_millis(10);

/// What a process tree has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Of all that run, and of children that ended and were waited for.
    pub cpu: Duration,
    /// Anonymous memory now, bytes.
    pub anonymous: u64,
}

/// Of a line of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    ticks: u64,
    childrens_ticks: u64,
}

/// The trees under `roots`, these among them.
pub fn sample(roots: &[u32]) -> Sample {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Sample::default() };
    let all: HashMap<u32, Stat> = folder
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, stat(&format!("/proc/{pid}/stat"))?))
        })
        .collect();
    let within = |mut pid: u32| {
        // A chain of parents is short, and has no ring.
        while !roots.contains(&pid) {
            match all.get(&pid) {
                Some(stat) if stat.parent != 0 => pid = stat.parent,
                _ => return false,
            }
        }
        true
    };
    let mut sum = Sample::default();
    for (&pid, stat) in all.iter().filter(|&(&pid, _)| within(pid)) {
        sum.cpu += ticks(stat.ticks + stat.childrens_ticks);
        sum.anonymous += anonymous(pid);
    }
    sum
}

/// CPU time of this process's children that ended and were waited for, with
/// theirs.
pub fn of_ended_children() -> Duration {
    stat("/proc/self/stat").map_or(Duration::ZERO, |stat| ticks(stat.childrens_ticks))
}

fn ticks(n: u64) -> Duration {
    TICK * u32::try_from(n).unwrap_or(u32::MAX)
}

fn stat(path: &str) -> Option<Stat> {
    parse(&std::fs::read_to_string(Path::new(path)).ok()?)
}

/// The program's name stands in parentheses and may hold anything.
fn parse(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    // proc(5), from the third on: state, ppid, …, utime 14, stime 15, cutime 16, cstime 17.
    let number = |n: usize| fields.get(n - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)?,
        childrens_ticks: number(16)? + number(17)?,
    })
}

fn anonymous(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_with_a_name_of_any_kind() {
        let line = "7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 50 6 700 8 20 0 1 0 9 10 11";
        let stat = parse(line).unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.childrens_ticks), (3, 56, 708));
        assert!(parse("7 (cut").is_none());
        assert!(parse("7 (a) S 3 7").is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_tree_counts_its_children_also_those_that_ended() {
        // The shell waits for a child that computes, then for one that sleeps.
        let script = "i=0; (while [ $i -lt 200000 ]; do i=$((i+1)); done); sleep 5; :";
        let mut shell = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
        let mut seen = Sample::default();
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(20));
            seen = sample(&[shell.id()]);
            if seen.cpu >= 5 * TICK {
                break;
            }
        }
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert!(seen.cpu >= 5 * TICK, "{seen:?}");
        assert!(seen.anonymous > 0, "{seen:?}");
        assert_eq!(sample(&[shell.id()]), Sample::default(), "gone");
    }
}
