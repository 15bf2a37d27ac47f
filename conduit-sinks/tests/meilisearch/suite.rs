//! The conformance suite of sinks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_sinks::meilisearch::MeilisearchConfig;
use conduit_testkit::meilisearch::{API_KEY, MeilisearchStub, When, Work};
use conduit_testkit::receiver::Answer;
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};
use serde_json::json;

use crate::server::sink;

struct Harness;

#[async_trait]
impl SinkHarness for Harness {
    type Guard = MeilisearchStub;

    async fn create(&self) -> (MeilisearchStub, Arc<dyn Sink>) {
        let stub = MeilisearchStub::start().await;
        let config = MeilisearchConfig::new(stub.url(), "orders")
            .with_bearer_token(API_KEY)
            .with_timeout(Duration::from_millis(1500));
        (stub, Arc::new(sink(config)))
    }

    /// The documents that were put, as records of which no more than the event id is known: the suite numbers both.
    async fn arrived(&self, stub: &MeilisearchStub) -> Vec<Vec<u8>> {
        let succeeded = stub.tasks().into_iter().filter(|task| task.end == Some(Ok(())));
        let puts = succeeded.filter_map(|task| match task.work {
            Work::Put { documents, .. } => Some(documents),
            _ => None,
        });
        let records = puts
            .flatten()
            .map(|document| json!({ "eventID": format!("event-{}", document["n"]) }));
        records.map(|record| record.to_string().into_bytes()).collect()
    }

    async fn behave(&self, stub: &MeilisearchStub, behaviour: &Behaviour) -> Result<(), &'static str> {
        stub.recover();
        match behaviour.clone() {
            Behaviour::Well => {}
            Behaviour::Refuse(id) => stub.refuse(move |document| {
                let is_meant = id.as_str() == format!("event-{}", document["n"]);
                is_meant.then_some(("invalid_document_fields", "invalid_request"))
            }),
            Behaviour::Down => stub.spoil(|_| Some((When::Before, Answer::Status(500)))),
            Behaviour::Hang => stub.spoil(|_| Some((When::Before, Answer::Hang))),
            Behaviour::LoseAnswers => stub.spoil(|request| {
                let is_write = request.method() != "GET";
                is_write.then_some((When::After, Answer::CloseBeforeAnswer))
            }),
            Behaviour::Slow(wait) => stub.set_delay(wait),
            Behaviour::Throttle(wait) => {
                let seconds = wait.as_secs().to_string();
                stub.spoil(move |_| Some((When::Before, Answer::with_header(429, "Retry-After", &seconds))));
            }
            Behaviour::RefuseCredentials => stub.spoil(|request| {
                let sent = request.header("authorization").unwrap_or_default();
                Some((
                    When::Before,
                    Answer::with_body(403, format!("{sent} is not known")),
                ))
            }),
            other => panic!("a behaviour that the test does not know: {other:?}"),
        }
        Ok(())
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[API_KEY]
    }

    fn skips(&self) -> &'static [(&'static str, &'static str)] {
        const OTHER: &str = "the index keeps documents, not records";
        &[
            ("records_without_images_arrive_byte_for_byte", OTHER),
            ("text_of_every_kind_arrives_byte_for_byte", OTHER),
            ("numbers_of_every_size_arrive_byte_for_byte", OTHER),
            ("a_record_of_a_mebibyte_arrives_byte_for_byte", OTHER),
            ("a_record_at_the_limit_arrives_whole", OTHER),
            ("a_record_over_the_limit_is_refused_or_arrives_whole", OTHER),
        ]
    }
}

conduit_testkit::sink_suite!(Harness);
