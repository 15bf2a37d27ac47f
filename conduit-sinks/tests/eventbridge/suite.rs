//! The conformance suite of sinks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_testkit::receiver::Answer;
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};

use crate::stub::{Describes, Puts, Stub, refusal};
use crate::{SECRET_KEY, TOKEN, config, sink_of};

struct Harness;

#[async_trait]
impl SinkHarness for Harness {
    type Guard = Stub;

    async fn create(&self) -> (Stub, Arc<dyn Sink>) {
        let stub = Stub::start().await;
        let sink = sink_of(config(&stub.url()).with_timeout(Duration::from_secs(1)));
        (stub, Arc::new(sink))
    }

    /// The details of the events that were accepted.
    async fn arrived(&self, stub: &Stub) -> Vec<Vec<u8>> {
        let detail = |entry: serde_json::Value| entry["Detail"].as_str().unwrap().as_bytes().to_vec();
        stub.accepted().into_iter().map(detail).collect()
    }

    async fn behave(&self, stub: &Stub, behaviour: &Behaviour) -> Result<(), &'static str> {
        stub.describe(Describes::Exists);
        stub.put(match behaviour {
            Behaviour::Well => Puts::Accept,
            Behaviour::Refuse(id) => Puts::RefuseRecord(id.to_string()),
            Behaviour::Down => Puts::Whole(refusal(500, "InternalFailure", "")),
            Behaviour::Hang => {
                stub.describe(Describes::With(Answer::Hang));
                Puts::Whole(Answer::Hang)
            }
            Behaviour::LoseAnswers => Puts::Lie(Answer::CloseBeforeAnswer),
            Behaviour::Slow(wait) => Puts::Slow(*wait),
            Behaviour::Throttle(wait) => Puts::Whole(Answer::with_header(
                429,
                "Retry-After",
                &wait.as_secs().to_string(),
            )),
            Behaviour::RefuseCredentials => {
                let message = format!("the security token {TOKEN} is not valid");
                let answer = refusal(403, "UnrecognizedClientException", &message);
                stub.describe(Describes::With(answer.clone()));
                Puts::Whole(answer)
            }
            other => panic!("a behaviour that the test does not know: {other:?}"),
        });
        Ok(())
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[SECRET_KEY, TOKEN]
    }

    fn skips(&self) -> &'static [(&'static str, &'static str)] {
        const REASON: &str = "the bus counts the collection's name as well, which the limits cannot know; \
            entries.rs checks the very byte";
        &[
            ("a_record_at_the_limit_arrives_whole", REASON),
            ("a_record_of_a_mebibyte_arrives_byte_for_byte", REASON),
        ]
    }
}

conduit_testkit::sink_suite!(Harness);
