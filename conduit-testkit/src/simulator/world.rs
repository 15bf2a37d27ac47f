//! What is true in a simulated world, as its happenings tell.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use conduit_core::{
    ClusterTime, Commit, Position, Record, RecordKey, RetryId, Sequence, Settings, SettledAs,
};

use super::happening::{Happening, Session};
use super::names;
use super::plan::{self, DestinationPlan, Plan};

/// What the store holds of a destination.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) progress: Option<Progress>,
    /// The records that were given up.
    pub(super) dead: BTreeSet<usize>,
    /// The records that are known as delivered.
    pub(super) delivered: BTreeSet<usize>,
}

/// What the store holds of a destination's present life.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) life: ClusterTime,
    pub(super) position: Position,
    pub(super) waiting: BTreeMap<RetryId, usize>,
    pub(super) last_commit: u64,
    pub(super) epoch: u64,
}

/// A destination from when it is configured until it is taken out.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) destination: usize,
    pub(super) start: ClusterTime,
    pub(super) has_ended: bool,
}

/// A destination and what became of its records.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) plan: DestinationPlan,
    pub(super) shelf: Shelf,
    /// How often it took each record.
    pub(super) taken: BTreeMap<usize, u32>,
    /// What an engine gave up, whether or not it could say so to the store.
    pub(super) given_up: BTreeSet<usize>,
    /// The least and the most retries that it ever had.
    pub(super) retries: (u32, u32),
    /// The records that left the retry queue with the last commit.
    pub(super) left: Vec<usize>,
}

/// A lease that was taken. Epochs are given again by a store that came back older than it was; the number is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) session: Session,
    pub(super) number: u64,
    epoch: u64,
}

/// The state of a world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) records: Vec<Arc<Record>>,
    pub(super) lives: Vec<Life>,
    pub(super) destinations: Vec<Destination>,
    by_collection: Vec<Vec<usize>>,
    by_key: HashMap<(usize, RecordKey), Vec<usize>>,
    by_sequence: HashMap<Sequence, usize>,
    holders: Vec<Option<Holder>>,
    leases: u64,
    images: BTreeMap<usize, (Vec<Shelf>, Vec<Option<Holder>>)>,
}

impl World {
    pub(super) fn new(plan: &Plan) -> Self {
        let destination = |plan: &DestinationPlan| Destination {
            plan: plan.clone(),
            shelf: Shelf::default(),
            taken: BTreeMap::new(),
            given_up: BTreeSet::new(),
            retries: (plan.retry.max_retries, plan.retry.max_retries),
            left: Vec::new(),
        };
        Self {
            settings: plan.settings.clone(),
            records: Vec::new(),
            lives: Vec::new(),
            destinations: plan.destinations.iter().map(destination).collect(),
            by_collection: vec![Vec::new(); plan.collections],
            by_key: HashMap::new(),
            by_sequence: HashMap::new(),
            holders: vec![None; plan.collections],
            leases: 0,
            images: BTreeMap::new(),
        }
    }

    /// Returns the records of a collection, in order.
    pub(super) fn of_collection(&self, collection: usize) -> &[usize] {
        &self.by_collection[collection]
    }

    /// Returns the records of a key, in order.
    pub(super) fn of_key(&self, collection: usize, key: RecordKey) -> &[usize] {
        self.by_key.get(&(collection, key)).map_or(&[], Vec::as_slice)
    }

    /// Returns how many collections there are.
    pub(super) fn collections(&self) -> usize {
        self.holders.len()
    }

    /// Returns who took a collection's lease last, unless it was given back.
    pub(super) fn holder(&self, collection: usize) -> Option<Holder> {
        self.holders[collection]
    }

    /// Returns the record at a place of the history.
    pub(super) fn at_sequence(&self, sequence: &Sequence) -> Option<usize> {
        self.by_sequence.get(sequence).copied()
    }

    /// Whether a life of a destination that begins at `start` wants a record of its collection.
    pub(super) fn is_wanted(&self, destination: usize, start: ClusterTime, record: usize) -> bool {
        let record = &self.records[record];
        let is_choosy = self.destinations[destination].plan.is_choosy;
        record.time() >= start && plan::wants(is_choosy, record.record_type())
    }

    /// Whether something became of a record: taken, waiting in the store, or a dead letter there.
    pub(super) fn is_accounted_for(&self, destination: usize, record: usize) -> bool {
        let destination = &self.destinations[destination];
        destination.taken.contains_key(&record)
            || destination.shelf.dead.contains(&record)
            || destination.shelf.waits(record)
    }

    /// Returns a record that a life of a destination wants and that the stored position has not passed yet.
    pub(super) fn first_open(&self, life: &Life) -> Option<usize> {
        let destination = &self.destinations[life.destination];
        let progress = destination.shelf.progress.as_ref();
        let progress = progress.filter(|progress| progress.life == life.start);
        let is_open = |record: &usize| {
            let contents = &self.records[*record];
            self.is_wanted(life.destination, life.start, *record)
                && !progress
                    .is_some_and(|progress| progress.position.covers(contents.time(), contents.sequence()))
        };
        let records = self.of_collection(destination.plan.collection);
        records.iter().copied().find(|record| is_open(record))
    }

