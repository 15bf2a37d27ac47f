//! Everything that happens in a simulated world, as its parts tell it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{ClusterTime, CollectionStatus, Commit, Record, SettledAs, SinkErrorKind, StateErrorKind};

/// One run of a worker, from its start to its end; numbered over all workers.
pub(super) type Session = usize;

/// What came back of a record that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The destination has it, and the worker knows.
    Delivered,
    /// The destination has it and says so, but an older record of its key failed in the same call.
    DeliveredOutOfTurn,
    /// It failed.
    Failed(SinkErrorKind, Cause),
    /// It failed with others of its call, which was refused as a whole: that is no attempt of it, unless it was a time-out.
    FailedTogether(SinkErrorKind, Cause),
    /// The call was dropped: timed out, or its worker ended.
    Unknown(Cause),
}

/// Whose fault a failure was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The record's: it fails always.
    Poison,
    /// The destination's as a whole.
    Outage,
    /// Nobody's: the next attempt may get through.
    Chance,
    /// An older record of its key failed in the same call.
    OlderRecord,
}

/// One thing that happened. Records, destinations and their lives are numbers, in the order in which they came to be.
//
// Some of what is said here nobody asks for: it is shown in traces, by `Debug`.
#[allow(dead_code)]
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// Documents were changed: records with these numbers.
    Written(Vec<(usize, Arc<Record>)>),
    /// A destination was configured, with a life of its own that begins at a time.
    LifeBegan {
        /// The number of the life.
        life: usize,
        /// The destination.
        destination: usize,
        /// Where it begins.
        start: ClusterTime,
    },
    /// A destination was taken out of the configuration.
    LifeEnded(usize),
    /// A destination got another number of retries.
    Retries {
        /// The destination.
        destination: usize,
        /// How many.
        max_retries: u32,
    },
    /// A worker read records of a collection.
    Read {
        /// The collection.
        collection: usize,
        /// How many of the records that it read, these included, the worker still has in memory.
        held: usize,
    },
    /// A call was made.
    Sent {
        /// The number of the call.
        call: u64,
        /// By whom.
        session: Session,
        /// To which life of which destination.
        life: usize,
        /// What was in it.
        records: Vec<usize>,
        /// How many calls of the same subscription are in hand, this one included.
        in_hand: usize,
        /// Most calls at once that the destination declared.
        concurrency: usize,
        /// Most records in a call that it declared.
        max_records: usize,
    },
    /// A destination took a record.
    Applied {
        /// To which life of which destination.
        life: usize,
        /// The record.
        record: usize,
        /// Whether an older record of its key failed in the same call.
        out_of_turn: bool,
    },
    /// A call ended.
    Answered {
        /// The number of the call.
        call: u64,
        /// Whose call.
        session: Session,
        /// To which life of which destination.
        life: usize,
        /// What came back of each record.
        answers: Vec<(usize, Answer)>,
    },
    /// The engine settled a record, or counted a failed attempt.
    Settled {
        /// By whom.
        session: Session,
        /// The destination.
        destination: usize,
        /// The record.
        record: usize,
        /// As what.
        settled: SettledAs,
    },
    /// The store gave a lease away.
    LeaseTaken {
        /// To whom.
        session: Session,
        /// Of which collection.
        collection: usize,
        /// Under which epoch.
        epoch: u64,
    },
    /// A lease was given back.
    LeaseReleased {
        /// By whom.
        session: Session,
        /// Of which collection.
        collection: usize,
        /// Under which epoch.
        epoch: u64,
    },
    /// The store loaded a destination's state, beginning it if it had none of this life.
    Loaded {
        /// The destination.
        destination: usize,
        /// Where it starts, if it has no state.
        start: ClusterTime,
        /// The life.
        life: ClusterTime,
    },
    /// The store dropped a destination's state.
    Forgotten(usize),
    /// The store took a commit, or knew it already.
    Committed {
        /// By whom.
        session: Session,
        /// The destination.
        destination: usize,
        /// What was committed.
        commit: Arc<Commit>,
    },
    /// The store refused a commit.
    CommitRefused {
        /// By whom.
        session: Session,
        /// The destination.
        destination: usize,
        /// As what.
        kind: StateErrorKind,
    },
    /// An image of the store was kept.
    ImageKept(usize),
    /// The store crashed, and will be as it was when an image was kept.
    Restored {
        /// The image.
        image: usize,
        /// Until when nobody can reach it, so that nobody believes in a lease of the time that is lost.
        until: Duration,
    },
    /// A worker started.
    Started {
        /// Which worker.
        worker: usize,
        /// This run of it.
        session: Session,
    },
    /// A worker was killed.
    Killed(Session),
    /// A worker was told to stop.
    StopAsked(Session),
    /// A worker stopped by itself.
    Stopped {
        /// Which run.
        session: Session,
        /// Whether nothing hindered it: the store answered, its calls had time to end.
        undisturbed: bool,
    },
    /// A worker was frozen.
    Frozen(Session),
    /// A frozen worker goes on.
    Thawed(Session),
    /// Something is out of order from now on, or until a time.
    Trouble(String),
    /// From now on nothing fails any more but what is poison.
    Calm,
    /// What a worker says of itself.
    Status {
        /// Which run.
        session: Session,
        /// What it says.
        collections: Vec<CollectionStatus>,
    },
    /// Nothing more is to come: everything must be accounted for.
    End,
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(records) => {
                write!(f, "written")?;
                for (number, record) in records {
                    write!(f, " #{number} {} {}", record.record_type(), short(record))?;
                }
                Ok(())
            }
            Self::Sent {
                call,
                session,
                life,
                records,
                ..
            } => {
                write!(
                    f,
                    "call {call}: worker run {session} sends {records:?} to d{life}"
                )
            }
            Self::Applied {
                life,
                record,
                out_of_turn,
            } => {
                let how = if *out_of_turn { " out of turn" } else { "" };
                write!(f, "d{life} takes #{record}{how}")
            }
            Self::Answered {
                call, life, answers, ..
            } => write!(f, "call {call}: d{life} answers {answers:?}"),
            Self::Committed {
                session,
                destination,
                commit,
                ..
            } => {
                write!(f, "worker run {session} commits for d{destination}: ")?;
                describe(commit, f)
            }
            Self::Status { session, .. } => write!(f, "status of worker run {session}"),
            Self::Trouble(what) => f.write_str(what),
            other => write!(f, "{other:?}"),
        }
    }
}

