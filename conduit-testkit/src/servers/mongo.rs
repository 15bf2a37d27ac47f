//! Starts a mongod for tests.

use std::fs::OpenOptions;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

const START_TIMEOUT: Duration = Duration::from_secs(60);
pub(super) const REPLICA_SET: &str = "conduit-test";

/// Runs mongod, and kills it when standard input ends: so it dies with the test process, however that ends.
///
/// Background commands of a shell read from /dev/null, hence the copy of standard input.
const SUPERVISE: &str = r#"exec 3<&0
leftover=$1; shift
"$@" 3<&- </dev/null &
pid=$!
(cat <&3 >/dev/null; kill -9 $pid) &
wait $pid
code=$?
[ -z "$leftover" ] || rm -rf "$leftover"
exit $code"#;

/// What a shell says when there is no such program.
const NOT_FOUND: i32 = 127;

/// How a [`MongoServer`] is started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topology {
    /// A replica set of one member, initiated.
    ReplicaSet,
    /// The same, with an oplog of 16 MB.
    SmallOplog,
    /// A replica set of one member that wants its users to sign in. There are none yet: the first one may be made from this
    /// machine without.
    WithUsers,
    /// Started as a member of a replica set that was never initiated.
    Uninitiated,
    /// A standalone server, which has no change streams.
    Standalone,
}

/// A mongod of its own on a free port of the loopback interface, with its data in a temporary directory.
///
/// The program is the environment's `CONDUIT_MONGOD`, or the `mongod` of the path. It ends when the value is
/// dropped or the test process ends.
#[derive(Debug)]
pub struct MongoServer {
    port: u16,
    topology: Topology,
    data: TempDir,
    process: Option<Supervised>,
}

impl MongoServer {
    /// Starts a replica set of one member and waits until it takes writes.
    ///
    /// # Panics
    /// If there is no mongod, or it does not come up within a minute.
    pub async fn start() -> Self {
        Self::start_as(Topology::ReplicaSet).await
    }

    /// Starts a server and waits until it answers; a replica set until it takes writes.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_as(topology: Topology) -> Self {
        // Somebody else may take the free port before mongod does.
        for _ in 0..5 {
            let data = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
            let port = free_port();
            let process = Supervised::spawn(port, data.path(), topology, None);
            let mut server = Self {
                port,
                topology,
                data,
                process: Some(process),
            };
            if server.wait_until_up().await {
                return server;
            }
        }
        panic!("mongod ended again and again right after its start");
    }

    /// Returns the connection string.
    #[must_use]
    pub fn uri(&self) -> String {
        uri(self.port, self.topology)
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server with SIGKILL and waits until it is gone. The data stays.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts the server again on the same port and data, and waits as [`Self::start`] does.
    ///
    /// # Panics
    /// If it does not come up within a minute.
    pub async fn restart(&mut self) {
        self.kill();
        self.process = Some(Supervised::spawn(
            self.port,
            self.data.path(),
            self.topology,
            None,
        ));
        assert!(self.wait_until_up().await, "mongod did not start again");
    }

    async fn wait_until_up(&mut self) -> bool {
        let Some(process) = &mut self.process else {
            return false;
        };
        process.wait_until_up(self.port, self.topology).await
    }
}

/// Returns the connection string of a replica set that all tests of this process share.
///
/// That is the environment's `CONDUIT_TEST_MONGODB_URI`, or a server started at the first call.
///
/// # Panics
/// As [`MongoServer::start`].
pub async fn shared_mongodb_uri() -> &'static str {
    static SHARED: OnceCell<(String, Option<Supervised>)> = OnceCell::const_new();
    let start = async || {
        if let Ok(uri) = std::env::var("CONDUIT_TEST_MONGODB_URI") {
            return (uri, None);
        }
        for _ in 0..5 {
            let data = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
            // Nothing is dropped at the end of a process: the supervisor removes the data.
            let data = data.keep();
            let port = free_port();
            let mut process = Supervised::spawn(port, &data, Topology::ReplicaSet, Some(&data));
            if process.wait_until_up(port, Topology::ReplicaSet).await {
                return (uri(port, Topology::ReplicaSet), Some(process));
            }
        }
        panic!("mongod ended again and again right after its start");
    };
    &SHARED.get_or_init(start).await.0
}

