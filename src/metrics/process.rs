//! The process as the kernel sees it, read when the metrics are: under the names that Prometheus'
//! own client libraries give it.

use std::fs;

use opentelemetry::metrics::Meter;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Fields of `/proc/self/stat` behind the name of the program (proc(5)), from the state on.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const THREADS: usize = 17;
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// Registers them. One that cannot be read is left out.
pub(super) fn observe(meter: &Meter) {
    meter
        .f64_observable_counter("process.cpu")
        .with_unit("s")
        .with_callback(|cpu| {
            let ticks = stat(USER_TICKS).zip(stat(SYSTEM_TICKS));
            if let Some((user, system)) = ticks {
                cpu.observe(seconds(user + system), &[]);
            }
        })
        .build();
    gauge(meter, "process.resident_memory", "By", || {
        Some(stat(RESIDENT_PAGES)? * u64::try_from(page_size()).ok()?)
    });
    gauge(meter, "process.virtual_memory", "By", || {
        stat(VIRTUAL_BYTES)
    });
    gauge(meter, "process.threads", "", || stat(THREADS));
    gauge(meter, "process.open_fds", "", || {
        let open = fs::read_dir("/proc/self/fd").ok()?.count();
        // One of them reads the list.
        u64::try_from(open.saturating_sub(1)).ok()
    });
    gauge(meter, "process.max_fds", "", || {
        getrlimit(Resource::Nofile).current
    });
    let started = boot_time()
        .zip(stat(START_TICKS))
        .map(|(boot, ticks)| boot + seconds(ticks));
    meter
        .f64_observable_gauge("process.start_time")
        .with_unit("s")
        .with_callback(move |gauge| {
            if let Some(started) = started {
                gauge.observe(started, &[]);
            }
        })
        .build();
}

fn gauge(
    meter: &Meter,
    name: &'static str,
    unit: &'static str,
    read: impl Fn() -> Option<u64> + Send + Sync + 'static,
) {
    meter
        .u64_observable_gauge(name)
        .with_unit(unit)
        .with_callback(move |gauge| {
            if let Some(value) = read() {
                gauge.observe(value, &[]);
            }
        })
        .build();
}

fn stat(field: usize) -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    field_of(&stat, field)
}

/// A field behind the name of the program, which may have spaces and brackets.
fn field_of(stat: &str, field: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_ascii_whitespace().nth(field)?.parse().ok()
}

/// When the machine was started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let mut lines = stat.lines();
    lines.find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

fn seconds(ticks: u64) -> f64 {
    let number = |count| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let per_second = clock_ticks_per_second().max(1);
    // In two steps, because only small numbers convert without loss.
    number(ticks / per_second) + number(ticks % per_second) / number(per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name_of_a_program() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 210 32 0 0 20 0 5 0 900 4096 12 1";
        assert_eq!(field_of(stat, USER_TICKS), Some(210));
        assert_eq!(field_of(stat, SYSTEM_TICKS), Some(32));
        assert_eq!(field_of(stat, THREADS), Some(5));
        assert_eq!(field_of(stat, START_TICKS), Some(900));
        assert_eq!(field_of(stat, VIRTUAL_BYTES), Some(4096));
        assert_eq!(field_of(stat, RESIDENT_PAGES), Some(12));
        assert_eq!(field_of(stat, 100), None);
        assert_eq!(field_of("", USER_TICKS), None);
    }
}
