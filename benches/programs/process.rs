//! A measured program as a process, and what the kernel says of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The kernel counts processor time in hundredths of a second (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A running process. It is killed with this value.
pub(crate) struct Process {
    pub(crate) child: Child,
    said: String,
    _output: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// This program in another mode. It says its addresses in its first line.
    pub(crate) fn start_self(arguments: &[&str]) -> Self {
        Self::start_saying(Command::new(std::env::current_exe().unwrap()).args(arguments))
    }

    /// A program that says its addresses in its first line.
    pub(crate) fn start_saying(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        Self {
            child,
            said: said.trim().to_owned(),
            _output: Some(output),
        }
    }

    /// A program that says nothing.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self {
            child: command.spawn().unwrap(),
            said: String::new(),
            _output: None,
        }
    }

    /// The addresses that it has said.
    pub(crate) fn addresses(&self) -> Vec<std::net::SocketAddr> {
        let addresses = self.said.split_whitespace();
        addresses.map(|address| address.parse().unwrap()).collect()
    }

    /// User and system time of all threads so far.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time_in(&self.proc("stat"))
    }

    /// Files and sockets that it has open.
    pub(crate) fn open_files(&self) -> usize {
        let open = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(open).unwrap().count()
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.kib("VmRSS:")
    }

    /// A figure in KiB: of all memory that is resident now, or the most that was (`VmHWM:`).
    pub(crate) fn kib(&self, name: &str) -> u64 {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// A file that the kernel has about it.
    pub(crate) fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time in `/proc/PROCESS/stat`.
pub(crate) fn processor_time_in(stat: &str) -> Duration {
    times_in(stat).iter().sum()
}

/// The same, apart.
pub(crate) fn times_in(stat: &str) -> [Duration; 2] {
    // The name, in brackets, may hold spaces; utime and stime are the 12th and 13th field after it.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let mut ticks = fields
        .split_whitespace()
        .skip(11)
        .map(|field| field.parse::<u32>().unwrap());
    [(); 2].map(|()| TICK * ticks.next().unwrap())
}
