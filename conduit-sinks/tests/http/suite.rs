//! The conformance suite of sinks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::{HttpClient, HttpConfig, HttpSink};
use conduit_testkit::receiver::{Answer, Receiver};
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};

/// In the query and in the header; the receiver echoes both.
const TOKEN: &str = "t0ken-of-the-sink";
const QUERY: &str = "api-key-of-the-sink";

struct Harness;

#[async_trait]
impl SinkHarness for Harness {
    type Guard = Receiver;

    async fn create(&self) -> (Receiver, Arc<dyn Sink>) {
        let receiver = Receiver::start().await;
        let config = HttpConfig::new(format!("{}/in?key={QUERY}", receiver.url()))
            .with_bearer_token(TOKEN)
            .with_timeout(Duration::from_secs(1));
        let sink = HttpSink::with_client(config, HttpClient::new(EgressPolicy::Any).unwrap()).unwrap();
        (receiver, Arc::new(sink))
    }

    /// What was acknowledged.
    async fn arrived(&self, receiver: &Receiver) -> Vec<Vec<u8>> {
        let received = receiver.received();
        let taken = received.iter().filter(|request| request.is_acknowledged());
        taken.map(|request| request.body().to_vec()).collect()
    }

    async fn behave(&self, receiver: &Receiver, behaviour: &Behaviour) -> Result<(), &'static str> {
        let behaviour = behaviour.clone();
        receiver.answer_with(move |request| match &behaviour {
            Behaviour::Refuse(id) if request.header("webhook-id") == Some(id.as_str()) => Answer::Status(422),
            Behaviour::Well | Behaviour::Refuse(_) => Answer::Status(200),
            Behaviour::Down => Answer::Status(500),
            Behaviour::Hang => Answer::Hang,
            Behaviour::LoseAnswers => Answer::CloseBeforeAnswer,
            Behaviour::Slow(wait) => Answer::after(*wait, Answer::Status(200)),
            Behaviour::Throttle(wait) => Answer::with_header(429, "Retry-After", &wait.as_secs().to_string()),
            Behaviour::RefuseCredentials => {
                let sent = request.header("authorization").unwrap_or_default();
                Answer::with_body(401, format!("{sent} is not known"))
            }
            other => panic!("a behaviour that the test does not know: {other:?}"),
        });
        Ok(())
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[TOKEN, QUERY]
    }
}

conduit_testkit::sink_suite!(Harness);
