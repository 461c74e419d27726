//! How many instructions a call costs in user space, counted by callgrind.
//!
//! `cargo bench --bench instructions` starts an upstream stub, the real program in four ways and a
//! bare tonic + reqwest hop, each as a process under callgrind, makes an exact number of calls of
//! each kind, and prints Markdown. Counts hardly depend on the machine or on what else it does. The
//! kernel's instructions are not in them.
//!
//! - `--check` fails if a call costs more than `expected.txt` allows, each time that it is counted;
//!   `--update` writes that file.
//! - `--file FILE` takes another file in its place: to compare two states of the code.
//! - `--parts` prints where the instructions go.
//! - `--program PROGRAM` counts another program than that of this build, and no bare hop.
//! - `--short` counts some scenes once; `--only TEXT` those with this text in their names.
//! - `--train PROGRAM` counts nothing: that program serves each scene for seconds. It is one that
//!   counts by itself: packaging/train.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a measurement stops when something is wrong, and prints its result"
)]

#[path = "../hop/bare.rs"]
mod bare;
mod calls;
#[path = "../programs/certificate.rs"]
mod certificate;
mod counted;
#[path = "../programs/database.rs"]
mod database;
mod expected;
mod parts;
#[expect(dead_code, reason = "another benchmark reads its memory")]
#[path = "../programs/process.rs"]
mod process;
mod profile;
mod scenes;
#[expect(dead_code, reason = "another benchmark starts it without callgrind")]
#[path = "../programs/service.rs"]
mod service;
#[path = "../programs/stored.rs"]
mod stored;
#[path = "../hop/stub.rs"]
mod stub;
mod tenants;
mod training;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use calls::Calls;
use counted::{Callgrind, sum};
use expected::Expected;
use process::Process;
use scenes::{PROGRAMS, Program, SCENES, Scene};
use service::{OURS, Service, free_address};
use upstream::Upstream;

/// How often each scene is counted. The median is taken.
const REPEATS: usize = 3;
/// How often a scene is counted at most that costs more than expected. How many calls share a
/// write to the ledger is a matter of luck; what a call itself costs more, it costs each time.
const REPEATS_AT_MOST: usize = 6;

#[derive(Default)]
struct Options {
    is_check: bool,
    is_update: bool,
    has_parts: bool,
    is_short: bool,
    only: String,
    file: Option<PathBuf>,
    train: Option<PathBuf>,
    program: Option<PathBuf>,
}

impl Options {
    /// The file of expected counts.
    fn file(&self) -> PathBuf {
        let ours = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/benches/instructions/expected.txt"
        );
        self.file.clone().unwrap_or_else(|| ours.into())
    }

    /// The service. The bare hop is in this program, so it is always of this build.
    fn service(&self) -> &Path {
        self.program.as_deref().unwrap_or(Path::new(OURS))
    }

    fn wants(&self, scene: &Scene) -> bool {
        scene.name.contains(&self.only)
            && (scene.is_short || !self.is_short)
            && (self.program.is_none() || !scene.program.is_bare())
    }
}

/// What a scene costs per call.
struct Counts {
    scene: &'static Scene,
    /// In ascending order.
    repeats: Vec<u64>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "stub" => {
                stub::run(arguments.next().as_deref());
                return ExitCode::SUCCESS;
            }
            "bare" => {
                let portal = arguments.next().unwrap();
                bare::run(&portal, arguments.next().is_some());
                return ExitCode::SUCCESS;
            }
            "--check" => options.is_check = true,
            "--update" => options.is_update = true,
            "--parts" => options.has_parts = true,
            "--short" => options.is_short = true,
            "--only" => options.only = arguments.next().unwrap(),
            "--program" => options.program = arguments.next().map(PathBuf::from),
            "--train" => options.train = arguments.next().map(PathBuf::from),
            "--file" => options.file = arguments.next().map(PathBuf::from),
            other => panic!("{other}: see the first lines of benches/instructions/main.rs"),
        }
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(program) = &options.train {
        runtime.block_on(training::train(program));
        return ExitCode::SUCCESS;
    }
    let counts = runtime.block_on(count(&options));
    report(&options, &counts)
}

