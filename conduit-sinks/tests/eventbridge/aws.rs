//! Calls to an emulator of AWS, to set up what the sink does not.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The region that everything is in.
pub(crate) const REGION: &str = "us-east-1";

/// An emulator that is running.
pub(crate) struct Emulator {
    address: String,
}

impl Emulator {
    /// Finds the emulator.
    pub(crate) fn find() -> Self {
        let Ok(endpoint) = std::env::var("CONDUIT_TEST_EVENTBRIDGE_ENDPOINT") else {
            panic!(
                "CONDUIT_TEST_EVENTBRIDGE_ENDPOINT is not set: run the tests with `make test`, or behind \
                 `python3 scripts/servers.py --eventbridge --`"
            );
        };
        let address = endpoint
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a call, say `AWSEvents.CreateEventBus`, which must go well.
    pub(crate) async fn call(&self, target: &str, body: &Value) -> Value {
        let (service, version) = match target.split('.').next() {
            Some("AmazonSQS") => ("sqs", "1.0"),
            _ => ("events", "1.1"),
        };
        let body = body.to_string();
        // The emulator reads service and region of it, and checks no signature.
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nx-amz-target: {target}\r\n\
             content-type: application/x-amz-json-{version}\r\ncontent-length: {}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{target}: {answer}");
        if body.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(body).unwrap()
    }
}
