//! A process of the suite, as the suite sees it.

use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::Failure;
use crate::role::Job;

/// The argument that makes this program play a part.
pub(crate) const ROLE_ARGUMENT: &str = "--role";
/// What stands before the command of the process that runs Conduit, as in `perf record -g -o perf.data --`.
const PROFILER: &str = "CONDUIT_BENCH_PROFILER";
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// A process that plays a part, killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    introduction: Value,
}

impl Child {
    /// Starts a process and waits until it is ready.
    pub(crate) async fn start(job: &Job) -> Result<Self, Failure> {
        let this = std::env::current_exe()?;
        let profiler = match job {
            Job::Conduit(_) => std::env::var(PROFILER).unwrap_or_default(),
            _ => String::new(),
        };
        let mut words = profiler.split_whitespace();
        let mut command = match words.next() {
            Some(program) => {
                let mut command = Command::new(program);
                command.args(words).arg(this);
                command
            }
            None => Command::new(this),
        };
        let mut process = command
            .arg(ROLE_ARGUMENT)
            .arg(serde_json::to_string(job)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = process.stdin.take().ok_or("a process without standard input")?;
        let output = process.stdout.take().ok_or("a process without standard output")?;
        let mut child = Self {
            process,
            input,
            output: BufReader::new(output).lines(),
            introduction: Value::Null,
        };
        child.introduction = child.hear().await?;
        Ok(child)
    }

    /// What the process said when it was ready.
    pub(crate) fn introduction(&self) -> &Value {
        &self.introduction
    }

    /// Says a word and waits for the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&mut self, word: &str) -> Result<T, Failure> {
        self.input.write_all(format!("{word}\n").as_bytes()).await?;
        Ok(serde_json::from_value(self.hear().await?)?)
    }

    /// Lets it end by itself, which a profiler needs to write what it saw.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        drop(self.input);
        tokio::time::timeout(PATIENCE, self.process.wait()).await??;
        Ok(())
    }

    async fn hear(&mut self) -> Result<Value, Failure> {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line())
            .await
            .map_err(|_| format!("a process did not answer within {PATIENCE:?}"))??;
        // It has said why on its standard error, which is ours.
        let line = line.ok_or("a process of the suite ended")?;
        Ok(serde_json::from_str(&line)?)
    }
}
