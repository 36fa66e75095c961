//! What this process costs.

use std::time::{Duration, Instant};

/// Reads memory and processor time, the latter as the difference between two readings.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    last: Option<(Instant, Duration)>,
}

impl Meter {
    /// Resident bytes, and processor time since the last reading in cores. Zeros where the system does not tell.
    pub(crate) fn read(&mut self, now: Instant) -> (u64, f64) {
        let Some(usage) = usage() else { return (0, 0.0) };
        let cpu = self.last.map_or(0.0, |(then, spent)| {
            let elapsed = now.saturating_duration_since(then).as_secs_f64();
            if elapsed > 0.0 { usage.cpu.saturating_sub(spent).as_secs_f64() / elapsed } else { 0.0 }
        });
        self.last = Some((now, usage.cpu));
        (usage.rss_bytes, cpu)
    }
}

struct Usage {
    rss_bytes: u64,
    cpu: Duration,
}

#[cfg(target_os = "linux")]
fn usage() -> Option<Usage> {
    /// Fixed for user space on every Linux that Rust supports, whatever the page size of the machine's neighbours.
    const TICKS_PER_SECOND: u64 = 100;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold spaces: fields are counted from behind it (proc(5)).
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let cpu = Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND);
    Some(Usage { rss_bytes: kilobytes * 1024, cpu })
}

#[cfg(not(target_os = "linux"))]
fn usage() -> Option<Usage> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let mut meter = Meter::default();
        let start = Instant::now();
        meter.read(start);
        while start.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        let (rss, cpu) = meter.read(Instant::now());
        assert!(rss > 1_000_000, "{rss}");
        assert!(cpu > 0.2, "{cpu}");
    }
}
