//! The handle of a running stub.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::api::served;
use super::store::{Index, Store};
use super::{ErrorCode, Task};
use crate::receiver::{Answer, Received, Receiver};

/// The API key of every stub; requests without it are refused.
pub const API_KEY: &str = "t0ken-of-the-sink";

/// Answers a request in the server's place, if it returns something.
type Fault = Box<dyn FnMut(&Received) -> Option<(When, Answer)> + Send>;

/// Whether a request whose answer is spoiled has done its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The server has not seen it.
    Before,
    /// It has done its work, and nobody hears of it.
    After,
}

/// A server on a free loopback port that behaves as Meilisearch's documentation says. Stops when dropped.
///
/// Every write is a task; the tasks are done in order, when the next request comes, each whole or not at all; a task
/// never says which document was refused. Everything is kept in memory, tasks too, until the stub is dropped.
pub struct MeilisearchStub {
    receiver: Receiver,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    fault: Mutex<Option<Fault>>,
    max_payload: Mutex<Option<usize>>,
}

impl MeilisearchStub {
    /// Starts a stub without indexes.
    ///
    /// # Panics
    /// If the machine has no port or no thread left.
    pub async fn start() -> Self {
        let receiver = Receiver::start().await;
        let shared = Arc::new(Shared::default());
        let server = Arc::clone(&shared);
        receiver.answer_with(move |request| server.answer(request));
        Self { receiver, shared }
    }

    /// Returns where it listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        self.receiver.url()
    }

    /// Returns the server underneath, which has every request that came.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Stops working on tasks: all that come from now on stay enqueued.
    pub fn hold(&self) {
        let mut store = self.store();
        store.held_from = Some(store.tasks.len());
    }

    /// Works on the tasks below `uid` only.
    pub fn hold_from(&self, uid: usize) {
        self.store().held_from = Some(uid);
    }

    /// Works on everything again.
    pub fn release(&self) {
        self.store().held_from = None;
    }

    /// Fails the tasks with documents that `judge` has a code for.
    pub fn refuse(&self, judge: impl Fn(&Value) -> Option<ErrorCode> + Send + 'static) {
        self.store().judge = Some(Box::new(judge));
    }

    /// Fails the tasks of documents for which `fault`, asked once for each, has a code.
    pub fn fail_tasks(&self, fault: impl FnMut() -> Option<ErrorCode> + Send + 'static) {
        self.store().task_fault = Some(Box::new(fault));
    }

    /// Says how the next tasks of documents end: they fail with a code, or are worked on where it is `None`. What was
    /// said before and did not happen yet is forgotten.
    pub fn end_next_with(&self, ends: impl IntoIterator<Item = Option<ErrorCode>>) {
        self.store().next_ends = ends.into_iter().collect();
    }

    /// Lets a task of documents take at least so long. Default: no time.
    pub fn set_delay(&self, delay: Duration) {
        self.store().delay = delay;
    }

    /// Refuses larger bodies with a 413. Default: no limit.
    pub fn set_max_payload(&self, bytes: usize) {
        *unpoisoned(&self.shared.max_payload) = Some(bytes);
    }

    /// Cancels a task that was not worked on yet.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn cancel(&self, uid: usize) {
        self.store().tasks[uid].is_canceled = true;
    }

    /// Forgets a task, as a server does with old ones: it cannot be asked for any more.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn forget(&self, uid: usize) {
        self.store().tasks[uid].is_forgotten = true;
    }

    /// Lets `fault` answer requests: it is asked once for each, and `None` leaves the request to the stub.
    pub fn spoil(&self, fault: impl FnMut(&Received) -> Option<(When, Answer)> + Send + 'static) {
        *unpoisoned(&self.shared.fault) = Some(Box::new(fault));
    }

    /// Takes everything back that makes it slow or fail, but for the limit of a body.
    pub fn recover(&self) {
        *unpoisoned(&self.shared.fault) = None;
        let mut store = self.store();
        store.judge = None;
        store.task_fault = None;
        store.next_ends.clear();
        store.held_from = None;
        store.delay = Duration::ZERO;
    }

    /// Removes all indexes, without a task.
    pub fn remove_indexes(&self) {
        self.store().indexes.clear();
    }

    /// Returns an index, `None` if there is none of the name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<Index> {
        self.store().indexes.get(name).cloned()
    }

    /// Returns the documents of an index by their ids; none if there is no such index.
    #[must_use]
    pub fn documents(&self, index: &str) -> BTreeMap<String, Value> {
        self.index(index).unwrap_or_default().documents
    }

    /// Returns the tasks that came so far; their uids are their places.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        self.store().tasks.clone()
    }

    /// Returns how many tasks of documents came so far.
    #[must_use]
    pub fn document_tasks(&self) -> usize {
        let store = self.store();
        let of_documents = store.tasks.iter().filter(|task| task.work.is_of_documents());
        of_documents.count()
    }

    /// Waits until so many tasks of documents have come.
    ///
    /// # Panics
    /// If they have not after 30 seconds.
    pub async fn wait_for_document_tasks(&self, count: usize) {
        let has_come = |_: &[Arc<Received>]| self.document_tasks() >= count;
        self.receiver.wait_until(has_come).await;
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        unpoisoned(&self.shared.store)
    }
}

impl fmt::Debug for MeilisearchStub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeilisearchStub")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn answer(&self, request: &Received) -> Answer {
        let mut fault = unpoisoned(&self.fault);
        match fault.as_mut().and_then(|fault| fault(request)) {
            Some((When::Before, answer)) => answer,
            Some((When::After, answer)) => {
                self.served(request);
                answer
            }
            None => self.served(request),
        }
    }

    fn served(&self, request: &Received) -> Answer {
        let max_payload = *unpoisoned(&self.max_payload);
        served(&mut unpoisoned(&self.store), request, max_payload)
    }
}

/// A panic elsewhere in a test leaves the data whole.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
