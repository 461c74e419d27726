//! The command: many seeds, each in a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::plan::Plan;
use crate::planted;
use crate::run;
use crate::world::lock;

/// What is asked for.
struct Asked {
    first: u64,
    count: u64,
    /// Print what happens.
    is_printed: bool,
    /// Run each seed twice, and compare.
    is_compared: bool,
    /// Look for the planted bugs, which `.ci/planted` builds in.
    is_planted: bool,
    jobs: usize,
    /// Run the seed here: the machine is there.
    is_child: bool,
}

impl Asked {
    fn read() -> Self {
        let mut asked = Self {
            first: 1,
            count: 20,
            is_printed: false,
            is_compared: false,
            is_planted: false,
            jobs: 2,
            is_child: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().unwrap().parse::<u64>().unwrap();
            match argument.as_str() {
                "--seeds" => asked.count = number(),
                "--from" => asked.first = number(),
                "--seed" => {
                    (asked.first, asked.count) = (number(), 1);
                    asked.is_printed = true;
                }
                "--child" => (asked.first, asked.is_child) = (number(), true),
                "--prints" => asked.is_printed = true,
                "--planted" => asked.is_planted = true,
                "--twice" => asked.is_compared = true,
                "--jobs" => asked.jobs = usize::try_from(number()).unwrap(),
                other => panic!("unknown: {other}"),
            }
        }
        asked
    }
}

/// Runs what is asked for.
pub(crate) fn run() -> ExitCode {
    let asked = Asked::read();
    if asked.is_child {
        return child(asked.first, asked.is_printed);
    }
    let machine = machine();
    if asked.is_planted {
        return planted::find(&machine, asked.count);
    }
    let asked = Arc::new(asked);
    let begun = Instant::now();
    let next = Arc::new(AtomicU64::new(asked.first));
    let failed = Arc::new(Mutex::new(Vec::new()));
    let workers: Vec<_> = (0..asked.jobs)
        .map(|_| {
            let (asked, machine) = (Arc::clone(&asked), machine.clone());
            let (next, failed) = (Arc::clone(&next), Arc::clone(&failed));
            std::thread::spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= asked.first + asked.count {
                        return;
                    }
                    if let Err(why) = one(&machine, seed, &asked) {
                        println!("seed {seed}: {why}");
                        lock(&failed).push(seed);
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let seconds = begun.elapsed().as_secs_f64();
    let mut failed = lock(&failed).clone();
    failed.sort_unstable();
    let count = u32::try_from(asked.count).unwrap();
    let rate = f64::from(count) / seconds;
    println!("{count} seeds in {seconds:.1} s ({rate:.1} a second); faults in {failed:?}");
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn one(machine: &Path, seed: u64, asked: &Asked) -> Result<(), String> {
    let first = play(machine, seed, None, asked.is_printed)?;
    if asked.is_compared {
        let second = play(machine, seed, None, false)?;
        if first != second {
            return Err(format!("not the same twice: {first}, {second}"));
        }
    }
    Ok(())
}

/// The last line that a seed prints, with a planted bug or without.
///
/// # Errors
///
/// The first fault.
pub(crate) fn play(
    machine: &Path,
    seed: u64,
    planted: Option<&str>,
    is_printed: bool,
) -> Result<String, String> {
    let jumps = Plan::of(seed).jumps.into_iter();
    let jumps = jumps.filter(|jump| !jump.is_of_the_database);
    let jumps: String = jumps
        .map(|jump| format!("{}:{},", jump.at.as_millis(), jump.milliseconds))
        .collect();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--child", &seed.to_string()])
        .env("SIMULATION_SEED", seed.to_string())
        .env("SIMULATION_JUMPS", jumps)
        .env("LD_PRELOAD", machine)
        .env("RUST_BACKTRACE", "0")
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(planted) = planted {
        child.env("SIMULATION_PLANTED", planted);
    }
    if is_printed {
        child.arg("--prints");
    }
    let played = child.output().unwrap();
    let printed = String::from_utf8_lossy(&played.stdout).into_owned();
    if is_printed {
        print!("{printed}");
    }
    let last = printed.lines().last().unwrap_or_default().to_owned();
    if played.status.success() {
        Ok(last)
    } else {
        let errors = String::from_utf8_lossy(&played.stderr);
        Err(format!("{last} {}", errors.trim()))
    }
}

/// Compiles the machine under the simulation.
fn machine() -> PathBuf {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/machine.c");
    let compiled = Command::new("cc")
        .args(["-O2", "-Wall", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    assert!(compiled.unwrap().success(), "cc cannot compile machine.c");
    library
}

/// Runs one seed, in the process that has its machine.
fn child(seed: u64, is_printed: bool) -> ExitCode {
    let report = run::run(seed, is_printed);
    let (digest, lines) = report.digest;
    let first = report.faults.first().map_or("sound", String::as_str);
    println!("{first} ({lines} lines, {digest:016x})");
    if report.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
