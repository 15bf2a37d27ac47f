//! What becomes of records that are sent together, however many calls that takes.

use std::collections::HashSet;
use std::time::Duration;

use super::call::{Answer, Calls, Job, NotSent, Recalls};
use super::key_table::{Admission, Verdict};
use super::lane_queue::LaneQueue;
use super::pass::{Caller, Counts};
use crate::contract::{Outcome, SinkError, SinkErrorKind, Subject};
use crate::value::RecordKey;

/// What to do about the answer to a call.
enum Next {
    /// Each record has its own outcome.
    Settle,
    /// One of the records may be at fault: each half is sent by itself, and so on.
    Halve,
    /// The destination fails as a whole, which says nothing of the records: one waits, the others are sent again.
    SettleFirst,
}

impl Calls {
    /// Sends one call's records from a lane and settles every one.
    pub(super) async fn run_lane(&self, jobs: Vec<Job>, since: Recalls) {
        let mut failed = HashSet::new();
        let round = self.run_round(Caller::Lane, jobs, &mut failed, since);
        // What was not sent is settled too, as that.
        let _ = round.await;
    }

    /// Sends waiting records, those of a key in order. The first that fails ends its key, the rest of which comes back as not
    /// attempted: if it was given up, what follows makes it stale, which whoever counts the letters has to know first.
    pub(super) async fn run_chain(&self, caller: Caller, jobs: Vec<Job>, since: Recalls) {
        let mut queue = LaneQueue::new(self.limits());
        jobs.into_iter().for_each(|job| queue.push(job));
        let mut failed = HashSet::new();
        while queue.len() > 0 {
            let call = queue.take(|_| Admission::Send);
            let keys: Vec<RecordKey> = call.iter().map(|job| job.record.key()).collect();
            let round = self.run_round(caller, call, &mut failed, since);
            if let Err(not_sent) = round.await {
                queue.drain().into_iter().for_each(|job| not_sent.settle(job));
                return;
            }
            keys.into_iter().for_each(|key| queue.release(key));
        }
    }

    /// Sends records until each is settled; notes the keys that failed.
    async fn run_round(
        &self,
        caller: Caller,
        jobs: Vec<Job>,
        failed: &mut HashSet<RecordKey>,
        since: Recalls,
    ) -> Result<(), NotSent> {
        // The next one is the last.
        let mut pieces = Vec::new();
        let mut next_piece = Some(jobs);
        while let Some(piece) = next_piece.take().or_else(|| pieces.pop()) {
            let mut piece = self.without_followers(caller, piece, failed);
            if piece.is_empty() {
                continue;
            }
            let answer = match self.send(caller, &piece, since).await {
                Ok(answer) => answer,
                Err(not_sent) => {
                    pieces.push(piece);
                    let unsent = pieces.into_iter().rev().flatten();
                    unsent.for_each(|job| not_sent.settle(job));
                    return Err(not_sent);
                }
            };
            match next(&answer) {
                Next::Settle => next_piece = Some(self.settle(caller, piece, answer, failed)),
                Next::Halve => {
                    let rest = piece.split_off(piece.len() / 2);
                    pieces.extend([rest, piece]);
                }
                Next::SettleFirst => {
                    pieces.push(piece.split_off(1));
                    pieces.push(self.settle(caller, piece, answer, failed));
                }
            }
        }
        Ok(())
    }

    /// Takes out what follows a record that failed in a call before.
    fn without_followers(&self, caller: Caller, jobs: Vec<Job>, failed: &HashSet<RecordKey>) -> Vec<Job> {
        if failed.is_empty() {
            return jobs;
        }
        let unless_following = |job: Job| self.unless_following(caller, job, failed, None);
        jobs.into_iter().filter_map(unless_following).collect()
    }

    /// Settles a record that follows one of its key that did not get through. In a call whose records are applied in order it
    /// cannot count, whatever was said of it: that one comes again, and then this one has to follow it.
    fn unless_following(
        &self,
        caller: Caller,
        job: Job,
        failed: &HashSet<RecordKey>,
        took: Option<Duration>,
    ) -> Option<Job> {
        let key = job.record.key();
        if !failed.contains(&key) {
            return Some(job);
        }
        match caller {
            Caller::Lane if self.keys().admit(key) == Admission::Send => return Some(job),
            Caller::Lane => job.settle(Outcome::Behind, took),
            // It is waiting already; a receipt that is dropped says that it was not attempted.
            Caller::Chain | Caller::Probe => drop(job),
        }
        None
    }

    /// Settles the records of a call; returns those that are to be sent again.
    fn settle(
        &self,
        caller: Caller,
        jobs: Vec<Job>,
        answer: Answer,
        failed: &mut HashSet<RecordKey>,
    ) -> Vec<Job> {
        let took = Some(answer.took);
        let mut again: Vec<Job> = Vec::new();
        let failures = answer.failures.into_iter().chain(std::iter::repeat_with(|| None));
        for (job, failure) in jobs.into_iter().zip(failures) {
            let Some(job) = self.unless_following(caller, job, failed, took) else {
                continue;
            };
            let key = job.record.key();
            let is_sent_again = failure
                .as_ref()
                .is_some_and(|error| error.subject() == Subject::Neither);
            if is_sent_again || again.iter().any(|other| other.record.key() == key) {
                again.push(job);
                continue;
            }
            let outcome = match failure {
                None => Outcome::Delivered {
                    cured: self.keys().delivered(&job.record),
                },
                Some(error) => {
                    failed.insert(key);
                    self.failed(caller, &job, error, answer.counts)
                }
            };
            job.settle(outcome, took);
        }
        again
    }

    fn failed(&self, caller: Caller, job: &Job, error: SinkError, counts: Counts) -> Outcome {
        // A refusal of the record is an attempt whatever else the destination does.
        let is_attempt = error.subject() == Subject::Record || counts == Counts::Yes;
        let is_dead = match caller {
            Caller::Lane => self.keys().failed(&job.record, error.kind(), is_attempt) == Verdict::Dead,
            // How often it was tried before is not known here.
            Caller::Chain | Caller::Probe => error.kind() == SinkErrorKind::Undeliverable,
        };
        match is_dead {
            true => Outcome::Dead(error),
            false => Outcome::Failed { error, is_attempt },
        }
    }
}

fn next(answer: &Answer) -> Next {
    let [Some(error), _, ..] = &answer.failures[..] else {
        return Next::Settle;
    };
    let blames = |failure: &Option<SinkError>| {
        failure
            .as_ref()
            .is_some_and(|error| error.subject() == Subject::Destination)
    };
    // Said of each record or of all at once, it is the same.
    if answer.counts == Counts::No && answer.failures.iter().all(blames) {
        return Next::SettleFirst;
    }
    match (error.subject(), error.kind()) {
        _ if !answer.is_refused_whole => Next::Settle,
        (Subject::Neither, _) => Next::Settle,
        // Asking again for each half would take as long once more, again and again, while the lane waits.
        (_, SinkErrorKind::Timeout) => Next::Settle,
        (Subject::Destination | Subject::Record, _) => Next::Halve,
    }
}
