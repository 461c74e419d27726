//! The scenes for a program that counts by itself which ways calls take (packaging/train): the same
//! calls, over and over, through what a portal and a database may be.

use std::path::Path;
use std::time::{Duration, Instant};

use super::calls::{Calls, Kind};
use super::database;
use super::scenes::{PROGRAMS, Program, SCENES};
use super::service::free_address;
use super::upstream::Upstream;

/// How long each scene lasts. What is counted is compared: no scene may be lost among the others.
const SCENE: Duration = Duration::from_secs(4);

/// Runs the scenes of the service through a program, on SQLite and on the PostgreSQL of
/// `.ci/postgres`.
pub(crate) async fn train(program: &Path) {
    let upstream = Upstream::start();
    for is_on_postgresql in [false, true] {
        for setup in PROGRAMS {
            if matches!(setup, Program::Bare | Program::TypedBare) {
                continue;
            }
            // One for each keyring.
            let database = if is_on_postgresql {
                let database = database::create().await;
                assert!(database.is_some(), "PostgreSQL is needed: .ci/postgres");
                database
            } else {
                None
            };
            let files = upstream.files(setup, database.as_deref()).await;
            let command = std::process::Command::new(program);
            let service = files.start_by(command, free_address()).await;
            let calls = Calls::new(service.address, &service.key, upstream.portal).await;
            let scenes = SCENES.iter();
            // Answers to wrong keys come late, which is no way to be made shorter.
            let scenes =
                scenes.filter(|scene| scene.program == setup && scene.way.kind != Kind::WrongKey);
            for scene in scenes {
                let begun = Instant::now();
                while begun.elapsed() < SCENE {
                    calls.make_at_once(scene.way, scene.calls).await;
                }
                println!("{}", scene.name);
            }
        }
    }
}
