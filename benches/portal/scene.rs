//! How a scene runs: with each program, in turn or at the same time.

use futures_util::future::join_all;

use super::program::Program;
use super::table::{Figure, Table};

/// Runs a scene so many times with each program, in turn, and prints its figures.
pub(crate) async fn in_turn(
    title: &str,
    programs: &[Program],
    runs: usize,
    scene: impl AsyncFn(&Program) -> Vec<Figure>,
) {
    let mut table = Table::new(programs);
    for _ in 0..runs {
        for program in programs {
            table.add(program, scene(program).await);
        }
    }
    table.print(title);
}

/// Runs a scene once with each program, all at the same time: for scenes that mostly wait.
pub(crate) async fn side_by_side(
    title: &str,
    programs: &[Program],
    scene: impl AsyncFn(&Program) -> Vec<Figure>,
) {
    let mut table = Table::new(programs);
    let mut running = Vec::new();
    for program in programs {
        running.push(scene(program));
    }
    for (program, figures) in programs.iter().zip(join_all(running).await) {
        table.add(program, figures);
    }
    table.print(title);
}
