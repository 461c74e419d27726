//! A terminal, to run `openlines tenants` in.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};

use super::office::Office;
use crate::support::process::openlines;

/// An operator with a key at a terminal.
pub(super) struct Terminal {
    pub address: SocketAddr,
    pub key: String,
}

/// The exit code and the texts of a command.
pub(super) struct Done {
    pub(super) code: i32,
    pub(super) output: String,
    pub(super) error: String,
}

impl Terminal {
    pub(super) fn of(office: &Office) -> Self {
        Self {
            address: office.service.address,
            key: office.keys.manager.clone(),
        }
    }

    /// Runs a command with text on its standard input.
    pub(super) async fn type_in(&self, arguments: &[&str], input: &str) -> Done {
        let mut command = openlines(&["tenants", "--address", &format!("http://{}", self.address)]);
        command
            .args(arguments)
            .env("OPENLINES_API_KEY", &self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut pipe = child.stdin.take().unwrap();
            // The program may have ended without reading.
            let _ = pipe.write_all(input.as_bytes());
            drop(pipe);
            child.wait_with_output().unwrap()
        });
        Done::of(output.await.unwrap())
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Done {
        self.type_in(arguments, "").await
    }

    /// Runs a command that must succeed, and returns what it wrote.
    pub(super) async fn done(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments).await;
        assert_eq!(done.code, 0, "{arguments:?} {}", done.error);
        assert_eq!(done.error, "");
        done.output
    }
}

impl Done {
    pub(super) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            output: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(super) fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The value of a line in the output of `get`.
pub(super) fn line<'t>(shown: &'t str, title: &str) -> &'t str {
    let lines = shown.lines();
    let of_title = |line: &'t str| line.strip_prefix(title)?.strip_prefix("  ");
    lines.filter_map(of_title).next().unwrap_or_default().trim()
}