/// Counts all scenes that are wanted, program by program.
async fn count(options: &Options) -> Vec<Counts> {
    let upstream = Upstream::start();
    let expected = Expected::read(&options.file());
    let callgrind = Callgrind::new();
    let mut counts = Vec::new();
    for program in PROGRAMS {
        let scenes = SCENES.iter();
        let scenes: Vec<&Scene> = scenes
            .filter(|scene| scene.program == program && options.wants(scene))
            .collect();
        if scenes.is_empty() {
            continue;
        }
        let running = start(program, options.service(), &callgrind, &upstream).await;
        let calls = Calls::new(running.address(), running.key(), upstream.portal).await;
        let mut counted = callgrind.count(running.process());
        for scene in scenes {
            let make = async |count| calls.make(scene.way, count, running.process()).await;
            // Connections, caches and the allocator reach their working size, and the service
            // learns how large a batch may be.
            make(scene.calls).await;
            let repeats = if options.is_short { 1 } else { REPEATS };
            let mut per_call = Vec::new();
            let is_enough = |per_call: &[u64]| {
                let least = per_call.iter().min();
                per_call.len() >= repeats
                    && (per_call.len() >= REPEATS_AT_MOST
                        || !options.is_check
                        || least
                            .is_some_and(|least| expected.objection(scene.name, *least).is_none()))
            };
            while !is_enough(&per_call) {
                let repeat = per_call.len();
                counted.zero();
                assert!(make(scene.calls).await, "{}: not in a batch", scene.name);
                let dump = counted.dump();
                per_call.push(sum(&dump) / u64::try_from(scene.divisor()).unwrap());
                if options.has_parts && repeat == 0 {
                    parts::print(scene.name, &dump, scene.divisor());
                }
            }
            per_call.sort_unstable();
            eprintln!("{}: {per_call:?}", scene.name);
            counts.push(Counts {
                scene,
                repeats: per_call,
            });
        }
    }
    counts
}

/// A program under callgrind.
enum Running {
    Service(Service),
    Bare(Process),
}

impl Running {
    fn process(&self) -> &Process {
        match self {
            Self::Service(service) => &service.process,
            Self::Bare(process) => process,
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Service(service) => service.address,
            Self::Bare(process) => process.addresses()[0],
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Service(service) => &service.key,
            Self::Bare(_) => "none",
        }
    }
}

async fn start(
    program: Program,
    service: &Path,
    callgrind: &Callgrind,
    upstream: &Upstream,
) -> Running {
    if program.is_bare() {
        let mut command = callgrind.command(&std::env::current_exe().unwrap());
        command.args(["bare", &upstream.portal.to_string()]);
        if program == Program::TypedBare {
            command.arg("typed");
        }
        return Running::Bare(Process::start_saying(&mut command));
    }
    let files = upstream.files(program, None).await;
    let command = callgrind.command(service);
    Running::Service(files.start_by(command, free_address()).await)
}

/// Prints the table, and writes or compares the file.
fn report(options: &Options, counts: &[Counts]) -> ExitCode {
    let file = options.file();
    let mut expected = Expected::read(&file);
    let median = |counts: &Counts| counts.repeats[counts.repeats.len() / 2];
    let bare = |in_flight: usize| {
        let bare = counts.iter().find(|counts| {
            counts.scene.program == Program::Bare && counts.scene.way.in_flight == in_flight
        });
        bare.map(median)
    };
    println!("\n| instructions per call, in user space | | spread, % | bare hops | change, % |");
    println!("|---|---|---|---|---|");
    for counts in counts {
        let (scene, count) = (counts.scene, median(counts));
        let least = counts.repeats[0];
        let spread = (counts.repeats[counts.repeats.len() - 1] - least) as f64 / least as f64;
        // A batch is beside the hop with many calls at once.
        let bare = bare(if scene.way.in_flight == 1 { 1 } else { 64 });
        let ratio = bare.map_or("–".to_owned(), |bare| {
            format!("{:.2}", count as f64 / bare as f64)
        });
        let change = expected.change(scene.name, count);
        let change = change.map_or("–".to_owned(), |change| format!("{:+.1}", change * 100.0));
        println!(
            "| {} | {count} | {:.2} | {ratio} | {change} |",
            scene.name,
            spread * 100.0
        );
    }
    let objections = counts
        .iter()
        .filter_map(|counts| expected.objection(counts.scene.name, counts.repeats[0]));
    let objections: Vec<String> = objections.collect();
    if options.is_update {
        for counts in counts {
            expected.set(counts.scene.name, median(counts));
        }
        expected.write(&file);
    } else if options.is_check && !objections.is_empty() {
        eprintln!("\nToo many instructions:\n{}", objections.join("\n"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
