//! One call: from its records to what became of each.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use conduit_core::{Delivery, EventId, Record, RecordKey, SinkError, SinkErrorKind};

use super::api::{Api, Call};
use super::error::{Blame, Refusal};
use super::index::Index;
use super::ledger::{Ledger, Memory};
use super::plan;
use super::task::{self, TaskEnd};
use super::write::{self, Change, Write};

/// What is known of one record of the call.
#[derive(Debug)]
enum Verdict {
    /// Nothing yet.
    Open,
    Delivered,
    Failed(SinkError),
}

/// One call in progress. Its tasks are done one after the other: what comes later may depend on what failed before.
pub(super) struct Progress<'a> {
    api: &'a Api,
    index: &'a Index,
    ledger: &'a Ledger,
    call: Call<'a>,
    records: &'a [Arc<Record>],
    /// What each record does; `None` for one that does nothing or can do nothing.
    writes: Vec<Option<Write>>,
    verdicts: Vec<Verdict>,
    /// The keys of which a record was refused: what follows one has to wait for it.
    refused: HashSet<RecordKey>,
}

/// Why a call ended before all of its records had their turn.
struct Stopped;

impl<'a> Progress<'a> {
    pub(super) fn new(api: &'a Api, index: &'a Index, ledger: &'a Ledger, call: Call<'a>) -> Self {
        let records = call.batch.records();
        let mut progress = Self {
            api,
            index,
            ledger,
            call,
            records,
            writes: Vec::with_capacity(records.len()),
            verdicts: Vec::with_capacity(records.len()),
            refused: HashSet::new(),
        };
        for record in records {
            let (write, verdict) = match Write::of(record) {
                Ok(Some(write)) => (Some(write), Verdict::Open),
                Ok(None) => (None, Verdict::Delivered),
                Err(error) => (None, Verdict::Failed(error)),
            };
            progress.writes.push(write);
            progress.verdicts.push(verdict);
        }
        progress
    }

    /// Does everything that can be done and says what became of it.
    pub(super) async fn run(mut self) -> Result<Delivery, SinkError> {
        if self.open().next().is_none() {
            return self.end();
        }
        self.index.ensure(self.api, self.call).await?;
        if self.resume().await.is_ok() {
            for step in self.steps() {
                if self.do_step(step).await.is_err() {
                    break;
                }
            }
        }
        self.end()
    }

    /// Waits for the tasks in which earlier calls left records of this one.
    async fn resume(&mut self) -> Result<(), Stopped> {
        let remembered = self
            .open()
            .filter_map(|index| self.ledger.recall(&self.records[index]));
        let running: BTreeSet<u64> = remembered.filter_map(Memory::running).collect();
        for uid in running {
            match task::end_of(self.api, uid, self.call).await {
                Ok(TaskEnd::Succeeded) => self.ledger.succeeded(uid),
                // Why it failed is found out by doing it again.
                Ok(TaskEnd::Failed(_) | TaskEnd::Lost(_)) => self.ledger.forget_task(uid),
                Err(error) => {
                    self.settle_remembered();
                    let is_running = |index: &usize| {
                        let memory = self.ledger.recall(&self.records[*index]);
                        memory.and_then(Memory::running).is_some()
                    };
                    let part: Vec<usize> = self.open().filter(is_running).collect();
                    return self.stop(&part, &error);
                }
            }
        }
        for (key, done) in self.settle_remembered() {
            self.ledger.forget_key(key, &done);
        }
        Ok(())
    }

