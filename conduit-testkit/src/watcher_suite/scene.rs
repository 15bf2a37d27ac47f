//! A watcher under test, and the steps that clauses are told in.

use std::sync::Arc;

use conduit_core::{Position, RecordStream, WatchTarget, Watcher};

use super::reading::Reading;
use super::{Change, WatcherHarness};
use crate::clause;
use crate::store_suite::collection;

/// A watcher under test, with its source. Unless told otherwise, steps are about the collection `orders`.
#[derive(Debug)]
pub struct Scene<H: WatcherHarness> {
    clause: &'static str,
    harness: H,
    guard: H::Guard,
    watcher: Arc<dyn Watcher>,
    start: Position,
}

impl<H: WatcherHarness> Scene<H> {
    /// Creates the source and its watcher.
    pub(super) async fn set(clause: &'static str, harness: H) -> Self {
        let (guard, watcher) = harness.create().await;
        let now = watcher.now().await.expect("the source tells the time");
        Self {
            clause,
            harness,
            guard,
            watcher,
            start: Position::at_time(now),
        }
    }

    pub(super) async fn remove(self) {
        drop(self.watcher);
        self.harness.remove(self.guard).await;
    }

    pub(super) fn harness(&self) -> &H {
        &self.harness
    }

    pub(super) fn guard(&self) -> &H::Guard {
        &self.guard
    }

    pub(super) fn watcher(&self) -> &dyn Watcher {
        &*self.watcher
    }

    /// The place before all changes that clauses make.
    pub(super) fn start(&self) -> &Position {
        &self.start
    }

    /// Says that the clause is left out.
    pub(super) fn skip(&self, reason: &str) {
        clause::say_skipped(self.clause, reason);
    }

    /// Makes a change. If the source knows no such, says that the clause is left out and returns false.
    pub(super) async fn change(&self, change: Change<'_>) -> bool {
        match self.harness.change(&self.guard, &change).await {
            Ok(()) => true,
            Err(reason) => {
                self.skip(reason);
                false
            }
        }
    }

    /// Inserts a document, which every source can.
    pub(super) async fn insert_into(&self, collection: &str, id: &str, n: u32, pad: usize) {
        let change = Change::Insert {
            collection,
            id,
            group: "g",
            n,
            pad,
        };
        let done = self.harness.change(&self.guard, &change).await;
        done.expect("a source can insert a document");
    }

    /// Inserts a document into `orders`.
    pub(super) async fn insert(&self, id: &str) {
        self.insert_into("orders", id, 0, 0).await;
    }

    /// Inserts documents with the ids `1` to `count` into `orders`.
    pub(super) async fn insert_some(&self, count: u32) {
        for n in 1..=count {
            self.insert(&n.to_string()).await;
        }
    }

    /// Opens a stream of these targets.
    pub(super) async fn open(&self, targets: &[WatchTarget], start: &Position) -> Reading {
        let stream = self.watcher.open(targets, start).await;
        self.reading(stream.expect("the stream opens"), targets, start)
    }

    /// A stream that was opened.
    pub(super) fn reading(
        &self,
        stream: Box<dyn RecordStream>,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Reading {
        Reading::new(stream, targets, start, self.harness.patience())
    }

    /// Opens a stream of `orders`.
    pub(super) async fn open_orders(&self, start: &Position) -> Reading {
        self.open(&[target("orders")], start).await
    }

    /// Opens a stream of `orders` and reads all changes so far.
    pub(super) async fn read_all(&self, start: &Position, end: &str) -> Vec<String> {
        let mut reading = self.open_orders(start).await;
        reading.read_until(end).await;
        reading.ids()
    }
}

pub(super) fn target(name: &str) -> WatchTarget {
    WatchTarget::new(collection(name))
}
