//! Who this worker is, and whether another one is known to be gone.

use std::fs;
use std::io;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::value::{RecordKey, WorkerId};

/// `ESRCH`.
const NO_SUCH_PROCESS: i32 = 3;

/// Engines of this process, counted.
static ENGINES: AtomicU64 = AtomicU64::new(0);

/// The identity of a running engine: host name, process id, when the process started, a mark of the machine, and a
/// number within the process, with `:` between them.
///
/// The mark is made of what tells one running system from another: host name, boot id and process namespace. Only under
/// the same mark does a process id say anything about a process of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerIdentity {
    id: WorkerId,
    mark: Option<String>,
}

impl WorkerIdentity {
    /// The identity of a new engine in this process.
    pub(crate) fn of_this_process() -> Self {
        let host = read("/proc/sys/kernel/hostname")
            .or_else(|| std::env::var("HOSTNAME").ok())
            .unwrap_or_else(|| "localhost".to_owned())
            .replace(':', "-");
        let pid = process::id();
        let started = started_at(pid).ok().flatten().unwrap_or_else(|| "0".to_owned());
        let mark = mark(&host);
        let number = ENGINES.fetch_add(1, Ordering::Relaxed);
        let shown = mark.as_deref().unwrap_or("unknown");
        Self {
            id: WorkerId::new(format!("{host}:{pid}:{started}:{shown}:{number}")),
            mark,
        }
    }

    pub(crate) fn id(&self) -> &WorkerId {
        &self.id
    }

    /// Whether `other` was a process of this machine that does not run any more. `false` means: not known.
    pub(crate) fn knows_gone(&self, other: &WorkerId) -> bool {
        let parts: Vec<&str> = other.as_str().split(':').collect();
        let [_, pid, started, mark, _] = parts.as_slice() else {
            return false;
        };
        let Ok(pid) = pid.parse::<u32>() else { return false };
        let is_here = self.mark.as_deref() == Some(*mark);
        is_here && started_at(pid).is_ok_and(|running| running.as_deref() != Some(*started))
    }
}

impl WorkerId {
    /// Returns the part for people: host name and process id.
    #[must_use]
    pub fn short(&self) -> String {
        self.as_str().splitn(3, ':').take(2).collect::<Vec<_>>().join(":")
    }
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn mark(host: &str) -> Option<String> {
    // Where other users' processes are hidden, one that cannot be seen may still run.
    started_at(1).ok()??;
    let boot = read("/proc/sys/kernel/random/boot_id")?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let hash = RecordKey::of(format!("{host}\n{boot}\n{}", namespace.display()).as_bytes()).to_string();
    Some(hash[..12].to_owned())
}

/// When a process started, in the kernel's own unit; `Ok(None)` if there is no such process, an error if that cannot be
/// told.
fn started_at(pid: u32) -> io::Result<Option<String>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // The second is what reading gives for a process that ends meanwhile.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(NO_SUCH_PROCESS) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // The command, in parentheses, may hold blanks; the start time is the twentieth field after it. A zombie has ended.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, fields)| fields)
        .split_whitespace()
        .collect();
    let is_running = !matches!(fields.first(), Some(&("Z" | "X")));
    match fields.get(19) {
        Some(started) => Ok(is_running.then(|| (*started).to_owned())),
        None => Err(io::Error::other(
            "the kernel's account of a process is not understood",
        )),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_not_gone_and_an_impossible_one_is() {
        let me = WorkerIdentity::of_this_process();
        assert!(!me.knows_gone(me.id()));
        let parts: Vec<&str> = me.id().as_str().split(':').collect();
        let ended = format!("{}:{}:{}:{}:0", parts[0], parts[1], "1", parts[3]);
        assert!(
            me.knows_gone(&WorkerId::new(ended)),
            "the same process id with another start is another process"
        );
        let elsewhere = format!("{}:{}:{}:{}:0", parts[0], 4_000_000, "1", "000000000000");
        assert!(!me.knows_gone(&WorkerId::new(elsewhere)));
        assert!(!me.knows_gone(&WorkerId::new("something else")));
    }

    #[test]
    fn every_engine_of_a_process_is_a_worker_of_its_own() {
        assert_ne!(
            WorkerIdentity::of_this_process(),
            WorkerIdentity::of_this_process()
        );
    }
}