/// When something happened, since the beginning.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// When.
    pub(super) at: Duration,
    /// What.
    pub(super) happening: Happening,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3}s  {}", self.at.as_secs_f64(), self.happening)
    }
}

fn short(record: &Record) -> String {
    format!(
        "{}{}",
        record.collection(),
        String::from_utf8_lossy(record.keys())
    )
}

fn describe(commit: &Commit, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "number {} of epoch {}", commit.number, commit.lease.epoch)?;
    if let Some(advance) = &commit.advance {
        write!(f, ", {:?} to {:?}", advance.from, advance.to)?;
    }
    let names = |ids: Vec<&str>| ids.join(" ");
    if !commit.processed.is_empty() {
        let ids = commit.processed.iter().map(|id| id.event_id.as_str()).collect();
        write!(f, ", delivered {}", names(ids))?;
    }
    if !commit.settled_ahead.is_empty() {
        let ids = commit.settled_ahead.iter().map(|id| id.as_str()).collect();
        write!(f, ", ahead {}", names(ids))?;
    }
    for parked in &commit.parked {
        let name = parked
            .record
            .as_ref()
            .map_or("known", |record| record.event_id().as_str());
        write!(
            f,
            ", parked {}={name} after {} attempts",
            parked.id.0, parked.attempts
        )?;
    }
    if !commit.unparked.is_empty() {
        let ids: Vec<u64> = commit.unparked.iter().map(|id| id.0).collect();
        write!(f, ", unparked {ids:?}")?;
    }
    for dead in &commit.dead {
        write!(
            f,
            ", dead {} after {} attempts",
            dead.record.event_id(),
            dead.attempts
        )?;
    }
    Ok(())
}
