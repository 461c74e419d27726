//! A program under callgrind, and how many instructions it executes in user space between two
//! moments.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::Process;

/// What callgrind is asked for: nothing before we say so.
const OPTIONS: [&str; 4] = [
    "--tool=callgrind",
    "--instr-atstart=no",
    "--vgdb=yes",
    "--quiet",
];

/// Spans are exported when there are so many, and at no other time: each scene makes a multiple of
/// them. By the clock there would be now more exports among the calls, now fewer.
const EXPORTS: [&str; 2] = [
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=64",
    "OTEL_BSP_SCHEDULE_DELAY=3600000",
];

/// Commands that run a program under callgrind on one processor, so that runtimes have one thread
/// for their tasks.
pub(crate) struct Callgrind {
    folder: tempfile::TempDir,
}

/// A running program. Its instructions are counted from now on.
pub(crate) struct Counted<'a> {
    process: &'a Process,
    callgrind: &'a Callgrind,
    dumps: u32,
}

impl Callgrind {
    pub(crate) fn new() -> Self {
        let version = Command::new("valgrind").arg("--version").output();
        assert!(
            version.is_ok_and(|said| said.status.success()),
            "valgrind is needed: apt-get install valgrind"
        );
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The begin of a command. The rest is for the program.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("taskset");
        command
            .args(["-c", &processor(), "env"])
            .args(EXPORTS)
            .arg("valgrind")
            .args(OPTIONS)
            .arg(format!(
                "--callgrind-out-file={}",
                self.path("%p").display()
            ))
            .arg(self.prefix())
            .arg(program);
        command
    }

    fn prefix(&self) -> String {
        format!("--vgdb-prefix={}", self.path("vgdb").display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Begins to count.
    pub(crate) fn count<'a>(&'a self, process: &'a Process) -> Counted<'a> {
        let counted = Counted {
            process,
            callgrind: self,
            dumps: 0,
        };
        counted.say("instrumentation on");
        counted
    }
}

impl Counted<'_> {
    /// Forgets what was counted.
    pub(crate) fn zero(&self) {
        self.say("zero");
    }

    /// What was counted, as callgrind writes it.
    pub(crate) fn dump(&mut self) -> String {
        self.say("dump");
        self.dumps += 1;
        let name = format!("{}.{}", self.process.child.id(), self.dumps);
        let file = self.callgrind.path(&name);
        let dump = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        dump
    }

    fn say(&self, what: &str) {
        let mut command = Command::new("vgdb");
        command
            .env_clear()
            .arg(self.callgrind.prefix())
            .arg(format!("--pid={}", self.process.child.id()))
            .args(what.split(' '));
        let said = command.output().unwrap();
        assert!(said.status.success(), "vgdb {what}: {said:?}");
    }
}

/// A processor that this process may use.
fn processor() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    let digits = allowed.trim().split(|c: char| !c.is_ascii_digit());
    digits.into_iter().next().unwrap().to_owned()
}

/// The sum of a dump.
pub(crate) fn sum(dump: &str) -> u64 {
    let line = dump
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .unwrap();
    line.trim().parse().unwrap()
}
