//! The store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use conduit_core::{
    Clock, CollectionName, Commit, Lease, LetterSelection, OpenRequest, Opened, ProcessedId, QueueLengths,
    RetryId, StateError, StateStore, StoredLetter, SubscriptionId, SubscriptionStart, SubscriptionState,
    SystemClock, WaitingRecord,
};

use super::file::{Outcome, StateFile};
use super::settings::EmbeddedSettings;
use super::subscription::Applied;
use super::{letters, processed, queue};
use crate::rules;

/// How many processed ids one transaction drops, so that commits do not wait for long.
const FORGOTTEN_AT_ONCE: usize = 10_000;
/// How many dead letters one transaction drops.
const PURGED_AT_ONCE: usize = 2000;

/// Keeps state in one file of this machine, for one process at a time.
///
/// Every change is on the disk before it is answered: a group of commits is one transaction with one flush. The file is
/// locked while the store is open. Leases and processed ids expire by the process's clock. The work is done on tokio's
/// threads for blocking calls; a call that is dropped midway goes on, and its outcome is unknown.
///
/// ```
/// use conduit_core::StateStore;
/// use conduit_state::{EmbeddedSettings, EmbeddedStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let directory = tempfile::tempdir()?;
/// let store = EmbeddedStore::open(directory.path().join("state"), EmbeddedSettings::default()).await?;
/// store.ping().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EmbeddedStore {
    file: Arc<StateFile>,
    clock: Arc<dyn Clock>,
    settings: EmbeddedSettings,
    said_capped: AtomicBool,
}

impl EmbeddedStore {
    /// Opens a file, making it and its directory if they are not there.
    ///
    /// # Errors
    /// `Held` if another process has the file open, `Corrupt` if it is no state file or of another version,
    /// `Unavailable` if it cannot be opened.
    pub async fn open(path: impl AsRef<Path>, settings: EmbeddedSettings) -> Result<Self, StateError> {
        Self::open_with_clock(path, settings, Arc::new(SystemClock)).await
    }

    /// As [`open`](Self::open); leases and processed ids expire by `clock`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with_clock(
        path: impl AsRef<Path>,
        settings: EmbeddedSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StateError> {
        let path = path.as_ref().to_owned();
        let file = blocking(move || StateFile::open(&path)).await?;
        Ok(Self {
            file: Arc::new(file),
            clock,
            settings,
            said_capped: AtomicBool::new(false),
        })
    }

    /// Does something with the file on a thread that may block.
    async fn on_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&StateFile) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let file = Arc::clone(&self.file);
        blocking(move || work(&file)).await
    }

    fn said(&self, applied: Applied) {
        if applied == Applied::Capped && !self.said_capped.swap(true, Ordering::Relaxed) {
            let max_keys = self.settings.idempotency.max_keys();
            tracing::warn!(
                max_keys,
                "too many processed ids: no more are written until old ones have expired"
            );
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    match spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(StateError::unavailable("the state file's work was cut short").with_source(error)),
    }
}

#[async_trait]
impl StateStore for EmbeddedStore {
    async fn open(&self, request: &OpenRequest) -> Result<Opened, StateError> {
        let (request, now) = (request.clone(), self.clock.now());
        self.on_file(move |file| file.write(|tables| tables.open_collection(&request, now)))
            .await
    }

    async fn load(
        &self,
        lease: &Lease,
        subscriptions: &[SubscriptionStart],
    ) -> Result<Vec<SubscriptionState>, StateError> {
        let (lease, subscriptions) = (lease.clone(), subscriptions.to_vec());
        let load = move |file: &StateFile| {
            file.write(|tables| {
                rules::hold(tables.lease(lease.collection.as_str())?.as_ref(), &lease)?;
                Ok(Outcome::Keep(tables.load(&lease, &subscriptions)?))
            })
        };
        self.on_file(load).await
    }

