//! Sinks that break the contract, each in one way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    Delivery, EventId, Record, RecordBatch, RecordParts, SameKey, Sink, SinkError, SinkLimits, Tested,
};
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};

use crate::recording::Destination;

/// What is wrong with a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    TurnsBatchesRound,
    SendsTheFirstFiveOnly,
    SendsEverySecondCallLater,
    LosesWhatComesBesideAnotherCall,
    AnswersBeforeItSends,
    SendsTwice,
    CallsALostAnswerSuccess,
    TakesWhatItBeganForDone,
    StopsAfterADroppedCall,
    GivesUpOnSlowDestinations,
    NamesTheNextRecord,
    FailsTheWholeCall,
    BlamesTheRecord,
    BlamesTheDestination,
    ForgetsHowLongToWait,
    StaysDown,
    TellsContents,
    TellsTheToken,
    WritesOnSeveralLines,
    WritesNumbersAnew,
    EscapesText,
    AddsANullImage,
    CutsLargeRecords,
    SendsAPartOfWhatIsTooLarge,
    AllowsNoCall,
    ChangesItsLimits,
    ChangesItsEndpoint,
    ShowsASecretEndpoint,
    PassesEveryTest,
}

pub(crate) const TOKEN: &str = "t0ken-of-the-sink";

#[derive(Debug)]
pub(crate) struct Flawed {
    sink: Arc<dyn Sink>,
    flaw: Flaw,
    limits_asked: AtomicUsize,
    in_flight: AtomicUsize,
    is_broken: Mutex<bool>,
    begun: Mutex<Vec<EventId>>,
    kept_back: Mutex<Vec<Arc<Record>>>,
}

#[async_trait]
impl Sink for Flawed {
    fn limits(&self) -> SinkLimits {
        let asked = self.limits_asked.fetch_add(1, Ordering::SeqCst);
        let limits = self.sink.limits();
        match self.flaw {
            Flaw::AllowsNoCall => SinkLimits {
                concurrency: 0,
                ..limits
            },
            Flaw::ChangesItsLimits => SinkLimits {
                max_bytes: limits.max_bytes + asked,
                ..limits
            },
            Flaw::NamesTheNextRecord => SinkLimits {
                same_key: SameKey::OncePerCall,
                ..limits
            },
            _ => limits,
        }
    }

    fn endpoint(&self) -> Option<String> {
        let asked = self.limits_asked.fetch_add(1, Ordering::SeqCst);
        match self.flaw {
            Flaw::ChangesItsEndpoint => Some(format!("server-{asked}")),
            Flaw::ShowsASecretEndpoint => Some(format!("http://{TOKEN}@server")),
            _ => None,
        }
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let mut records = batch.records().to_vec();
        match self.flaw {
            Flaw::TurnsBatchesRound => records.reverse(),
            Flaw::SendsTheFirstFiveOnly => records.truncate(5),
            Flaw::SendsEverySecondCallLater | Flaw::AnswersBeforeItSends => {
                let mut kept_back = self.kept_back.lock().unwrap();
                let is_turn = self.flaw == Flaw::AnswersBeforeItSends || kept_back.is_empty();
                let before = std::mem::take(&mut *kept_back);
                if is_turn {
                    *kept_back = std::mem::replace(&mut records, before);
                } else {
                    records.extend(before);
                }
            }
            Flaw::SendsTwice => records.extend_from_within(..),
            Flaw::TakesWhatItBeganForDone => {
                let mut begun = self.begun.lock().unwrap();
                records.retain(|record| !begun.contains(record.event_id()));
                begun.extend(records.iter().map(|record| record.event_id().clone()));
            }
            Flaw::WritesNumbersAnew | Flaw::EscapesText | Flaw::AddsANullImage | Flaw::CutsLargeRecords => {
                records = records.iter().map(|record| self.rewritten(record)).collect();
            }
            Flaw::SendsAPartOfWhatIsTooLarge if records[0].size() > self.sink.limits().max_bytes => {
                let cut = record_with(&records[0], Some(b"{}"));
                self.sink.deliver(&RecordBatch::new(vec![cut])).await?;
                return Err(SinkError::undeliverable("too large"));
            }
            _ => {}
        }
        self.send(batch, records).await
    }

    async fn test(&self, record: Arc<Record>) -> Result<Tested, SinkError> {
        if self.flaw == Flaw::PassesEveryTest {
            return Ok(Tested::default());
        }
        self.deliver(&RecordBatch::new(vec![record]))
            .await?
            .into_tested(None)
    }
}

