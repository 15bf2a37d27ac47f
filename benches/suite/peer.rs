//! What else there is to deliver changes with, each a process that goes on where it ended.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::Failure;
use crate::database::Mongo;
use crate::receiver::{Received, ReceiverProcess};

/// How often it is looked what arrived.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often a document is written until the first one arrives.
const WRITE_EVERY: Duration = Duration::from_millis(500);
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take to end.
const END: Duration = Duration::from_secs(60);

/// A product, and how it is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// The variable of the environment that names a Python that has it.
    pub(crate) variable: &'static str,
    /// In `benches/peers`.
    pub(crate) script: &'static str,
    /// After those that all scripts take.
    pub(crate) argument: Option<&'static str>,
}

/// A place where a product can go on from: of one round.
pub(crate) struct Place<'a> {
    /// Where it may leave files.
    pub(crate) folder: &'a Path,
    pub(crate) mongo: &'a Mongo,
    pub(crate) collection: &'a str,
    /// A file, or the name of a cursor.
    pub(crate) state: PathBuf,
}

struct Running {
    process: Child,
    input: ChildStdin,
}

impl Peer {
    /// Has it deliver something, so that it later goes on from here.
    pub(crate) async fn prime(
        self,
        place: &Place<'_>,
        receiver: &mut ReceiverProcess,
    ) -> Result<(), Failure> {
        receiver.forget().await?;
        let running = self.start(place, &receiver.url()).await?;
        let first = async {
            while receiver.received().await?.requests == 0 {
                place.mongo.add(place.collection, 1).await?;
                tokio::time::sleep(WRITE_EVERY).await;
            }
            Ok::<_, Failure>(())
        };
        tokio::time::timeout(PATIENCE, first)
            .await
            .map_err(|_| format!("{} delivers nothing", self.name))??;
        running.end().await
    }

    /// Has it deliver so many records from there on.
    pub(crate) async fn deliver(
        self,
        place: &Place<'_>,
        records: u64,
        receiver: &mut ReceiverProcess,
    ) -> Result<Received, Failure> {
        receiver.forget().await?;
        let running = self.start(place, &receiver.url()).await?;
        let all = async {
            loop {
                let received = receiver.received().await?;
                if received.requests >= records {
                    return Ok::<_, Failure>(received);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let received = tokio::time::timeout(PATIENCE, all)
            .await
            .map_err(|_| format!("{} did not deliver {records} records in {PATIENCE:?}", self.name))??;
        running.end().await?;
        Ok(received)
    }

    async fn start(self, place: &Place<'_>, url: &str) -> Result<Running, Failure> {
        let python =
            std::env::var_os(self.variable).ok_or_else(|| format!("{} is not set", self.variable))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("peers")
            .join(self.script);
        let mut process = Command::new(python)
            .arg(script)
            .current_dir(place.folder)
            .args([&place.mongo.uri(), &place.mongo.name(), place.collection])
            .arg(&place.state)
            .arg(url)
            .args(self.argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let input = process.stdin.take().ok_or("a process without standard input")?;
        let output = process.stdout.take().ok_or("a process without standard output")?;
        let mut lines = BufReader::new(output).lines();
        match tokio::time::timeout(PATIENCE, lines.next_line()).await?? {
            Some(line) if line == "ready" => Ok(Running { process, input }),
            _ => Err(format!("{} did not start", self.name).into()),
        }
    }
}

impl Running {
    async fn end(mut self) -> Result<(), Failure> {
        drop(self.input);
        tokio::time::timeout(END, self.process.wait()).await??;
        Ok(())
    }
}
