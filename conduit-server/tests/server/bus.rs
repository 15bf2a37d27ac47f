//! A bus of an emulator of EventBridge, and a queue that all of its events arrive in.

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::PATIENCE;

/// The region that everything is in.
pub(crate) const REGION: &str = "us-east-1";

/// What a server's environment needs to call the emulator, which takes any credentials.
pub(crate) const CREDENTIALS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

/// A bus by name, which is there once it is [made](Self::make).
pub(crate) struct Bus {
    name: String,
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Bus {
    /// Names a bus of one test, and finds the emulator.
    pub(crate) fn of(test: &str) -> Self {
        let Ok(endpoint) = std::env::var("CONDUIT_TEST_EVENTBRIDGE_ENDPOINT") else {
            panic!(
                "CONDUIT_TEST_EVENTBRIDGE_ENDPOINT is not set: run the tests with `make test`, or behind \
                 `python3 scripts/servers.py --`"
            );
        };
        Self {
            // Of this process, should the emulator live longer than it.
            name: format!("{test}-{}", std::process::id()),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            // Without idle connections: a call is made once, for what a lost answer of the queue held is lost.
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build_http(),
        }
    }

    /// Makes the bus, and the queue that a rule hands every event of Conduit's to: its `detail-type` and `detail`.
    pub(crate) async fn make(&self) -> Queue<'_> {
        let name = &self.name;
        self.call("AWSEvents.CreateEventBus", &json!({"Name": name}))
            .await;
        let made = self
            .call("AmazonSQS.CreateQueue", &json!({"QueueName": name}))
            .await;
        let pattern = json!({"source": ["conduit-mongodb"]}).to_string();
        let rule = json!({"Name": "all", "EventBusName": name, "EventPattern": pattern});
        self.call("AWSEvents.PutRule", &rule).await;
        // The emulator takes milliseconds for every path; the whole event, which has eight, is the sink's own tests' affair.
        let transformer = json!({
            "InputPathsMap": {"type": "$.detail-type", "detail": "$.detail"},
            "InputTemplate": r#"{"detail-type": "<type>", "detail": <detail>, "time": 0}"#,
        });
        let arn = format!("arn:aws:sqs:{REGION}:123456789012:{name}");
        let target = json!({"Id": "queue", "Arn": arn, "InputTransformer": transformer});
        let targets = json!({"Rule": "all", "EventBusName": name, "Targets": [target]});
        self.call("AWSEvents.PutTargets", &targets).await;
        Queue {
            url: made["QueueUrl"].as_str().unwrap().to_owned(),
            bus: self,
            events: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A destination called `bus` that sends here.
    pub(crate) fn destination(&self) -> Value {
        json!({
            "id": "bus", "type": "eventbridge",
            "event_bus_name": self.name, "region": REGION, "endpoint": self.endpoint,
        })
    }

    /// Makes a call, say `AWSEvents.CreateEventBus`, which must go well.
    async fn call(&self, target: &str, body: &Value) -> Value {
        let (service, version) = match target.split('.').next() {
            Some("AmazonSQS") => ("sqs", "1.0"),
            _ => ("events", "1.1"),
        };
        // The emulator reads service and region of it, and checks no signature.
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, \
             Signature=0"
        );
        let request = Request::post(format!("{}/", self.endpoint))
            .header("x-amz-target", target)
            .header("content-type", format!("application/x-amz-json-{version}"))
            .header("authorization", signed)
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status();
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, StatusCode::OK, "{target}: {answer:?}");
        serde_json::from_slice(&answer).unwrap_or_default()
    }
}

/// The queue behind a bus, and what was read out of it, in the order in which it arrived.
pub(crate) struct Queue<'a> {
    bus: &'a Bus,
    url: String,
    events: Vec<Value>,
}

impl Queue<'_> {
    /// The events that were read.
    pub(crate) fn events(&self) -> &[Value] {
        &self.events
    }

    /// Reads until what was read is as wanted.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&[Value]) -> bool) {
        let mut last = Instant::now();
        while !wanted(&self.events) {
            if self.read_some(1).await {
                last = Instant::now();
            }
            let read = self.events.len();
            assert!(last.elapsed() < PATIENCE, "nothing came after {read} events");
        }
    }

    /// Reads what is there.
    pub(crate) async fn read(&mut self) {
        while self.read_some(0).await {}
    }

    /// Reads up to ten events, and waits so long for the first. Returns whether there were any.
    ///
    /// They stay in the queue, hidden: the emulator loses what arrives while it deletes.
    async fn read_some(&mut self, wait_seconds: u32) -> bool {
        let receive = json!({
            "QueueUrl": self.url, "MaxNumberOfMessages": 10,
            "VisibilityTimeout": 7200, "WaitTimeSeconds": wait_seconds,
        });
        let answer = self.bus.call("AmazonSQS.ReceiveMessage", &receive).await;
        let messages = answer["Messages"].as_array().map_or(&[][..], Vec::as_slice);
        for message in messages {
            let body = message["Body"].as_str().unwrap();
            self.events.push(serde_json::from_str(body).unwrap());
        }
        !messages.is_empty()
    }
}