/// Returns a name for a database that no other test uses.
#[must_use]
pub fn unique_database_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(count);
    format!(
        "conduit_test_{}_{count}_{:08x}",
        std::process::id(),
        random & 0xFFFF_FFFF
    )
}

/// A mongod and the shell that kills it when its standard input is closed.
#[derive(Debug)]
struct Supervised {
    shell: Child,
    input: Option<ChildStdin>,
}

impl Supervised {
    fn spawn(port: u16, data: &Path, topology: Topology, leftover: Option<&Path>) -> Self {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(SUPERVISE)
            .arg("sh")
            .arg(leftover.unwrap_or(Path::new("")));
        command
            .arg(program())
            .arg("--dbpath")
            .arg(data)
            .arg("--logpath")
            .arg(data.join("mongod.log"));
        command.args(["--bind_ip", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"]);
        command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
        command.args(["--setParameter", "enableTestCommands=1"]);
        if topology != Topology::Standalone {
            let megabytes = if topology == Topology::SmallOplog {
                "16"
            } else {
                "200"
            };
            command.args(["--replSet", REPLICA_SET, "--oplogSize", megabytes]);
        }
        if topology == Topology::WithUsers {
            command.arg("--keyFile").arg(key_file(data));
        }
        if topology == Topology::SmallOplog {
            // The oplog is only cut before the last checkpoint, of which there is one a minute.
            command.args(["--syncdelay", "1"]);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut shell = command
            .spawn()
            .unwrap_or_else(|error| panic!("no shell to start mongod: {error}"));
        let input = shell.stdin.take();
        Self { shell, input }
    }

    /// False if mongod ended.
    async fn wait_until_up(&mut self, port: u16, topology: Topology) -> bool {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match self.shell.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) if status.code() == Some(NOT_FOUND) => {
                    panic!("there is no mongod on the PATH, and CONDUIT_MONGOD names none")
                }
                Ok(Some(_)) | Err(_) => return false,
            }
            if is_up(port, topology).await.unwrap_or(false) {
                return true;
            }
            assert!(
                Instant::now() < deadline,
                "mongod did not come up in {START_TIMEOUT:?}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.shell.wait();
    }
}

async fn is_up(port: u16, topology: Topology) -> Result<bool, mongodb::error::Error> {
    let mut options =
        ClientOptions::parse(format!("mongodb://127.0.0.1:{port}/?directConnection=true")).await?;
    options.server_selection_timeout = Some(Duration::from_secs(1));
    let admin = Client::with_options(options)?.database("admin");
    let hello: Document = admin.run_command(doc! { "hello": 1 }).await?;
    if matches!(topology, Topology::Uninitiated | Topology::Standalone) {
        return Ok(true);
    }
    if !hello.contains_key("setName") {
        let member = doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
        admin
            .run_command(doc! { "replSetInitiate": { "_id": REPLICA_SET, "members": [member] } })
            .await?;
    }
    Ok(hello.get_bool("isWritablePrimary").unwrap_or(false))
}

fn uri(port: u16, topology: Topology) -> String {
    match topology {
        Topology::ReplicaSet | Topology::SmallOplog | Topology::WithUsers => {
            format!("mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}")
        }
        Topology::Uninitiated | Topology::Standalone => format!("mongodb://127.0.0.1:{port}/"),
    }
}

/// Makes the file by which members of the set would trust each other; without one mongod knows no users.
fn key_file(data: &Path) -> PathBuf {
    let path = data.join("members.key");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(b"onlyForTests"));
    written.unwrap_or_else(|error| panic!("no key file: {error}"));
    path
}

fn program() -> PathBuf {
    std::env::var_os("CONDUIT_MONGOD").map_or_else(|| PathBuf::from("mongod"), PathBuf::from)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_or_else(|error| panic!("no free port: {error}"), |address| address.port())
}