    async fn renew(
        &self,
        leases: &[Lease],
        lease_time: Duration,
    ) -> Result<Vec<Result<(), StateError>>, StateError> {
        let (leases, until) = (leases.to_vec(), self.clock.now().after(lease_time));
        let renew = move |file: &StateFile| {
            file.write(|tables| {
                let mut answers = Vec::with_capacity(leases.len());
                for lease in &leases {
                    let row = tables.lease(lease.collection.as_str())?;
                    let held = rules::hold(row.as_ref(), lease);
                    if let (Ok(()), Some(mut row)) = (&held, row) {
                        row.until = until;
                        tables.put_lease(lease.collection.as_str(), &row)?;
                    }
                    answers.push(held);
                }
                Ok(Outcome::Keep(answers))
            })
        };
        self.on_file(renew).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StateError> {
        let lease = lease.clone();
        let release = move |file: &StateFile| {
            file.write(|tables| match tables.lease(lease.collection.as_str())? {
                Some(mut row) if row.is(&lease) => {
                    row.worker = None;
                    tables.put_lease(lease.collection.as_str(), &row)?;
                    Ok(Outcome::Keep(()))
                }
                _ => Ok(Outcome::Discard(())),
            })
        };
        self.on_file(release).await
    }

    async fn commit(&self, commits: &[Commit]) -> Vec<Result<(), StateError>> {
        let (group, now, max_keys) = (
            commits.to_vec(),
            self.clock.now(),
            self.settings.idempotency.max_keys(),
        );
        let apply = move |file: &StateFile| {
            file.write(|tables| {
                let mut answers = Vec::with_capacity(group.len());
                for commit in &group {
                    answers.push(tables.commit(commit, now, max_keys)?);
                }
                let is_changed = answers.iter().any(Result::is_ok);
                Ok(if is_changed {
                    Outcome::Keep(answers)
                } else {
                    Outcome::Discard(answers)
                })
            })
        };
        match self.on_file(apply).await {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| answer.map(|applied| self.said(applied)))
                .collect(),
            // Whatever the failure, it is one of the file and not of a commit: none of them was applied.
            Err(error) => {
                let repeat = |_| Err(StateError::new(error.kind(), error.message()));
                commits.iter().map(repeat).collect()
            }
        }
    }

    async fn waiting(
        &self,
        subscription: &SubscriptionId,
        ids: &[RetryId],
    ) -> Result<Vec<Option<WaitingRecord>>, StateError> {
        let (subscription, ids) = (subscription.clone(), ids.to_vec());
        self.on_file(move |file| file.read(|found| queue::waiting(found, &subscription, &ids)))
            .await
    }

    async fn processed(
        &self,
        subscription: &SubscriptionId,
        ids: &[ProcessedId],
    ) -> Result<Vec<bool>, StateError> {
        let (subscription, ids, now) = (subscription.clone(), ids.to_vec(), self.clock.now());
        self.on_file(move |file| file.read(|found| processed::are_processed(found, &subscription, &ids, now)))
            .await
    }

    async fn dead_letters(
        &self,
        collection: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<String>, StateError> {
        let collection = collection.clone();
        let look = move |file: &StateFile| {
            file.read(|found| letters::dead_letters(found, collection.as_str(), after, limit))
        };
        self.on_file(look).await
    }

    async fn lengths(&self, subscriptions: &[SubscriptionId]) -> Result<Vec<QueueLengths>, StateError> {
        let subscriptions = subscriptions.to_vec();
        self.on_file(move |file| file.read(|found| queue::lengths(found, &subscriptions)))
            .await
    }

    async fn letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StateError> {
        let (collection, selection) = (collection.clone(), selection.clone());
        let look = move |file: &StateFile| {
            file.read(|found| letters::letters(found, collection.as_str(), &selection, after, limit))
        };
        self.on_file(look).await
    }

    async fn purge_dead_letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
    ) -> Result<u64, StateError> {
        let (collection, selection) = (collection.clone(), selection.clone());
        let purge = move |file: &StateFile| {
            let (mut after, mut dropped) = (None, 0);
            loop {
                let (count, last) = file.write(|tables| {
                    let name = collection.as_str();
                    let purged = tables.purge_dead_letters(name, &selection, after, PURGED_AT_ONCE)?;
                    Ok(Outcome::Keep(purged))
                })?;
                dropped += count;
                if last.is_none() {
                    return Ok(dropped);
                }
                after = last;
            }
        };
        self.on_file(purge).await
    }

    async fn forget(&self, subscription: &SubscriptionId) -> Result<(), StateError> {
        let subscription = subscription.clone();
        self.on_file(move |file| file.write(|tables| Ok(Outcome::Keep(tables.forget(&subscription)?))))
            .await
    }

    async fn forget_collection(&self, collection: &CollectionName) -> Result<(), StateError> {
        let collection = collection.clone();
        let forget = move |file: &StateFile| {
            file.write(|tables| Ok(Outcome::Keep(tables.forget_collection(collection.as_str())?)))?;
            // Nobody adds to them any more, because the lease went with the state.
            let mut is_done = false;
            while !is_done {
                is_done = file.write(|tables| {
                    let is_done = tables.forget_processed(collection.as_str(), FORGOTTEN_AT_ONCE)?;
                    Ok(Outcome::Keep(is_done))
                })?;
            }
            Ok(())
        };
        self.on_file(forget).await
    }

    async fn ping(&self) -> Result<(), StateError> {
        self.on_file(|file| file.read(|_| Ok(()))).await
    }
}
