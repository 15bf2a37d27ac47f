//! An example's program, and what it prints.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long anything may take before the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The path of an example that was built.
pub(crate) fn built(example: &str) -> PathBuf {
    // Beside the folder of this test's own binary; cargo builds examples with a package's tests,
    // but not with one that is named by `--test`.
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().and_then(Path::parent).unwrap();
    let program = folder.join("examples").join(example);
    assert!(
        program.exists(),
        "not built: cargo build -p conduit-examples --examples"
    );
    program
}

/// A program that runs; its output, of both kinds, comes line by line.
pub(crate) struct Program {
    process: Child,
    lines: mpsc::UnboundedReceiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// Starts an example with these variables and none of the caller's that it would read.
    pub(crate) fn start(example: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(built(example));
        for name in [
            "MONGODB_URI",
            "MONGODB_DATABASE",
            "MEILI_URL",
            "MEILI_MASTER_KEY",
            "RUST_LOG",
        ] {
            command.env_remove(name);
        }
        let mut process = command
            .envs(variables.iter().copied())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (printed, lines) = mpsc::unbounded_channel();
        pass_on(process.stdout.take().unwrap(), printed.clone());
        pass_on(process.stderr.take().unwrap(), printed);
        let seen = Vec::new();
        Self { process, lines, seen }
    }

    /// Waits for a line that contains `part`, and returns it.
    pub(crate) async fn line_with(&mut self, part: &str) -> String {
        loop {
            let next = timeout(PATIENCE, self.lines.recv()).await.ok().flatten();
            let Some(line) = next else {
                panic!("no line with {part:?} came, but these:\n{}", self.seen.join("\n"));
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Ends it as Ctrl-C does, and waits for it.
    pub(crate) async fn interrupt(mut self) -> ExitStatus {
        let id = self.process.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().await.unwrap();
        assert!(sent.success());
        self.end().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap()
    }
}

fn pass_on(output: impl AsyncRead + Unpin + Send + 'static, printed: mpsc::UnboundedSender<String>) {
    // Ends with the program's output.
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if printed.send(line).is_err() {
                return;
            }
        }
    });
}
