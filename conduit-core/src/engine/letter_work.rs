//! How a subscription redrives and purges its dead letters.

use std::collections::{HashMap, HashSet};

use super::command::{Command, CommandError, Redriven};
use super::draft::Attempts;
use super::in_hand::Retry;
use super::subscription::{End, Subscription};
use crate::contract::{DeadLetter, LetterSelection, RetryId, StateError, StoredLetter, WaitingRef};
use crate::value::{Record, RecordKey, Sequence, WallTime};

/// Most dead letters that are redriven by one commit.
const PAGE: usize = 100;

/// The command in hand, and the redriven records that must not be sent yet.
#[derive(Debug, Default)]
pub(super) struct LetterWork {
    command: Option<Command>,
    /// The last dead letter that was looked at.
    after: Option<u64>,
    is_read: bool,
    done: Redriven,
    /// Keys of what was redriven by this command, each with the last of its records: newer ones may follow.
    keys: HashMap<RecordKey, Sequence>,
    /// The ids that were set aside for this command, so that what it redrives late waits before what came since.
    ids: std::ops::Range<u64>,
    blocked: HashMap<RecordKey, Blocked>,
}

/// Redriven records of a key of which newer ones are on the lanes.
#[derive(Debug, Default)]
struct Blocked {
    on_lanes: usize,
    /// Those that turn stale if a newer one gets through.
    letters: Vec<Retry>,
}

impl LetterWork {
    pub(super) fn is_idle(&self) -> bool {
        self.command.is_none()
    }
}

impl Subscription {
    pub(super) fn begin_command(&mut self, command: Command) {
        let blocked = std::mem::take(&mut self.letter_work.blocked);
        let count = self.status.letters();
        let first = self.retries.reserve(count);
        self.letter_work = LetterWork {
            command: Some(command),
            ids: first.0..first.0 + count,
            blocked,
            ..LetterWork::default()
        };
    }

    /// Does what can be done of the command in hand: never while the store is still to hear of dead letters that came,
    /// turned stale or left.
    pub(super) async fn go_on_with_command(&mut self) -> Result<(), End> {
        if self.committing.is_some() || self.draft.touches_letters() {
            return Ok(());
        }
        match self.letter_work.command.take() {
            None => {}
            Some(Command::Purge { selection, reply }) => {
                let purged = self.purge(&selection).await;
                // Nobody waiting for the answer is no error.
                let _ = reply.send(purged.map_err(|error| CommandError::of_store(&error)));
            }
            Some(Command::Redrive {
                selection,
                include_stale,
                reply,
            }) => {
                while !self.letter_work.is_read && !self.draft.touches_letters() {
                    if let Err(error) = self.redrive_page(&selection, include_stale).await {
                        let _ = reply.send(Err(CommandError::of_store(&error)));
                        return Ok(());
                    }
                }
                if !self.draft.touches_letters() {
                    let _ = reply.send(Ok(self.letter_work.done));
                } else {
                    // The rest, and the answer, once these are committed.
                    self.letter_work.command = Some(Command::Redrive {
                        selection,
                        include_stale,
                        reply,
                    });
                }
            }
        }
        Ok(())
    }

    async fn purge(&mut self, selection: &LetterSelection) -> Result<u64, StateError> {
        let selection = self.own(selection);
        let mut poisoned = self.keys.poisoned();
        // The lanes poison a key before its letter is known here, so that of what they have it may be one to come.
        let keys = poisoned.iter().map(|(key, _)| *key).collect();
        let on_lanes = self.in_hand.on_lanes(&keys);
        poisoned.retain(|(key, _)| !on_lanes.contains_key(key));
        let purged = self
            .context
            .store
            .purge_dead_letters(&self.id.collection, &selection)
            .await?;
        // Of single letters it is not known whose they were: their keys, like those on the lanes, stay poisoned here until
        // one gets through. What became a letter meanwhile is still one.
        if selection.ids.is_none() {
            self.keys.forget_poisoned(&poisoned);
        }
        self.dead_count.remove(purged);
        self.status.letters_left(purged);
        tracing::info!(collection = %self.id.collection, destination = %self.id.destination, purged, "dead letters were purged");
        Ok(purged)
    }

    /// What of a selection belongs to this subscription.
    fn own(&self, selection: &LetterSelection) -> LetterSelection {
        LetterSelection {
            destination: Some(self.id.destination.clone()),
            ids: selection.ids.clone(),
        }
    }

