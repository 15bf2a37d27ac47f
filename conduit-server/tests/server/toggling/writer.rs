//! Writes at random, at a steady rate, and knows what it wrote.

use std::time::Duration;

use bson::{Document, doc};
use fastrand::Rng;
use mongodb::Database;
use tokio::time::{Instant, sleep_until};

use super::fleet::{DOCUMENTS, document_id, group_of};
use super::wants::Kind;

/// One write of one document.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) kind: Kind,
    /// What the document's `counter` is after it.
    pub(super) counter: i64,
    pub(super) sent: Instant,
    pub(super) acknowledged: Instant,
}

/// The writes of a collection, by document, in order.
pub(super) type Notes = Vec<Vec<Note>>;

/// Writes to collections of its own.
pub(super) struct Writer {
    database: Database,
    rng: Rng,
    collections: Vec<(String, Notes)>,
}

impl Writer {
    pub(super) fn new(database: Database, seed: u64, names: Vec<String>) -> Self {
        let without_writes = |name| (name, vec![Vec::new(); DOCUMENTS]);
        Self {
            database,
            rng: Rng::with_seed(seed),
            collections: names.into_iter().map(without_writes).collect(),
        }
    }

    /// Writes so often, at this distance on average; returns what was written to each collection. The same seed writes the
    /// same.
    pub(super) async fn run(mut self, writes: usize, distance: Duration) -> Vec<(String, Notes)> {
        let mut due = Instant::now();
        let mut written = 0;
        while written < writes {
            sleep_until(due).await;
            let group = self.write_group().await;
            written += group;
            due += distance * u32::try_from(group).unwrap();
        }
        self.collections
    }

    /// Writes some documents of a collection, each once; returns how many.
    async fn write_group(&mut self) -> usize {
        let place = self.rng.usize(0..self.collections.len());
        let mut documents: Vec<usize> = (0..DOCUMENTS).collect();
        self.rng.shuffle(&mut documents);
        documents.truncate(self.rng.usize(1..=DOCUMENTS));
        let (name, notes) = &mut self.collections[place];
        let (mut updates, mut deletes) = (Vec::new(), Vec::new());
        let sent = Instant::now();
        for &document in &documents {
            let last = notes[document].last();
            let is_there = last.is_some_and(|last| last.kind != Kind::Remove);
            let kind = match self.rng.u8(0..6) {
                _ if !is_there => Kind::Insert,
                0 => Kind::Remove,
                _ => Kind::Modify,
            };
            let counter = last.map_or(0, |last| last.counter) + 1;
            let id = document_id(document);
            match kind {
                Kind::Remove => deletes.push(doc! { "q": { "_id": id }, "limit": 1 }),
                Kind::Modify => {
                    updates.push(doc! { "q": { "_id": id }, "u": { "$set": { "counter": counter } } })
                }
                Kind::Insert => {
                    let fresh =
                        doc! { "_id": &id, "code": &id, "group": group_of(document), "counter": counter };
                    updates.push(doc! { "q": { "_id": id }, "u": fresh, "upsert": true });
                }
            }
            notes[document].push(Note {
                kind,
                counter,
                sent,
                acknowledged: sent,
            });
        }
        for (command, field, statements) in [("update", "updates", updates), ("delete", "deletes", deletes)] {
            if !statements.is_empty() {
                let wanted = i32::try_from(statements.len()).unwrap();
                let reply = self
                    .database
                    .run_command(doc! { command: &*name, field: statements })
                    .await
                    .unwrap();
                check(&reply, wanted);
            }
        }
        let acknowledged = Instant::now();
        for &document in &documents {
            notes[document].last_mut().unwrap().acknowledged = acknowledged;
        }
        documents.len()
    }
}

fn check(reply: &Document, wanted: i32) {
    assert_eq!(reply.get_i32("n").ok(), Some(wanted), "not written: {reply}");
    assert!(!reply.contains_key("writeErrors"), "not written: {reply}");
}
