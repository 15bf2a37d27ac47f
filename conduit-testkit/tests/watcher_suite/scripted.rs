//! The scripted watcher as a source of the suite.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use conduit_core::{ClusterTime, Position, RecordType, WatchTarget, Watcher};
use conduit_testkit::ScriptedWatcher;
use conduit_testkit::store_suite::collection;
use conduit_testkit::watcher_suite::{Change, WatcherHarness};

pub(crate) struct Scripted;

/// A history that is written while it is watched. Its records are made when a change is: whether by the
/// documents' `_id` or by their group is settled before.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) watcher: ScriptedWatcher,
    groups: Mutex<Option<HashMap<String, String>>>,
}

impl Source {
    pub(crate) fn change(&self, change: &Change<'_>) -> Result<(), &'static str> {
        let mut groups = self.groups.lock().unwrap();
        match *change {
            Change::Insert {
                collection,
                id,
                group,
                n,
                pad,
            } => {
                let key = match &mut *groups {
                    Some(groups) => {
                        groups.insert(id.to_owned(), group.to_owned());
                        group
                    }
                    None => id,
                };
                match pad {
                    0 => self.watcher.change(collection, key, RecordType::Insert, n.into()),
                    _ => self.watcher.insert_padded(collection, key, pad),
                };
            }
            Change::Update {
                collection,
                id,
                group,
                n,
            } => match groups
                .as_mut()
                .and_then(|groups| groups.insert(id.to_owned(), group.to_owned()))
            {
                Some(before) if before != group => {
                    self.watcher.change_of_key(collection, &before, group, n.into());
                }
                _ => {
                    self.watcher.change(collection, id, RecordType::Modify, n.into());
                }
            },
            Change::Delete { collection, id } => {
                self.watcher.change(collection, id, RecordType::Remove, 0);
            }
            Change::Drop { .. } => {}
            _ => return Err("the test does not know the change"),
        }
        Ok(())
    }

    pub(crate) fn keyed_target(&self, name: &str) -> WatchTarget {
        *self.groups.lock().unwrap() = Some(HashMap::new());
        WatchTarget::new(collection(name))
    }

    pub(crate) fn lost_position(&self) -> Position {
        for n in 0..3 {
            self.watcher.change("orders", "lost", RecordType::Modify, n);
        }
        self.watcher.forget_history();
        Position::at_time(ClusterTime::new(2, 0))
    }
}

#[async_trait]
impl WatcherHarness for Scripted {
    type Guard = Source;

    async fn create(&self) -> (Source, Arc<dyn Watcher>) {
        let source = Source::default();
        let watcher = source.watcher.clone();
        (source, Arc::new(watcher))
    }

    async fn change(&self, source: &Source, change: &Change<'_>) -> Result<(), &'static str> {
        source.change(change)
    }

    fn keyed_target(&self, source: &Source, name: &str) -> Result<WatchTarget, &'static str> {
        Ok(source.keyed_target(name))
    }

    async fn lost_position(&self, source: &Source) -> Result<Position, &'static str> {
        Ok(source.lost_position())
    }
}
