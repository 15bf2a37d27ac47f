//! Sending commits.

use std::collections::BTreeSet;

use redis::{Cmd, Value};

use conduit_core::{Commit, DeadLetter, DestinationId, StateError};

use super::error::unexpected;
use super::keys;
use super::reply::{next, text, verdict};
use super::script::Script;
use crate::cures::Cures;
use crate::encoding::{LetterEntry, Waiting, dead_letter_tail};
use crate::refusal;

/// Bytes that an argument costs beside its own, about.
const ARGUMENT_BYTES: usize = 16;

/// A commit as a call of the script, with its size.
pub(super) struct CommitCall {
    call: Cmd,
    bytes: usize,
}

/// What became of a commit that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// All of it.
    Whole,
    /// All but the processed ids, of which there are too many.
    Capped,
}

impl CommitCall {
    /// Encodes a commit; the first of a trip brings the script along.
    pub(super) fn new(script: &Script, is_first: bool, commit: &Commit, max_keys: u64) -> Self {
        let call = if is_first {
            script.call()
        } else {
            script.call_again()
        };
        let mut this = Self { call, bytes: 0 };
        this.add(commit.subscription.collection.as_str());
        this.add(commit.subscription.destination.as_str());
        this.add(commit.lease.worker.as_str());
        this.add(commit.lease.epoch.to_string());
        this.add(commit.number.to_string());
        this.add(max_keys.to_string());
        this.add_advance(commit);
        let processed = if max_keys == 0 { &[][..] } else { &commit.processed };
        let cures = Cures::of(commit);
        let redriven: BTreeSet<u64> = commit.redriven.iter().copied().collect();
        let lengths = [
            commit.settled_ahead.len(),
            processed.len(),
            commit.parked.len(),
            commit.unparked.len(),
            commit.dead.len(),
            cures.iter().len(),
            redriven.len(),
        ];
        for length in lengths {
            this.add(length.to_string());
        }
        for sequence in &commit.settled_ahead {
            this.add(sequence.as_str());
        }
        let mut key = String::new();
        for id in processed {
            key.clear();
            keys::write_processed(&mut key, &commit.subscription, id);
            this.add(&key);
        }
        for parked in &commit.parked {
            this.add(parked.id.0.to_string());
            this.add(
                parked
                    .due
                    .map_or_else(|| "+inf".to_owned(), |due| due.as_millis().to_string()),
            );
            this.add(
                parked
                    .record
                    .as_ref()
                    .map_or_else(String::new, |record| Waiting::entry(parked, record)),
            );
            this.add(Waiting::tries(parked));
            this.add(parked.record.as_ref().map_or(&[][..], |record| record.json()));
        }
        for id in &commit.unparked {
            this.add(id.0.to_string());
        }
        for letter in &commit.dead {
            this.add_letter(&commit.subscription.destination, &cures.settle(letter));
        }
        for (key, place) in cures.iter() {
            this.add(key.to_string());
            this.add(place.as_str());
        }
        for id in redriven {
            this.add(id.to_string());
        }
        this
    }

    /// How many bytes the call has, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The call itself.
    pub(super) fn into_command(self) -> Cmd {
        self.call
    }

    fn add_advance(&mut self, commit: &Commit) {
        let Some(advance) = &commit.advance else {
            (0..8).for_each(|_| self.add(""));
            return;
        };
        for position in [&advance.from, &advance.to] {
            self.add(position.time().t.to_string());
            self.add(position.time().i.to_string());
            self.add(position.token().unwrap_or_default());
        }
        self.add(&advance.to.stream().source);
        self.add(&advance.to.stream().options);
    }

    fn add_letter(&mut self, destination: &DestinationId, letter: &DeadLetter) {
        let entry = LetterEntry::of(destination, letter);
        self.add(dead_letter_tail(destination, letter));
        self.add(entry.text());
        self.add(if letter.stale {
            String::new()
        } else {
            entry.key.to_string()
        });
        self.add(entry.sequence.as_str());
        self.add(entry.time.t.to_string());
        self.add(entry.time.i.to_string());
    }

    fn add(&mut self, argument: impl AsRef<[u8]>) {
        let argument = argument.as_ref();
        self.bytes += argument.len() + ARGUMENT_BYTES;
        self.call.arg(argument);
    }
}

/// Reads the script's answer to a commit.
pub(super) fn answer(commit: &Commit, answer: Value) -> Result<Applied, StateError> {
    let (word, mut parts) = verdict(answer)?;
    match word.as_str() {
        "ok" => Ok(Applied::Whole),
        "capped" => Ok(Applied::Capped),
        "fenced" => Err(refusal::fenced(&commit.lease)),
        "absent" => Err(refusal::no_state(commit)),
        "number" => Err(refusal::wrong_number(commit, &text(next(&mut parts)?)?)),
        "position" => Err(refusal::wrong_position(commit)),
        "unknown" => Err(refusal::does_not_wait(commit)),
        "letter" => Err(refusal::no_such_letter(commit)),
        _ => Err(unexpected()),
    }
}
