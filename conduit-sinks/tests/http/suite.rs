//! The conformance suite of sinks, for single records and for batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{EventId, Sink};
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::{HttpBatch, HttpClient, HttpConfig, HttpSink};
use conduit_testkit::receiver::{Answer, Received, Receiver};
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};
use serde_json::json;
use serde_json::value::RawValue;

/// In the query and in the header; the receiver echoes both.
const TOKEN: &str = "t0ken-of-the-sink";
const QUERY: &str = "api-key-of-the-sink";
/// In a header, and one that is never sent.
const KEY: &str = "header-of-the-sink";
const SIGNING: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Whether requests hold one record or an array of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Harness {
    Single,
    Batch,
}

/// The destination, and by the number of a request the record that its answer named as failed.
struct Server {
    receiver: Receiver,
    refused: Arc<Mutex<HashMap<usize, EventId>>>,
}

#[async_trait]
impl SinkHarness for Harness {
    type Guard = Server;

    async fn create(&self) -> (Server, Arc<dyn Sink>) {
        let receiver = Receiver::start().await;
        let config = HttpConfig::new(format!("{}/in?key={QUERY}", receiver.url()))
            .with_bearer_token(TOKEN)
            .with_header("x-key", KEY)
            .with_timeout(Duration::from_secs(3));
        let config = match self {
            // Not signed: without optimisation the largest record would take longer than the time-out.
            Self::Single => config,
            Self::Batch => {
                let mut batch = HttpBatch::default();
                batch.max_bytes = 2 << 20;
                config.with_signing_secret(SIGNING).with_batch(batch)
            }
        };
        let sink = HttpSink::with_client(config, HttpClient::new(EgressPolicy::Any).unwrap()).unwrap();
        let refused = Arc::default();
        (Server { receiver, refused }, Arc::new(sink))
    }

    /// What was acknowledged; of a batch but for what was named.
    async fn arrived(&self, server: &Server) -> Vec<Vec<u8>> {
        let received = server.receiver.received();
        let refused = server.refused.lock().unwrap();
        let taken = received.iter().filter(|request| request.is_acknowledged());
        match self {
            Self::Single => taken.map(|request| request.body().to_vec()).collect(),
            Self::Batch => taken
                .flat_map(|request| elements(request, refused.get(&request.number())))
                .collect(),
        }
    }

    async fn behave(&self, server: &Server, behaviour: &Behaviour) -> Result<(), &'static str> {
        let behaviour = behaviour.clone();
        let (harness, refused) = (*self, server.refused.clone());
        server.receiver.answer_with(move |request| match &behaviour {
            Behaviour::Refuse(id) if harness == Self::Batch => {
                if !holds(&String::from_utf8_lossy(request.body()), id) {
                    return Answer::Status(200);
                }
                refused.lock().unwrap().insert(request.number(), id.clone());
                let failures = json!({"batchItemFailures": [{"itemIdentifier": id.as_str()}]});
                Answer::with_body(200, failures.to_string())
            }
            Behaviour::Refuse(id) if request.header("webhook-id") == Some(id.as_str()) => Answer::Status(422),
            Behaviour::Well | Behaviour::Refuse(_) => Answer::Status(200),
            Behaviour::Down => Answer::Status(500),
            Behaviour::Hang => Answer::Hang,
            Behaviour::LoseAnswers => Answer::CloseBeforeAnswer,
            Behaviour::Slow(wait) => Answer::after(*wait, Answer::Status(200)),
            Behaviour::Throttle(wait) => Answer::with_header(429, "Retry-After", &wait.as_secs().to_string()),
            Behaviour::RefuseCredentials => {
                let sent = ["authorization", "x-key"].map(|name| request.header(name).unwrap_or_default());
                Answer::with_body(401, format!("{sent:?} is not known"))
            }
            other => panic!("a behaviour that the test does not know: {other:?}"),
        });
        Ok(())
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[TOKEN, QUERY, KEY, SIGNING]
    }
}

/// The records of a batch as they stand in it, but for the one that was named as failed.
fn elements(request: &Received, refused: Option<&EventId>) -> Vec<Vec<u8>> {
    let records: Vec<Box<RawValue>> = serde_json::from_slice(request.body()).unwrap();
    let texts = records.iter().map(|record| record.get());
    texts
        .filter(|text| !refused.is_some_and(|id| holds(text, id)))
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

fn holds(text: &str, id: &EventId) -> bool {
    text.contains(&format!(r#""eventID":"{id}""#))
}

mod single {
    conduit_testkit::sink_suite!(super::Harness::Single);
}

mod batch {
    conduit_testkit::sink_suite!(super::Harness::Batch);
}
