//! Which process a connection belongs to.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long connections are gathered, since the kernel takes milliseconds to write its table of them.
const GATHERED: Duration = Duration::from_millis(20);
/// How often the table is read: it comes in pieces while connections come and go, so that one may be missed.
const TRIES: u32 = 2;

/// Stands for an answer to come.
pub(crate) type Ticket = usize;

/// A connection: the client's end and the server's.
type Ends = (SocketAddr, SocketAddr);

/// Finds out which of the known processes has the client's end of a connection, in a thread of its own. A connection that
/// is closed at once may stay unknown.
#[derive(Clone, Debug)]
pub(crate) struct Senders {
    asked: Sender<(Ticket, Ends)>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    processes: Vec<u32>,
    /// By ticket.
    senders: Vec<Option<u32>>,
    /// How many tickets were looked into.
    answered: usize,
}

impl Senders {
    pub(crate) fn start() -> Self {
        let (asked, asks) = mpsc::channel();
        let known = Arc::<Mutex<Known>>::default();
        // Ends with the last handle.
        thread::spawn({
            let known = Arc::clone(&known);
            move || answer(&asks, &known)
        });
        Self { asked, known }
    }

    /// Adds a process that may open connections.
    pub(crate) fn add(&self, process: u32) {
        self.known.lock().unwrap().processes.push(process);
    }

    /// Asks for a connection that was just opened.
    pub(crate) fn ask(&self, client: SocketAddr, server: SocketAddr) -> Ticket {
        let mut known = self.known.lock().unwrap();
        let ticket = known.senders.len();
        known.senders.push(None);
        self.asked.send((ticket, (client, server))).unwrap();
        ticket
    }

    /// Waits until all that was asked for before was looked into.
    pub(crate) async fn until_answered(&self) {
        let asked = self.known.lock().unwrap().senders.len();
        while self.known.lock().unwrap().answered < asked {
            tokio::time::sleep(GATHERED).await;
        }
    }

    /// The process that has the client's end of the connection; `None` until it is looked into, and if it was gone then.
    pub(crate) fn of(&self, ticket: Ticket) -> Option<u32> {
        self.known.lock().unwrap().senders[ticket]
    }
}

fn answer(asks: &Receiver<(Ticket, Ends)>, known: &Mutex<Known>) {
    while let Ok(first) = asks.recv() {
        thread::sleep(GATHERED);
        let mut open = vec![first];
        open.extend(asks.try_iter());
        let count = open.len();
        for _ in 0..TRIES {
            let processes = known.lock().unwrap().processes.clone();
            let (owners, inodes) = (owners(&processes), inodes());
            let mut known = known.lock().unwrap();
            open.retain(|(ticket, ends)| {
                let found = inodes.get(ends).and_then(|inode| owners.get(inode));
                known.senders[*ticket] = found.copied();
                found.is_none()
            });
            if open.is_empty() {
                break;
            }
        }
        known.lock().unwrap().answered += count;
    }
}

/// Which process has which socket open.
fn owners(processes: &[u32]) -> HashMap<String, u32> {
    let mut owners = HashMap::new();
    for process in processes {
        let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
            continue;
        };
        for target in files.flatten().filter_map(|file| fs::read_link(file.path()).ok()) {
            let target = target.to_string_lossy();
            let inode = target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'));
            owners.extend(inode.map(|inode| (inode.to_owned(), *process)));
        }
    }
    owners
}

/// The socket of each connection: of a line's fields the second and third are the addresses, the tenth is the inode.
fn inodes() -> HashMap<Ends, String> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let entries = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ends = (address(fields.get(1)?)?, address(fields.get(2)?)?);
        Some((ends, (*fields.get(9)?).to_owned()))
    });
    entries.collect()
}

/// Reads an address, the host in the machine's own order of bytes.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let host = u32::from_str_radix(host, 16).ok()?.to_ne_bytes();
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::from((host, port)))
}

#[tokio::test]
async fn the_process_of_a_connection_is_found() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let client = tokio::net::TcpStream::connect(server).await.unwrap();
    let client = client.local_addr().unwrap();
    let senders = Senders::start();
    senders.add(std::process::id());
    let (there, not_there) = (senders.ask(client, server), senders.ask(server, server));
    senders.until_answered().await;
    assert_eq!(senders.of(there), Some(std::process::id()));
    assert_eq!(senders.of(not_there), None);
}
