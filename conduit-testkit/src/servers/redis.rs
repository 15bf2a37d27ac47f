//! A Redis server.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The variable that names the program; without it, `redis-server` on the `PATH`.
const PROGRAM_VARIABLE: &str = "CONDUIT_REDIS_SERVER";
const LONGEST_START: Duration = Duration::from_secs(20);
/// How often another port is tried, since somebody else may take a free one first.
const TRIES: u32 = 5;

/// A Redis server of one test, killed when it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    directory: Option<PathBuf>,
    options: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server that keeps its data in memory only.
    ///
    /// # Errors
    /// If there is no `redis-server`, or it does not come up within 20 seconds.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(None, &[]).await
    }

    /// Starts a server that writes everything to an append-only file in `directory`, so that [`stop`](Self::stop) and
    /// [`restart`](Self::restart) keep it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_in(directory: &Path) -> io::Result<Self> {
        Self::start_with(Some(directory), &[]).await
    }

    /// Starts a server with further options, say `["--requirepass", "secret"]`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(directory: Option<&Path>, options: &[&str]) -> io::Result<Self> {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let mut last = io::Error::other("redis-server was not started");
        for _ in 0..TRIES {
            let port = free_port()?;
            let directory = directory.map(Path::to_owned);
            let mut server = Self {
                port,
                directory,
                options: options.clone(),
                process: None,
            };
            match server.restart().await {
                Ok(()) => return Ok(server),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Returns the port, which stays the same when the server is started again.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id, or `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Returns the server's URI.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills the server. A test goes on without it, or starts it again.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub async fn stop(&mut self) -> io::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Starts the server on its port, killing it first if it runs, and waits until it answers.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await?;
        let mut process = self.command().spawn().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("redis-server cannot be started (see {PROGRAM_VARIABLE}): {error}"),
            )
        })?;
        let deadline = Instant::now() + LONGEST_START;
        while !self.answers().await {
            if let Some(status) = process.try_wait()? {
                return Err(io::Error::other(format!(
                    "redis-server ended at its start: {status}"
                )));
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "redis-server does not answer",
                ));
            }
            sleep(Duration::from_millis(10)).await;
        }
        self.process = Some(process);
        Ok(())
    }

    fn command(&self) -> Command {
        let program = std::env::var_os(PROGRAM_VARIABLE).unwrap_or_else(|| "redis-server".into());
        let mut command = Command::new(program);
        command
            .arg("--port")
            .arg(self.port.to_string())
            .args(["--bind", "127.0.0.1", "--save", ""]);
        match &self.directory {
            Some(directory) => command.args(["--appendonly", "yes", "--dir"]).arg(directory),
            None => command.args(["--appendonly", "no"]),
        };
        command
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.kill_on_drop(true);
        command
    }

    /// Whether the server has loaded its data and answers. One that wants a password answers too.
    async fn answers(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
            stream.write_all(b"PING\r\n").await?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await?;
            Ok::<_, io::Error>(&answer == b"+PONG" || &answer == b"-NOAU")
        };
        matches!(
            tokio::time::timeout(Duration::from_secs(1), ask).await,
            Ok(Ok(true))
        )
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