impl Flawed {
    async fn send(&self, batch: &RecordBatch, records: Vec<Arc<Record>>) -> Result<Delivery, SinkError> {
        let beside = self.in_flight.fetch_add(1, Ordering::SeqCst);
        // Lets others in, and makes a call that can be dropped midway.
        tokio::task::yield_now().await;
        if records.is_empty() || (self.flaw == Flaw::LosesWhatComesBesideAnotherCall && beside > 0) {
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            return Ok(Delivery::complete());
        }
        if self.flaw == Flaw::StopsAfterADroppedCall && beside > 0 {
            return Err(SinkError::unavailable("a call is in hand"));
        }
        let sent = RecordBatch::new(records);
        let answer = match self.flaw {
            Flaw::GivesUpOnSlowDestinations | Flaw::CallsALostAnswerSuccess => {
                let patience = Duration::from_millis(10);
                let answer = tokio::time::timeout(patience, self.sink.deliver(&sent)).await;
                answer.unwrap_or_else(|_| Err(SinkError::timeout("no answer")))
            }
            _ => self.sink.deliver(&sent).await,
        };
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.answer(batch, answer)
    }

    /// The answer as this sink gives it.
    fn answer(
        &self,
        batch: &RecordBatch,
        answer: Result<Delivery, SinkError>,
    ) -> Result<Delivery, SinkError> {
        let contents = || String::from_utf8_lossy(batch.records()[0].keys()).into_owned();
        let reworded = |error: SinkError| match self.flaw {
            Flaw::BlamesTheRecord => SinkError::rejected("no"),
            Flaw::BlamesTheDestination => SinkError::unavailable("no"),
            Flaw::ForgetsHowLongToWait => SinkError::throttled("slower", None),
            Flaw::TellsContents => SinkError::new(error.kind(), format!("cannot send {}", contents())),
            Flaw::TellsTheToken => SinkError::new(error.kind(), "no").with_source(TOKEN),
            Flaw::WritesOnSeveralLines => SinkError::new(error.kind(), "no\nreally"),
            _ => error,
        };
        match answer {
            Err(_) if self.flaw == Flaw::CallsALostAnswerSuccess => Ok(Delivery::complete()),
            Err(error) => Err(reworded(error)),
            Ok(_) if *self.is_broken.lock().unwrap() => Err(SinkError::unavailable("down")),
            Ok(delivery) => {
                let mut failed = Vec::new();
                for (index, error) in delivery.failed {
                    *self.is_broken.lock().unwrap() |= self.flaw == Flaw::StaysDown;
                    match self.flaw {
                        Flaw::FailsTheWholeCall => return Err(error),
                        Flaw::NamesTheNextRecord => failed.push((index + 1, error)),
                        _ => failed.push((index, reworded(error))),
                    }
                }
                Ok(Delivery { failed })
            }
        }
    }

    fn rewritten(&self, record: &Arc<Record>) -> Arc<Record> {
        let image = record
            .new_image()
            .map(|image| String::from_utf8(image.to_vec()).unwrap());
        let image = match (self.flaw, image) {
            (Flaw::AddsANullImage, None) => Some("null".to_owned()),
            (Flaw::WritesNumbersAnew, Some(image)) => Some(image.replace("1e300", "1.0e300")),
            (Flaw::EscapesText, Some(image)) => Some(image.replace('控', "\\u63a7")),
            (Flaw::CutsLargeRecords, Some(image)) if record.size() > 1 << 19 => {
                Some(image.replace("xxx", "x"))
            }
            (_, image) => image,
        };
        record_with(record, image.as_deref().map(str::as_bytes))
    }
}

fn record_with(record: &Record, new_image: Option<&[u8]>) -> Arc<Record> {
    Arc::new(Record::new(RecordParts {
        event_id: record.event_id().clone(),
        collection: record.collection().clone(),
        record_type: record.record_type(),
        key: record.key(),
        keys: record.keys(),
        new_image,
        old_image: record.old_image().map(AsRef::as_ref),
        timestamp: record.timestamp(),
        time: record.time(),
        sequence: record.sequence().clone(),
    }))
}

/// Makes sinks with one flaw.
pub(crate) struct Harness(pub(crate) Flaw);

#[async_trait]
impl SinkHarness for Harness {
    type Guard = Destination;

    async fn create(&self) -> (Destination, Arc<dyn Sink>) {
        let destination = Destination::new();
        let sink = Flawed {
            sink: Arc::new(destination.sink.clone()),
            flaw: self.0,
            limits_asked: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            is_broken: Mutex::default(),
            begun: Mutex::default(),
            kept_back: Mutex::default(),
        };
        (destination, Arc::new(sink))
    }

    async fn arrived(&self, guard: &Destination) -> Vec<Vec<u8>> {
        guard.arrived()
    }

    async fn behave(&self, guard: &Destination, behaviour: &Behaviour) -> Result<(), &'static str> {
        guard.behave(behaviour);
        Ok(())
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[TOKEN]
    }
}
