//! Signatures, as receivers verify them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use conduit_core::{RecordBatch, Sink};
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::format::PayloadFormat;
use conduit_sinks::http::{HttpBatch, HttpClient, HttpConfig, HttpSink};
use conduit_testkit::receiver::{Received, Receiver};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::json;
use standardwebhooks::Webhook;

use crate::record;

const FIRST: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const SECOND: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_dGhpcyBpcyBub3QgdGhlIHJpZ2h0IHNlY3JldA==";

/// Delivers with the machine's own clock, since verifiers refuse what is older than five minutes.
async fn signed(secrets: &[&str], set: impl FnOnce(HttpConfig) -> HttpConfig) -> Arc<Received> {
    let receiver = Receiver::start().await;
    let mut config = set(HttpConfig::new(receiver.url()));
    for secret in secrets {
        config = config.with_signing_secret(*secret);
    }
    let batch = match &config.batch {
        None => vec![record(1)],
        Some(_) => vec![record(1), record(2)],
    };
    let client = HttpClient::new(EgressPolicy::Any).unwrap();
    let sink = HttpSink::with_client(config, client).unwrap();
    let delivery = sink.deliver(&RecordBatch::new(batch)).await.unwrap();
    assert!(delivery.failed.is_empty());
    receiver.received()[0].clone()
}

fn headers(request: &Received) -> HeaderMap {
    let pairs = request.header_names().into_iter().map(|name| {
        let value = request.header(name).unwrap();
        (
            HeaderName::try_from(name).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    });
    pairs.collect()
}

fn is_verified(secret: &str, request: &Received) -> bool {
    let webhook = Webhook::new(secret).unwrap();
    webhook.verify(request.body(), &headers(request)).is_ok()
}

/// Asks the library that receivers in Python use.
fn is_verified_in_python(secret: &str, request: &Received) -> bool {
    const PROGRAM: &str = "
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
given = json.load(sys.stdin)
try:
    Webhook(given['secret']).verify(given['body'], given['headers'])
    print('yes')
except WebhookVerificationError as error:
    print('no:', error)
";
    let given = json!({
        "secret": secret,
        "body": std::str::from_utf8(request.body()).unwrap(),
        "headers": request
            .header_names()
            .into_iter()
            .map(|name| (name, request.header(name).unwrap()))
            .collect::<std::collections::BTreeMap<_, _>>(),
    });
    let mut python = Command::new("python3")
        .args(["-c", PROGRAM])
        .env("PYTHONPATH", python_library())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(python.stdin.take().unwrap(), &given).unwrap();
    let output = python.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && !said.is_empty(),
        "Python said {said:?}"
    );
    said.trim() == "yes"
}

/// The library's wheel, which Python imports as it is; fetched if it is not here yet.
fn python_library() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/wheels.py");
    let output = Command::new("python3")
        .arg(script)
        .arg("standardwebhooks")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "scripts/wheels.py found no standardwebhooks"
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_signature_is_verified_by_the_public_libraries() {
    let request = signed(&[FIRST], |config| config).await;
    assert!(is_verified(FIRST, &request));
    assert!(is_verified_in_python(FIRST, &request));
    assert!(!is_verified(OTHER, &request));
    assert!(!is_verified_in_python(OTHER, &request));
    let signature = request.header("webhook-signature").unwrap();
    assert!(
        signature.starts_with("v1,") && !signature.contains(' '),
        "{signature}"
    );
}

#[tokio::test]
async fn of_two_secrets_each_verifies_alone() {
    let request = signed(&[FIRST, SECOND], |config| config).await;
    for secret in [FIRST, SECOND] {
        assert!(is_verified(secret, &request));
        assert!(is_verified_in_python(secret, &request));
    }
    assert!(!is_verified(OTHER, &request));
    let signature = request.header("webhook-signature").unwrap();
    assert_eq!(signature.split(' ').count(), 2, "{signature}");
}

#[tokio::test]
async fn a_secret_without_its_prefix_is_the_same() {
    let request = signed(&[FIRST.trim_start_matches("whsec_")], |config| config).await;
    assert!(is_verified(FIRST, &request));
}

#[tokio::test]
async fn batches_and_cloud_events_are_signed_as_they_are_sent() {
    for format in [PayloadFormat::Conduit, PayloadFormat::CloudEvents] {
        for is_batch in [false, true] {
            let request = signed(&[FIRST], |config| {
                let config = config.with_format(format);
                if is_batch {
                    config.with_batch(HttpBatch::default())
                } else {
                    config
                }
            })
            .await;
            assert!(is_verified(FIRST, &request), "{format} {is_batch}");
            assert!(is_verified_in_python(FIRST, &request), "{format} {is_batch}");
        }
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let request = signed(&[], |config| config).await;
    assert_eq!(request.header("webhook-signature"), None);
}
