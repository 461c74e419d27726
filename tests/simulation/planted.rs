//! The planted bugs: patches beside this file, each of which the simulation has to find.
//!
//! `.ci/planted` applies all of them to a copy of the sources. What they plant does nothing until
//! its name is in `SIMULATION_PLANTED`. The head of a patch names the seed that finds it.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::command::play;

struct Planted {
    name: String,
    seed: Option<u64>,
}

/// Finds each bug by its seed, or else by the first of so many.
pub(crate) fn find(machine: &Path, most: u64) -> ExitCode {
    let mut missed = Vec::new();
    for Planted { name, seed } in all() {
        // Another await is another order: then another seed finds it.
        let mut seeds = seed.into_iter().chain(1..=most);
        let found = seeds.find_map(|seed| {
            let fault = play(machine, seed, Some(&name), false).err()?;
            // The seed must find this bug, and no other one.
            play(machine, seed, None, false).ok()?;
            Some((seed, fault))
        });
        match found {
            Some((seed, fault)) => println!("{name}: seed {seed}: {fault}"),
            None => missed.push(name),
        }
    }
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("not found: {}", missed.join(", "));
    ExitCode::FAILURE
}

fn all() -> Vec<Planted> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/planted");
    let patches = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let patch = fs::read_to_string(&path).unwrap();
        let seed = patch.lines().find_map(|line| line.strip_prefix("Seed: "));
        let seed = seed.map(|seed| seed.parse().unwrap());
        Planted { name, seed }
    });
    let mut planted: Vec<_> = patches.collect();
    planted.sort_by(|one, other| one.name.cmp(&other.name));
    planted
}
