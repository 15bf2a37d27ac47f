//! A MongoDB for `conduit-server dev`, found on this machine and started.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bson::doc;
use tokio::process::{Child, Command};

use crate::environment::DEV_FOLDER;

/// MongoDB's own port, taken if it is free.
const USUAL_PORT: u16 = 27017;
/// What a mongod of any version that serves here writes into its log when it listens.
const LISTENING: &str = "Waiting for connections";
/// How a mongod ends whose port is taken.
const PORT_IN_USE: i32 = 48;
/// How long a mongod may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// A running mongod; its data stays in `.conduit/mongodb` for the next time.
#[derive(Debug)]
pub(crate) struct DevMongod {
    /// `None` for one that an earlier server left running when it was killed.
    process: Option<Child>,
    uri: String,
    log: PathBuf,
}

impl DevMongod {
    /// Finds a mongod (`CONDUIT_MONGOD`, else on the `PATH`), starts it as a replica set of one, writes its URI to
    /// `.conduit/mongodb-uri`, and waits until it listens.
    ///
    /// # Errors
    /// What is missing and what to do, as the line that follows `FATAL: `.
    pub(crate) async fn start() -> Result<Self, String> {
        let program = find().ok_or(
            "dev mode needs a MongoDB: set MONGODB_URI, or put mongod on the PATH, or name it in CONDUIT_MONGOD",
        )?;
        let folder = std::path::absolute(DEV_FOLDER).map_err(|error| format!("{DEV_FOLDER}: {error}"))?;
        let (data, note, log) = (
            folder.join("mongodb"),
            folder.join("mongodb-uri"),
            folder.join("mongod.log"),
        );
        fs::create_dir_all(&data).map_err(|error| format!("cannot create {}: {error}", data.display()))?;
        if let Some(uri) = left_running(&data, &note) {
            tracing::info!(%uri, "taking over the MongoDB that an earlier server left running");
            return Ok(Self {
                process: None,
                uri,
                log,
            });
        }
        // Somebody else may take the port between our look and the start.
        for preferred in [USUAL_PORT, 0, 0] {
            let port = free_port(preferred).map_err(|error| format!("no free port for MongoDB: {error}"))?;
            let mut process = spawn(&program, &data, &log, port)?;
            let Some(status) = listening(&mut process, &log).await else {
                let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
                fs::write(&note, &uri)
                    .map_err(|error| format!("cannot write {}: {error}", note.display()))?;
                tracing::info!(%uri, log = %log.display(), "started a MongoDB of our own");
                return Ok(Self {
                    process: Some(process),
                    uri,
                    log,
                });
            };
            if status.code() != Some(PORT_IN_USE) {
                return Err(format!(
                    "MongoDB ended at its start ({status}); see {}",
                    log.display()
                ));
            }
        }
        Err(format!("MongoDB finds no free port; see {}", log.display()))
    }

    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// Waits for its end, which is a failure unless everything is being stopped.
    pub(crate) async fn ended(&mut self) -> String {
        let Some(process) = &mut self.process else {
            return std::future::pending().await;
        };
        let status = process
            .wait()
            .await
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        format!(
            "the MongoDB that was started ended ({status}); see {}",
            self.log.display()
        )
    }

    /// Shuts it down in order; killed if that takes too long.
    pub(crate) async fn stop(mut self, database: &mongodb::Database) {
        let admin = database.client().database("admin");
        // It ends the connection instead of answering.
        let shutdown = doc! { "shutdown": 1, "force": true, "timeoutSecs": 1 };
        let asked = tokio::spawn(async move { admin.run_command(shutdown).await });
        match &mut self.process {
            Some(process) => {
                if tokio::time::timeout(STOP_PATIENCE, process.wait()).await.is_err() {
                    tracing::warn!("MongoDB does not stop; it is killed");
                    if let Err(error) = process.kill().await {
                        tracing::error!(%error, "MongoDB cannot be killed");
                    }
                }
                asked.abort();
            }
            None => drop(tokio::time::timeout(STOP_PATIENCE, asked).await),
        }
    }
}

/// The URI of a mongod that still runs on this data, as the lock file in it and the kernel's list of processes tell.
fn left_running(data: &Path, note: &Path) -> Option<String> {
    let pid = fs::read_to_string(data.join("mongod.lock")).ok()?;
    let command = fs::read(format!("/proc/{}/cmdline", pid.trim())).ok()?;
    let is_ours = command
        .split(|byte| *byte == 0)
        .any(|argument| argument == data.as_os_str().as_encoded_bytes());
    is_ours.then(|| fs::read_to_string(note).ok())?
}

fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CONDUIT_MONGOD").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("mongod"))
        .find(|program| Path::is_file(program))
}

/// The usual port if it is free, else any.
fn free_port(preferred: u16) -> std::io::Result<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = bind(preferred).or_else(|_taken| bind(0))?;
    Ok(listener.local_addr()?.port())
}

fn spawn(program: &Path, data: &Path, log: &Path, port: u16) -> Result<Child, String> {
    let unwritable = |error| format!("cannot write {}: {error}", log.display());
    let output = File::create(log).map_err(unwritable)?;
    let errors = output.try_clone().map_err(unwritable)?;
    Command::new(program)
        .args([
            "--replSet",
            "rs0",
            "--bind_ip",
            "127.0.0.1",
            "--wiredTigerCacheSizeGB",
            "0.5",
        ])
        .arg("--port")
        .arg(port.to_string())
        .arg("--dbpath")
        .arg(data)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))
}

/// Waits until the process listens, or returns how it ended. Its log tells: a connection might be to somebody else.
async fn listening(process: &mut Child, log: &Path) -> Option<ExitStatus> {
    loop {
        if fs::read_to_string(log).is_ok_and(|log| log.contains(LISTENING)) {
            return None;
        }
        let ended = tokio::time::timeout(Duration::from_millis(50), process.wait()).await;
        // A process whose end cannot be told of is not ours to judge: the next look decides.
        if let Ok(Ok(status)) = ended {
            return Some(status);
        }
    }
}
