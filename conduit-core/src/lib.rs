//! The engine of Conduit: reads the changes of a database and delivers every one to its destinations, at least once and
//! in order per document, through retries, outages and crashes.
//!
//! This crate names no database, no broker and no HTTP client. Its four contracts are implemented elsewhere:
//!
//! | contract | what it does | who implements it |
//! |---|---|---|
//! | [`Watcher`] | reads an ordered history of changes | `conduit-mongo` |
//! | [`Sink`] | delivers records to one destination | `conduit-sinks`, you |
//! | [`StateStore`] | keeps positions, waiting records, dead letters, leases | `conduit-state` |
//! | [`Dispatcher`] | decides where records go and in what order | [`Lanes`], here |
//!
//! # Example
//!
//! A host composes an engine in about ten lines; here with parts in memory. With `conduit-mongo`'s watcher and a durable
//! store in their place it is a program: see `examples/embed.rs`.
//!
//! ```
//! use std::sync::Arc;
//!
//! use conduit_core::{CollectionSpec, Conduit, RecordType};
//! use conduit_state::MemoryStore;
//! use conduit_testkit::{RecordingSink, ScriptedWatcher};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let watcher = ScriptedWatcher::new();
//! let sink = RecordingSink::new();
//! let conduit = Conduit::builder(Arc::new(watcher.clone()), Arc::new(MemoryStore::new()))
//!     .collection(CollectionSpec::named("orders")?.to("webhook", sink.clone())?)
//!     .build()?;
//! let handle = conduit.handle();
//!
//! # let streaming = async {
//! #     while handle.status().iter().flat_map(|c| &c.destinations).all(|d| d.lag_seconds.is_none()) {
//! #         tokio::time::sleep(std::time::Duration::from_millis(5)).await;
//! #     }
//! # };
//! let shutdown = async {
//! #   streaming.await;
//!     watcher.change("orders", "order-1", RecordType::Insert, 7);
//!     sink.wait_accepted(1).await;
//! };
//! conduit.run_until(shutdown).await?;
//! assert_eq!(sink.accepted(), ["event-1"]);
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - At least once: a change is in the source's history after the stored position, waiting, a dead letter, or acknowledged,
//!   whatever process dies when.
//! - In order per key: first deliveries come in the order of the changes, retries included. While a record waits for a
//!   retry, later ones of its key wait behind it, durably; others go on.
//! - A record comes twice only after a crash or a failed commit, or when the answer to a call was lost.
//! - One destination's trouble does not delay another's.

mod contract;
mod delivery;
mod engine;
mod filter;
mod value;

pub use contract::{
    Advance, BatchLimits, BoxError, Closed, Commit, Cured, DeadLetter, Delivery, Dispatcher, ImageFormat,
    Images, Lease, LetterSelection, NoObserver, Observer, OpenRequest, Opened, Outcome, ParkedRecord,
    PoisonedKey, ProcessedId, QueueLengths, Receipt, RecordBatch, RecordStream, RetryId, Rewind, Route,
    SameKey, Settled, SettledAs, Settlement, Settlements, Sink, SinkError, SinkErrorKind, SinkLimits,
    StateError, StateErrorKind, StateStore, StoredLetter, StreamBatch, SubscriptionStart, SubscriptionState,
    Tested, WaitingRecord, WaitingRef, WatchError, WatchErrorKind, WatchTarget, Watcher, Work,
};
pub use delivery::{Lanes, RetryPolicy, ServiceSink, SinkService};
pub use engine::{
    Builder, CollectionSpec, CollectionStatus, CommandError, CommandErrorKind, Conduit, EngineDied, Filter,
    Handle, InvalidSetup, Redriven, Settings, SubscriptionPhase, SubscriptionSpec, SubscriptionStatus,
    TypeFilter,
};
pub use filter::{EventPattern, Explanation, PatternError, PatternFault};
pub use value::{
    Clock, ClusterTime, CollectionName, DestinationId, EventId, InvalidName, KeyHasher, PlainImages,
    Position, Record, RecordContents, RecordHead, RecordKey, RecordParts, RecordType, RecordWriter, Sequence,
    StreamIdentity, SubscriptionId, SystemClock, WallTime, WorkerId,
};