    /// Takes the records that earlier calls got through as delivered, but for those that follow one that is still to be
    /// sent. Returns the keys of which something is to be sent, each with the records that were done before.
    fn settle_remembered(&mut self) -> HashMap<RecordKey, Vec<&'a EventId>> {
        let mut done: HashMap<RecordKey, Vec<&'a EventId>> = HashMap::new();
        let mut unsent: HashSet<RecordKey> = HashSet::new();
        let open: Vec<usize> = self.open().collect();
        for index in open {
            let record = &self.records[index];
            if !unsent.contains(&record.key()) && self.ledger.recall(record) == Some(Memory::Done) {
                self.verdicts[index] = Verdict::Delivered;
                done.entry(record.key()).or_default().push(record.event_id());
            } else {
                unsent.insert(record.key());
            }
        }
        unsent
            .into_iter()
            .map(|key| (key, done.remove(&key).unwrap_or_default()))
            .collect()
    }

    fn steps(&self) -> Vec<Vec<usize>> {
        let of_open = |at: usize| Some((at, self.writes[at].as_ref()?));
        let (indexes, writes): (Vec<usize>, Vec<&Write>) = self.open().filter_map(of_open).unzip();
        let mut steps = plan::steps(&writes);
        for index in steps.iter_mut().flatten() {
            *index = indexes[*index];
        }
        steps
    }

    /// Does the writes of one step, and if the server refuses them, finds out which of them it means.
    async fn do_step(&mut self, step: Vec<usize>) -> Result<(), Stopped> {
        // What is to be done next is at the end.
        let mut parts = vec![step];
        while let Some(mut part) = parts.pop() {
            // What follows a refused record of its key stays open: the engine sends it again, after that one.
            part.retain(|index| !self.refused.contains(&self.records[*index].key()));
            if part.is_empty() {
                continue;
            }
            match self.do_task(&part).await? {
                Ok(()) => part
                    .iter()
                    .for_each(|index| self.verdicts[*index] = Verdict::Delivered),
                Err(_) if part.len() > 1 => {
                    let later = part.split_off(part.len() / 2);
                    parts.extend([later, part]);
                }
                Err(refusal) => self.refuse(part[0], refusal.error)?,
            }
        }
        Ok(())
    }

    /// A record that is alone is to blame, unless nothing else gets through either.
    fn refuse(&mut self, index: usize, error: SinkError) -> Result<(), Stopped> {
        let is_of_record = matches!(
            error.kind(),
            SinkErrorKind::Rejected | SinkErrorKind::Undeliverable
        );
        if !is_of_record && !self.has_delivered_by_task() {
            return self.stop(&[index], &error);
        }
        self.refused.insert(self.records[index].key());
        self.verdicts[index] = Verdict::Failed(error);
        Ok(())
    }

    fn has_delivered_by_task(&self) -> bool {
        let mut all = self.verdicts.iter().zip(&self.writes);
        all.any(|(verdict, write)| matches!(verdict, Verdict::Delivered) && write.is_some())
    }

    /// Sends the writes as one task and waits for its end. An inner error is one of the documents.
    async fn do_task(&mut self, part: &[usize]) -> Result<Result<(), Refusal>, Stopped> {
        let writes = part.iter().filter_map(|index| self.writes[*index].as_ref());
        let is_delete = writes
            .clone()
            .next()
            .is_some_and(|write| write.change == Change::Delete);
        let body = write::body(writes);
        let sent = if is_delete {
            self.api.delete(body, self.call).await
        } else {
            self.api.put(body, self.call).await
        };
        let uid = match sent {
            Ok(uid) => uid,
            Err(refusal) => return self.judge(part, refusal, is_delete),
        };
        // Before anything else is awaited: from here on the server works on it.
        let records = part.iter().map(|index| &*self.records[*index]);
        self.ledger.note(uid, records);
        match task::end_of(self.api, uid, self.call).await {
            Ok(TaskEnd::Succeeded) => {
                self.ledger.succeeded(uid);
                Ok(Ok(()))
            }
            Ok(TaskEnd::Failed(refusal)) => {
                self.ledger.forget_task(uid);
                self.judge(part, refusal, is_delete)
            }
            Ok(TaskEnd::Lost(error)) => {
                self.ledger.forget_task(uid);
                self.stop(part, &error).map(Ok)
            }
            Err(error) => self.stop(part, &error).map(Ok),
        }
    }

    fn judge(
        &mut self,
        part: &[usize],
        refusal: Refusal,
        is_delete: bool,
    ) -> Result<Result<(), Refusal>, Stopped> {
        if refusal.code == "index_not_found" {
            self.index.distrust();
            if is_delete {
                // Nothing is left that could be deleted.
                return Ok(Ok(()));
            }
        }
        match refusal.blame {
            Blame::Documents => Ok(Err(refusal)),
            Blame::Destination => self.stop(part, &refusal.error).map(Ok),
        }
    }

    /// Ends the call: `part` failed with `error`, and what had no turn yet was not sent.
    fn stop(&mut self, part: &[usize], error: &SinkError) -> Result<(), Stopped> {
        for index in part {
            self.verdicts[*index] = Verdict::Failed(error.clone());
        }
        Err(Stopped)
    }

    /// The records of which nothing is known, in order.
    fn open(&self) -> impl Iterator<Item = usize> {
        let all = self.verdicts.iter().enumerate();
        all.filter(|(_, verdict)| matches!(verdict, Verdict::Open))
            .map(|(index, _)| index)
    }

    /// Answers for every record, and forgets those whose outcome is known.
    fn end(self) -> Result<Delivery, SinkError> {
        let mut delivery = Delivery::default();
        let mut of_destination: Option<SinkError> = None;
        let mut is_any_known = false;
        for (index, verdict) in self.verdicts.into_iter().enumerate() {
            let record = &self.records[index];
            let error = match verdict {
                Verdict::Delivered => {
                    is_any_known = true;
                    self.ledger.forget(record);
                    continue;
                }
                Verdict::Open => {
                    SinkError::new(SinkErrorKind::NotSent, "what came before it in the call failed")
                }
                Verdict::Failed(error) => error,
            };
            match error.kind() {
                SinkErrorKind::Rejected | SinkErrorKind::Undeliverable => {
                    is_any_known = true;
                    self.ledger.forget(record);
                }
                SinkErrorKind::NotSent if of_destination.is_some() => {}
                _ => of_destination = Some(error.clone()),
            }
            delivery.failed.push((index, error));
        }
        match of_destination {
            Some(error) if !is_any_known => Err(error),
            _ => Ok(delivery),
        }
    }
}
