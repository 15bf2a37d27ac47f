//! Runs `conduit`.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::{PATIENCE, Server};

/// How `conduit` is run: against which server, in which folder, with which environment.
pub(super) struct Cli {
    url: String,
    folder: std::path::PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Cli {
    pub(super) fn of(server: &Server, folder: &Path) -> Self {
        Self::at(&server.api.base, folder)
    }

    pub(super) fn at(url: &str, folder: &Path) -> Self {
        Self {
            url: url.to_owned(),
            folder: folder.to_owned(),
            variables: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Writes a file where it runs.
    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conduit"));
        for name in ["CONDUIT_API_TOKEN", "CONDUIT_URL", "NO_COLOR", "MONGODB_URI"] {
            command.env_remove(name);
        }
        command
            .args(args)
            .current_dir(&self.folder)
            .env("CONDUIT_URL", &self.url)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(super) async fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "").await
    }

    /// Runs it with this on its standard input.
    pub(super) async fn run_with(&self, args: &[&str], input: &str) -> Run {
        let mut process = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        // It need not read it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, process.wait_with_output())
            .await
            .unwrap_or_else(|_| panic!("never ends: {args:?}"))
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Runs it, expects that all is well, and returns its output.
    pub(super) async fn out(&self, args: &[&str]) -> String {
        let run = self.run(args).await;
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        // Colours and progress are for terminals.
        assert!(!run.out.contains('\x1b') && !run.err.contains('\x1b'), "{run:?}");
        run.out
    }

    pub(super) async fn json(&self, args: &[&str]) -> Value {
        let out = self.out(args).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}
