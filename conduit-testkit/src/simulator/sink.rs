//! One worker's way to a destination.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Delivery, RecordBatch, SameKey, Sink, SinkError, SinkErrorKind, SinkLimits};

use super::endpoint::{Endpoint, Treatment};
use super::happening::{Answer, Cause, Happening, Session};
use super::journal::Journal;
use super::names;

/// Sends to a simulated destination, which takes a record when it is sent or never; only answers take time.
#[derive(Debug)]
pub(super) struct SimulatedSink {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) journal: Journal,
    pub(super) calls: Arc<AtomicU64>,
    pub(super) session: Session,
    pub(super) life: usize,
    pub(super) limits: SinkLimits,
    pub(super) in_hand: AtomicUsize,
}

/// A call that counts as unanswered until it is.
struct Call<'a> {
    sink: &'a SimulatedSink,
    number: u64,
    answers: Vec<(usize, Answer)>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.sink.in_hand.fetch_sub(1, Ordering::Relaxed);
        self.sink.journal.note(Happening::Answered {
            call: self.number,
            session: self.sink.session,
            life: self.sink.life,
            answers: std::mem::take(&mut self.answers),
        });
    }
}

/// How a call ends.
enum Ending {
    Answer(Delivery),
    Error(SinkErrorKind),
    Never(Cause),
}

impl SimulatedSink {
    fn begin(&self, records: Vec<usize>) -> Call<'_> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let in_hand = self.in_hand.fetch_add(1, Ordering::Relaxed) + 1;
        let answers = records
            .iter()
            .map(|record| (*record, Answer::Unknown(Cause::Chance)))
            .collect();
        self.journal.note(Happening::Sent {
            call: number,
            session: self.session,
            life: self.life,
            records,
            in_hand,
            concurrency: self.limits.concurrency,
            max_records: self.limits.max_records,
        });
        Call {
            sink: self,
            number,
            answers,
        }
    }

    /// Lets the destination deal with the records, in order; tells how the call ends and after how long.
    fn arrive(&self, batch: &RecordBatch) -> (Vec<Answer>, Ending, Duration) {
        let mut answers = Vec::new();
        let mut delivery = Delivery::complete();
        let mut failed_keys = HashSet::new();
        let mut longest = Duration::ZERO;
        if self.endpoint.faults().answers_as_one {
            return self.arrive_as_one(batch);
        }
        let stops = self.limits.same_key == SameKey::InOrder && !self.endpoint.faults().goes_on_after_failure;
        for (index, record) in batch.records().iter().enumerate() {
            let number = names::number_of(record);
            let key_failed = failed_keys.contains(&record.key());
            if key_failed && stops {
                let error = SinkError::rejected("simulated: an older record of the key failed");
                delivery.failed.push((index, error));
                answers.push(Answer::Failed(SinkErrorKind::Rejected, Cause::OlderRecord));
                continue;
            }
            let (treatment, latency) = self.endpoint.treat(number);
            longest = longest.max(latency);
            match treatment {
                Treatment::Take => {
                    self.take(number, key_failed);
                    answers.push(if key_failed {
                        Answer::DeliveredOutOfTurn
                    } else {
                        Answer::Delivered
                    });
                }
                Treatment::Fail(error, cause) => {
                    let is_first = failed_keys.insert(record.key());
                    let cause = if is_first { cause } else { Cause::OlderRecord };
                    answers.push(Answer::Failed(error.kind(), cause));
                    delivery.failed.push((index, error));
                }
                Treatment::TakeAndLoseAnswer(kind) => {
                    self.take(number, key_failed);
                    return (refused(batch, kind, Cause::Chance), Ending::Error(kind), longest);
                }
                Treatment::Hang { takes, cause } => {
                    if takes {
                        self.take(number, key_failed);
                    }
                    return (Vec::new(), Ending::Never(cause), longest);
                }
            }
        }
        (answers, Ending::Answer(delivery), longest)
    }

    /// The same for a destination that takes all of a call or nothing.
    fn arrive_as_one(&self, batch: &RecordBatch) -> (Vec<Answer>, Ending, Duration) {
        let mut longest = Duration::ZERO;
        let (mut takes, mut ending) = (true, None);
        for record in batch.records() {
            let (treatment, latency) = self.endpoint.treat(names::number_of(record));
            longest = longest.max(latency);
            (takes, ending) = match treatment {
                Treatment::Take => continue,
                Treatment::Fail(error, cause) => (false, Some((Ending::Error(error.kind()), cause))),
                Treatment::TakeAndLoseAnswer(kind) => (true, Some((Ending::Error(kind), Cause::Chance))),
                Treatment::Hang { takes, cause } => (takes, Some((Ending::Never(cause), cause))),
            };
            break;
        }
        if takes {
            for record in batch.records() {
                self.take(names::number_of(record), false);
            }
        }
        match ending {
            None => {
                let answers = vec![Answer::Delivered; batch.records().len()];
                (answers, Ending::Answer(Delivery::complete()), longest)
            }
            Some((Ending::Error(kind), cause)) => (refused(batch, kind, cause), Ending::Error(kind), longest),
            Some((ending, _)) => (Vec::new(), ending, longest),
        }
    }

    fn take(&self, record: usize, out_of_turn: bool) {
        let life = self.life;
        self.journal.note(Happening::Applied {
            life,
            record,
            out_of_turn,
        });
    }
}

#[async_trait]
impl Sink for SimulatedSink {
    fn limits(&self) -> SinkLimits {
        self.limits
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let records: Vec<usize> = batch
            .records()
            .iter()
            .map(|record| names::number_of(record))
            .collect();
        let mut call = self.begin(records.clone());
        let (answers, ending, latency) = self.arrive(batch);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        match ending {
            Ending::Answer(delivery) => {
                call.answers = records.into_iter().zip(answers).collect();
                Ok(delivery)
            }
            Ending::Error(kind) => {
                call.answers = records.into_iter().zip(answers).collect();
                Err(SinkError::new(kind, "simulated: the answer was lost"))
            }
            Ending::Never(cause) => {
                let unknown = |record| (record, Answer::Unknown(cause));
                call.answers = records.into_iter().map(unknown).collect();
                std::future::pending().await
            }
        }
    }
}

/// What comes back of each record of a call that fails with one error.
fn refused(batch: &RecordBatch, kind: SinkErrorKind, cause: Cause) -> Vec<Answer> {
    let count = batch.records().len();
    let answer = match count > 1 {
        true => Answer::FailedTogether(kind, cause),
        false => Answer::Failed(kind, cause),
    };
    vec![answer; count]
}
