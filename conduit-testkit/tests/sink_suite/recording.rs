//! The recording sink as a destination of the suite.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Record, SameKey, Sink, SinkError, SinkErrorKind, SinkLimits};
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};
use conduit_testkit::{Answer, RecordingSink};

pub(crate) struct Recording;

/// A recording sink that behaves as it is told.
pub(crate) struct Destination {
    behaviour: Arc<Mutex<Behaviour>>,
    pub(crate) sink: RecordingSink,
}

impl Destination {
    pub(crate) fn new() -> Self {
        let behaviour = Arc::new(Mutex::new(Behaviour::Well));
        let limits = SinkLimits {
            max_records: 8,
            max_bytes: 1 << 20,
            concurrency: 4,
            same_key: SameKey::InOrder,
            timeout: Duration::from_millis(500),
            linger: std::time::Duration::ZERO,
        };
        let asked = behaviour.clone();
        let sink =
            RecordingSink::with_limits(limits, move |record, _| answer(&asked.lock().unwrap(), record));
        Self { behaviour, sink }
    }

    pub(crate) fn behave(&self, behaviour: &Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour.clone();
    }

    pub(crate) fn arrived(&self) -> Vec<Vec<u8>> {
        let arrived = self.sink.arrived();
        let accepted = arrived.iter().filter(|arrived| arrived.accepted);
        accepted.map(|arrived| arrived.record.json().to_vec()).collect()
    }
}

fn answer(behaviour: &Behaviour, record: &Record) -> Answer {
    match behaviour {
        Behaviour::Refuse(id) if id == record.event_id() => Answer::Fail(SinkError::rejected("refused")),
        Behaviour::Well | Behaviour::Refuse(_) => Answer::Accept,
        Behaviour::Down => Answer::Fail(SinkError::unavailable("down")),
        Behaviour::Hang => Answer::Hang,
        Behaviour::LoseAnswers => Answer::AcceptThenLose,
        Behaviour::Slow(wait) => Answer::Slow(*wait),
        Behaviour::Throttle(wait) => Answer::Fail(SinkError::throttled("slower", Some(*wait))),
        Behaviour::RefuseCredentials => {
            Answer::Fail(SinkError::new(SinkErrorKind::Unauthorized, "not accepted"))
        }
        other => panic!("a behaviour that the test does not know: {other:?}"),
    }
}

#[async_trait]
impl SinkHarness for Recording {
    type Guard = Destination;

    async fn create(&self) -> (Destination, Arc<dyn Sink>) {
        let destination = Destination::new();
        let sink = destination.sink.clone();
        (destination, Arc::new(sink))
    }

    async fn arrived(&self, guard: &Destination) -> Vec<Vec<u8>> {
        guard.arrived()
    }

    async fn behave(&self, guard: &Destination, behaviour: &Behaviour) -> Result<(), &'static str> {
        guard.behave(behaviour);
        Ok(())
    }
}
