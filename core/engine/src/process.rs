//! What the process itself costs: CPU time of a thread, memory. For meters,
//! benchmarks and figures; and who goes first. No result of a run depends on it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of the calling thread, to the nanosecond: the kernel brings it up to
/// date when it is asked, unlike what `/proc` tells, which moves with the
/// scheduler's ticks.
#[must_use]
pub fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

/// CPU time of all threads of the process, those that ended too.
#[must_use]
pub fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

/// Lets other threads go first, by so many steps of the system's scale (Unix's
/// "nice": 19 at most): the calling thread from now on, and those that it starts.
/// There is no way back. Where threads have no such thing, nothing happens.
pub fn give_way(steps: i32) {
    // Whoever cannot give way goes on as before.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), steps);
    #[cfg(not(target_os = "linux"))]
    let _ = steps;
}

/// Anonymous memory of the process, bytes; `None` where the system does not tell.
#[must_use]
pub fn anonymous_memory() -> Option<u64> {
    status("RssAnon:")
}

/// Peak of the process's address space, bytes; `None` where the system does not tell.
#[must_use]
pub fn peak_address_space() -> Option<u64> {
    status("VmPeak:")
}

/// A field of Linux's `/proc/self/status` that is told in kB.
fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_thread_and_those_that_it_starts_give_way() {
        let steps =
            || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = steps();
        let own = before + 3;
        let started = std::thread::spawn(move || {
            give_way(own);
            (steps(), std::thread::spawn(steps).join().unwrap())
        });
        assert_eq!(started.join().unwrap(), (own, own));
        assert_eq!(steps(), before, "nobody else");
    }

    #[test]
    fn cpu_time_moves_with_work_and_not_with_sleep() {
        let before = thread_cpu();
        std::thread::sleep(Duration::from_millis(30));
        let slept = thread_cpu().saturating_sub(before);
        assert!(slept < Duration::from_millis(20), "{slept:?}");
        let mut steps = 0u32;
        // Finer than a tick of the scheduler (1 to 10 ms).
        let before = thread_cpu();
        while thread_cpu().saturating_sub(before) < Duration::from_micros(200) {
            steps += 1;
        }
        assert!(steps > 20, "only {steps} steps within 200 µs");
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let (Some(anonymous), Some(peak)) = (anonymous_memory(), peak_address_space()) else {
            return;
        };
        assert!(anonymous > 64 << 10 && anonymous < peak, "{anonymous} of {peak}");
    }
}
