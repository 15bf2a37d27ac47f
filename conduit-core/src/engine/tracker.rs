//! Which records of a subscription are settled, and how far its position may move.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::value::{ClusterTime, Position, Record, Sequence, StreamIdentity, WallTime};

/// The records between the committed position and the end of what was read, in the order of their changes.
///
/// The position moves to the last record of the unbroken run of settled ones, and over a batch's own position once
/// everything in the batch is settled. What is settled behind an unsettled record is *ahead*: it is told to the store
/// so that a crash does not bring it again.
#[derive(Debug)]
pub(crate) struct Tracker {
    position: Position,
    entries: VecDeque<Entry>,
    /// The index of the first entry.
    first: u64,
    /// Positions of batches: to be taken once everything before the index is settled.
    batch_ends: VecDeque<(u64, Position)>,
    stream: Arc<StreamIdentity>,
    unsettled: usize,
    unsettled_bytes: usize,
    ahead: Vec<u64>,
    /// What was settled ahead when the records were forgotten, and is not told to the store yet.
    ahead_before: Vec<Sequence>,
}

#[derive(Debug)]
struct Entry {
    sequence: Sequence,
    time: ClusterTime,
    timestamp: WallTime,
    size: usize,
    settled: bool,
}

/// Whether a record still has to be dealt with when it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// It has to be delivered.
    Unsettled,
    /// It needs nothing: filtered, or settled before and in the store's gap list.
    Settled,
    /// It needs nothing, which the store's gap list does not say yet.
    SettledBefore,
}

impl Tracker {
    pub(crate) fn new(position: Position) -> Self {
        Self {
            stream: Arc::clone(position.stream()),
            position,
            entries: VecDeque::new(),
            first: 0,
            batch_ends: VecDeque::new(),
            unsettled: 0,
            unsettled_bytes: 0,
            ahead: Vec::new(),
            ahead_before: Vec::new(),
        }
    }

    /// Notes the shape of the stream that the next records come from.
    pub(crate) fn begin_batch(&mut self, stream: &Arc<StreamIdentity>) {
        self.stream = Arc::clone(stream);
    }

    /// Notes the next record; its index is one more than the last one's.
    pub(crate) fn push(&mut self, record: &Record, arrival: Arrival) -> u64 {
        let index = self.first + self.entries.len() as u64;
        let settled = arrival != Arrival::Unsettled;
        if !settled {
            self.unsettled += 1;
            self.unsettled_bytes += record.size();
        }
        if arrival == Arrival::SettledBefore {
            self.ahead.push(index);
        }
        self.entries.push_back(Entry {
            sequence: record.sequence().clone(),
            time: record.time(),
            timestamp: record.timestamp(),
            size: record.size(),
            settled,
        });
        index
    }

    /// Notes that everything up to here was read, and the position that stands for it.
    pub(crate) fn end_batch(&mut self, position: Position) {
        let end = self.first + self.entries.len() as u64;
        // Of several batches without records between them only the newest position matters.
        if self.batch_ends.back().is_some_and(|(last, _)| *last == end) {
            self.batch_ends.pop_back();
        }
        self.batch_ends.push_back((end, position));
        self.move_on();
    }

    /// Settles a record.
    pub(crate) fn settle(&mut self, index: u64) {
        let Some(offset) = index.checked_sub(self.first) else {
            return;
        };
        let Some(entry) = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.entries.get_mut(offset))
        else {
            return;
        };
        if entry.settled {
            return;
        }
        entry.settled = true;
        self.unsettled -= 1;
        self.unsettled_bytes -= entry.size;
        self.ahead.push(index);
        self.move_on();
    }

    fn move_on(&mut self) {
        while let Some(front) = self.entries.front() {
            if !front.settled {
                break;
            }
            if !front.sequence.is_last_of_change() {
                // The position cannot stand between the two records of one change.
                if self.entries.get(1).is_none_or(|second| !second.settled) {
                    break;
                }
                self.entries.pop_front();
                self.first += 1;
                continue;
            }
            let to = Position::after(front.time, front.sequence.token(), Arc::clone(&self.stream));
            self.take_position(to);
            self.entries.pop_front();
            self.first += 1;
        }
        while let Some((end, _)) = self.batch_ends.front() {
            if *end > self.first {
                break;
            }
            if let Some((_, position)) = self.batch_ends.pop_front() {
                self.take_position(position);
            }
        }
    }

    /// Moves forward only, whatever a source says. At the same place, the stream's newer shape is taken over.
    fn take_position(&mut self, position: Position) {
        if position >= self.position {
            self.position = position;
        }
    }

    /// Returns the position up to which everything is settled.
    pub(crate) fn position(&self) -> &Position {
        &self.position
    }

    /// Forgets everything behind the position, to be read again from there; returns what of it needs nothing then.
    pub(crate) fn forget(&mut self) -> HashSet<Sequence> {
        self.ahead_before = self.take_ahead();
        self.first += self.entries.len() as u64;
        self.batch_ends.clear();
        self.unsettled = 0;
        self.unsettled_bytes = 0;
        let settled = self.entries.drain(..).filter(|entry| entry.settled);
        settled.map(|entry| entry.sequence).collect()
    }

    /// Returns, once each, the records settled behind an unsettled one.
    pub(crate) fn take_ahead(&mut self) -> Vec<Sequence> {
        let first = self.first;
        let before = std::mem::take(&mut self.ahead_before);
        let entry = |index: u64| {
            usize::try_from(index.checked_sub(first)?)
                .ok()
                .and_then(|at| self.entries.get(at))
        };
        let ahead = self.ahead.drain(..).filter_map(entry);
        let ahead = ahead.map(|entry| entry.sequence.clone());
        before.into_iter().chain(ahead).collect()
    }

    /// Whether something was settled since the last [`take_ahead`](Self::take_ahead).
    pub(crate) fn has_settled(&self) -> bool {
        !self.ahead.is_empty() || !self.ahead_before.is_empty()
    }

    /// Returns how many records are not settled.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Returns how many bytes the unsettled records have.
    pub(crate) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes
    }

    /// Returns how many records the tracker remembers, settled or not.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns when the oldest unsettled change happened.
    pub(crate) fn oldest_unsettled(&self) -> Option<WallTime> {
        // The front is unsettled, or the first half of a change whose second half is.
        self.entries.front().map(|entry| entry.timestamp)
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
