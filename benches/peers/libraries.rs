//! Client libraries of Bitrix24 and the service at a portal's limits, against the sandbox.
//!
//! `libraries/run.py` plays the scenes, because the libraries are for Python and JavaScript.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::figures::Spread;
use super::install::Peers;
use super::page::Page;
use super::picture::{Bar, Picture};
use super::service::OURS;

const RUN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/benches/peers/libraries/run.py"
);
/// The service, in `libraries/run.py`.
const OURS_IS_CALLED: &str = "openlines";
/// When a scene is given up.
const LONGEST_SECONDS: f64 = 300.0;

/// What one library made of a scene.
#[derive(Debug, Deserialize)]
struct Outcome {
    scene: String,
    library: String,
    seconds: Option<f64>,
    /// Why it was not tried.
    missing: Option<String>,
    requests: usize,
    refused: usize,
    answers_lost: usize,
    refreshes: usize,
    undelivered: usize,
    doubled: usize,
    /// How many callers were told what instead of a result.
    errors: Option<BTreeMap<String, usize>>,
    errors_of_delivered: usize,
}

pub(crate) fn measure(peers: &Peers, is_short: bool, page: &mut Page) {
    let mut command = Command::new(&peers.python);
    command
        .arg(RUN)
        .args(is_short.then_some("--short"))
        .env("BINARY_UNDER_TEST", OURS)
        .stdout(Stdio::piped());
    let done = command.spawn().unwrap().wait_with_output().unwrap();
    assert!(done.status.success(), "{RUN} failed");
    let outcomes: Vec<Outcome> = serde_json::from_slice(&done.stdout).unwrap();
    for outcome in &outcomes {
        if outcome.library == OURS_IS_CALLED {
            assert_eq!(
                (
                    outcome.undelivered,
                    outcome.doubled,
                    outcome.refused_calls()
                ),
                (0, 0, 0),
                "{outcome:?}"
            );
        }
    }
    let scenes = outcomes.chunk_by(|one, next| one.scene == next.scene);
    let mut picture = Picture::new(
        "Messages to one portal that takes 50 requests at once and 2 per second",
        "until the last caller was answered; orange: messages lost or doubled; false error: for a message that was delivered",
    );
    let mut tables = String::new();
    for scene in scenes {
        let title = &scene[0].scene;
        picture.group(
            title.clone(),
            scene.iter().filter_map(Outcome::bar).collect(),
        );
        write!(
            tables,
            "\n**{title}**\n\n| | time, s | requests | refused by the portal | answers lost | tokens refreshed | not delivered | delivered twice and more | callers told an error | of these, delivered |\n|---|---|---|---|---|---|---|---|---|---|\n"
        )
        .unwrap();
        for outcome in scene {
            tables.push_str(&outcome.row());
        }
    }
    let mut text = format!(
        "One run. {}, {}.\n",
        page.occasion(),
        peers.library_versions()
    );
    text.push_str(&page.picture("peers-libraries", &picture));
    text.push_str(&tables);
    page.section("libraries", &text);
}

impl Outcome {
    fn row(&self) -> String {
        if let Some(why) = &self.missing {
            return format!("| {} | not tried: {why} | | | | | | | | |\n", self.library);
        }
        let time = self.seconds.map_or_else(
            || format!("given up after {LONGEST_SECONDS}"),
            |seconds| format!("{seconds:.2}"),
        );
        let figures = [
            self.requests,
            self.refused,
            self.answers_lost,
            self.refreshes,
            self.undelivered,
            self.doubled,
        ];
        let figures = figures.map(|figure| figure.to_string()).join(" | ");
        let told = self.told();
        let Self {
            library,
            errors_of_delivered,
            ..
        } = self;
        format!("| {library} | {time} | {figures} | {told} | {errors_of_delivered} |\n")
    }

    /// How many callers were told that their message was not delivered.
    fn refused_calls(&self) -> usize {
        let errors: usize = self
            .errors
            .iter()
            .flatten()
            .map(|(_, callers)| callers)
            .sum();
        errors - self.errors_of_delivered
    }

    /// What callers were told instead of a result.
    fn told(&self) -> String {
        let errors = self.errors.iter().flatten();
        let errors: Vec<String> = errors
            .map(|(error, callers)| format!("{callers} {error}"))
            .collect();
        if errors.is_empty() {
            "0".to_owned()
        } else {
            errors.join(", ")
        }
    }

    fn bar(&self) -> Option<Bar> {
        if self.missing.is_some() {
            return None;
        }
        let time = self.seconds.unwrap_or(LONGEST_SECONDS);
        let mut label = self
            .seconds
            .map_or("given up".to_owned(), |seconds| format!("{seconds:.1} s"));
        let told = if self.library == OURS_IS_CALLED {
            "told unknown"
        } else {
            "false errors"
        };
        for (count, what) in [
            (self.undelivered, "lost"),
            (self.doubled, "doubled"),
            (self.errors_of_delivered, told),
        ] {
            if count > 0 {
                write!(label, ", {count} {what}").unwrap();
            }
        }
        Some(Bar {
            name: self.library.clone(),
            parts: vec![time],
            spread: Spread::of([time].into_iter()),
            label,
            is_wrong: self.undelivered + self.doubled > 0,
        })
    }
}