    /// Whether every position has passed everything, and nothing waits.
    pub(super) fn is_quiet(&self) -> bool {
        self.lives.iter().filter(|life| !life.has_ended).all(|life| {
            let progress = self.destinations[life.destination].shelf.progress.as_ref();
            let waits = progress.is_some_and(|progress| !progress.waiting.is_empty());
            !waits && self.first_open(life).is_none()
        })
    }

    /// Takes over what happened; `false` if it changes nothing and says nothing new.
    pub(super) fn apply(&mut self, happening: &Happening) -> bool {
        match happening {
            Happening::Written(records) => self.note_written(records),
            Happening::LifeBegan {
                destination, start, ..
            } => self.lives.push(Life {
                destination: *destination,
                start: *start,
                has_ended: false,
            }),
            Happening::LifeEnded(life) => self.lives[*life].has_ended = true,
            Happening::Retries {
                destination,
                max_retries,
            } => {
                let retries = &mut self.destinations[*destination].retries;
                *retries = (retries.0.min(*max_retries), retries.1.max(*max_retries));
            }
            Happening::Applied { life, record, .. } => {
                let destination = self.lives[*life].destination;
                *self.destinations[destination].taken.entry(*record).or_insert(0) += 1;
            }
            Happening::Settled {
                destination,
                record,
                settled: SettledAs::DeadLettered,
                ..
            } => {
                self.destinations[*destination].given_up.insert(*record);
            }
            Happening::LeaseTaken {
                session,
                collection,
                epoch,
            } => {
                self.leases += 1;
                self.holders[*collection] = Some(Holder {
                    session: *session,
                    number: self.leases,
                    epoch: *epoch,
                });
            }
            Happening::LeaseReleased {
                session,
                collection,
                epoch,
            } => {
                // Of a lease that somebody else has taken meanwhile, there is nothing to give back.
                let holder = &mut self.holders[*collection];
                let is_held = holder.is_some_and(|held| (held.session, held.epoch) == (*session, *epoch));
                if is_held {
                    *holder = None;
                }
                return is_held;
            }
            Happening::Loaded {
                destination,
                start,
                life,
            } => self.destinations[*destination].shelf.load(*start, *life),
            Happening::Forgotten(destination) => self.destinations[*destination].shelf.progress = None,
            Happening::Committed {
                destination, commit, ..
            } => return self.destinations[*destination].commit(commit),
            Happening::ImageKept(number) => {
                let shelves = self
                    .destinations
                    .iter()
                    .map(|destination| destination.shelf.clone());
                self.images
                    .insert(*number, (shelves.collect(), self.holders.clone()));
            }
            Happening::Restored { image, .. } => {
                if let Some((shelves, holders)) = self.images.get(image).cloned() {
                    self.holders = holders;
                    for (destination, shelf) in self.destinations.iter_mut().zip(shelves) {
                        destination.shelf = shelf;
                    }
                }
            }
            _ => {}
        }
        true
    }

    fn note_written(&mut self, records: &[(usize, Arc<Record>)]) {
        for (number, record) in records {
            let Some(collection) = names::number_of_collection(record.collection()) else {
                continue;
            };
            self.records.push(Arc::clone(record));
            self.by_collection[collection].push(*number);
            self.by_key
                .entry((collection, record.key()))
                .or_default()
                .push(*number);
            self.by_sequence.insert(record.sequence().clone(), *number);
        }
    }
}

impl Shelf {
    /// Whether a record waits.
    pub(super) fn waits(&self, record: usize) -> bool {
        let progress = self.progress.as_ref();
        progress.is_some_and(|progress| progress.waiting.values().any(|waiting| *waiting == record))
    }

    fn load(&mut self, start: ClusterTime, life: ClusterTime) {
        if self.progress.as_ref().is_some_and(|known| known.life == life) {
            return;
        }
        self.progress = Some(Progress {
            life,
            position: Position::at_time(start),
            waiting: BTreeMap::new(),
            last_commit: 0,
            epoch: 0,
        });
    }
}

impl Destination {
    /// Applies a commit that the store took; `false` if it was a repeat of the last one.
    fn commit(&mut self, commit: &Commit) -> bool {
        let Some(progress) = &mut self.shelf.progress else {
            return true;
        };
        if commit.number == progress.last_commit && commit.lease.epoch == progress.epoch {
            return false;
        }
        progress.last_commit = commit.number;
        progress.epoch = commit.lease.epoch;
        if let Some(advance) = &commit.advance {
            progress.position = advance.to.clone();
        }
        for parked in &commit.parked {
            if let Some(record) = &parked.record {
                progress.waiting.insert(parked.id, names::number_of(record));
            }
        }
        self.left = commit
            .unparked
            .iter()
            .filter_map(|id| progress.waiting.remove(id))
            .collect();
        self.shelf
            .dead
            .extend(commit.dead.iter().map(|dead| names::number_of(&dead.record)));
        let delivered = commit.processed.iter();
        self.shelf
            .delivered
            .extend(delivered.map(|id| names::number_of_event(&id.event_id)));
        true
    }
}