    async fn redrive_page(
        &mut self,
        selection: &LetterSelection,
        include_stale: bool,
    ) -> Result<(), StateError> {
        let mut letters = self
            .context
            .store
            .letters(
                &self.id.collection,
                &self.own(selection),
                self.letter_work.after,
                PAGE,
            )
            .await?;
        self.letter_work.is_read = letters.len() < PAGE;
        self.letter_work.after = letters.last().map(|letter| letter.id).or(self.letter_work.after);
        let keys: HashSet<RecordKey> = letters.iter().map(|letter| letter.record.key()).collect();
        let on_lanes = self.in_hand.on_lanes(&keys);
        letters.sort_by(|one, other| one.record.sequence().cmp(other.record.sequence()));
        let now = self.context.clock.now();
        let before = self.letter_work.done.redriven;
        for letter in letters {
            if letter.stale && !include_stale {
                self.letter_work.ids.next();
                self.letter_work.done.stale += 1;
                continue;
            }
            let settings = &self.context.settings;
            if self.retries.len() >= settings.max_waiting_records
                || self.retries.bytes() >= settings.max_waiting_bytes
            {
                self.letter_work.is_read = true;
                break;
            }
            let on_lanes = on_lanes.get(&letter.record.key()).copied().unwrap_or(0);
            if !self.redrive(&letter, on_lanes, now) {
                tracing::info!(collection = %self.id.collection, destination = %self.id.destination, letter = letter.id, "a dead letter stays, since newer records of its key wait for a retry");
            }
        }
        let redriven = self.letter_work.done.redriven - before;
        self.dead_count.remove(redriven);
        self.status.letters_left(redriven);
        Ok(())
    }

    /// Makes a dead letter wait again; `false` if it would come after newer records of its key.
    fn redrive(&mut self, letter: &StoredLetter, on_lanes: usize, now: WallTime) -> bool {
        let record = &letter.record;
        let key = record.key();
        let is_first = !self.retries.has(key);
        let redriven = self.letter_work.keys.get(&key);
        // One that was given up a second time may lie behind newer ones of its key.
        let follows = redriven.is_some_and(|last| last < record.sequence());
        if !follows && (redriven.is_some() || !is_first) {
            return false;
        }
        // As many as there were dead letters: what has become one since is not meant.
        let Some(id) = self.letter_work.ids.next().map(RetryId) else {
            self.letter_work.is_read = true;
            return false;
        };
        if !self.retries.put(now, WaitingRef::of(id, record, None)) {
            return false;
        }
        self.keys.redriven(key, letter.stale);
        self.draft.park(id, record);
        self.draft.redrive(letter.id);
        let attempts = Attempts::default();
        self.hold_contents(id, record, attempts);
        self.letter_work.keys.insert(key, record.sequence().clone());
        self.letter_work.done.redriven += 1;
        // What the lanes had of the key when it was parked is newer. Whether it gets through decides.
        if is_first && on_lanes > 0 {
            self.retries.block(key);
            self.letter_work.blocked.insert(
                key,
                Blocked {
                    on_lanes,
                    letters: Vec::new(),
                },
            );
        }
        if let Some(blocked) = self.letter_work.blocked.get_mut(&key)
            && !letter.stale
        {
            blocked.letters.push(Retry {
                id,
                attempts,
                record: record.clone(),
            });
        }
        true
    }

    /// A newer record got through: redriven ones of its key that wait for it are stale, and dead letters again.
    pub(super) fn overtake(&mut self, newer: &Record, now: WallTime) {
        let Some(blocked) = self.letter_work.blocked.get_mut(&newer.key()) else {
            return;
        };
        // After a rewind what is on the lanes may be older.
        let (overtaken, kept): (Vec<Retry>, Vec<Retry>) = std::mem::take(&mut blocked.letters)
            .into_iter()
            .partition(|retry| retry.record.sequence() < newer.sequence());
        blocked.letters = kept;
        for retry in overtaken {
            let letter = DeadLetter {
                record: retry.record.clone(),
                attempts: 0,
                first_attempt: now,
                last_attempt: now,
                last_error: "a newer record of its document was delivered while it was redriven".to_owned(),
                stale: true,
            };
            self.dead_count.add(1);
            self.status.letters_came(1);
            self.draft.dead(letter);
            self.leave(&retry, now);
        }
    }

    /// Notes that the lanes have one record of the key more.
    pub(super) fn came_to_lanes(&mut self, key: RecordKey) {
        if let Some(blocked) = self.letter_work.blocked.get_mut(&key) {
            blocked.on_lanes += 1;
        }
    }

    /// Notes that the lanes have one record of the key less.
    pub(super) fn left_lanes(&mut self, key: RecordKey, now: WallTime) {
        let Some(blocked) = self.letter_work.blocked.get_mut(&key) else {
            return;
        };
        blocked.on_lanes -= 1;
        if blocked.on_lanes == 0 {
            self.letter_work.blocked.remove(&key);
            self.retries.finished(key, now);
        }
    }
}
