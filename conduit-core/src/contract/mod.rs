//! The four contracts of Conduit and their errors. No contract calls another; only the engine knows all four.

mod commit;
mod dispatcher;
mod error;
mod observer;
mod sink;
mod store;
mod watcher;

pub use commit::{Advance, Commit, Cured, DeadLetter, ParkedRecord, ProcessedId};
pub use dispatcher::{Closed, Dispatcher, Outcome, Receipt, Route, Settled, Settlements, Work};
pub(crate) use error::Subject;
pub use error::{BoxError, SinkError, SinkErrorKind, StateError, StateErrorKind, WatchError, WatchErrorKind};
pub use observer::{NoObserver, Observer, SettledAs, Settlement};
pub(crate) use sink::Permission;
pub use sink::{Delivery, RecordBatch, SameKey, Sink, SinkLimits, Tested};
pub use store::{
    Lease, LetterSelection, OpenRequest, Opened, PoisonedKey, QueueLengths, RetryId, Rewind, StateStore,
    StoredLetter, SubscriptionStart, SubscriptionState, WaitingRecord, WaitingRef,
};
pub use watcher::{BatchLimits, ImageFormat, Images, RecordStream, StreamBatch, WatchTarget, Watcher};
