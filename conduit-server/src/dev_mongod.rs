//! A MongoDB for `conduit-server dev`, found on this machine and started.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bson::doc;
use tokio::process::{Child, Command};

use crate::environment::DEV_FOLDER;

/// MongoDB's own port, taken if it is free.
const USUAL_PORT: u16 = 27017;
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
    /// Finds a mongod (`CONDUIT_MONGOD`, else on the `PATH`), starts it as a replica set of one, and writes its URI to
    /// `.conduit/mongodb-uri`.
    ///
    /// # Errors
    /// What is missing and what to do, as the line that follows `FATAL: `.
    pub(crate) fn start() -> Result<Self, String> {
        let program = find().ok_or(
            "dev mode needs a MongoDB: set MONGODB_URI, or put mongod on the PATH, or name it in CONDUIT_MONGOD",
        )?;
        let folder = std::path::absolute(DEV_FOLDER).map_err(|error| format!("{DEV_FOLDER}: {error}"))?;
        let data = folder.join("mongodb");
        fs::create_dir_all(&data).map_err(|error| format!("cannot create {}: {error}", data.display()))?;
        let note = folder.join("mongodb-uri");
        let log = folder.join("mongod.log");
        if let Some(uri) = left_running(&data, &note) {
            tracing::info!(%uri, "taking over the MongoDB that an earlier server left running");
            return Ok(Self {
                process: None,
                uri,
                log,
            });
        }
        let port = free_port().map_err(|error| format!("no free port for MongoDB: {error}"))?;
        let output =
            File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let errors = output
            .try_clone()
            .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let process = Command::new(&program)
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
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        fs::write(&note, &uri).map_err(|error| format!("cannot write {}: {error}", note.display()))?;
        tracing::info!(%uri, log = %log.display(), "started a MongoDB of our own");
        Ok(Self {
            process: Some(process),
            uri,
            log,
        })
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

fn free_port() -> std::io::Result<u16> {
    let any = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = any(USUAL_PORT).or_else(|_taken| any(0))?;
    Ok(listener.local_addr()?.port())
}
