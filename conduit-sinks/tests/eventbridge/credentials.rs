//! Where credentials come from, and what it says when there are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use conduit_core::SinkErrorKind;
use conduit_sinks::eventbridge::{
    Credentials, EventBridgeClient, EventBridgeSink, SharedCredentialsProvider,
};
use conduit_testkit::receiver::{Answer, Receiver};

use crate::stub::Stub;
use crate::{ACCESS_KEY, SECRET_KEY, TOKEN, client, config, deliver, failure, records, sink};

const ROLE: &str = "arn:aws:iam::123456789012:role/conduit";
const ASSUMED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/conduit/conduit</Arn>\
    <AssumedRoleId>AROA:conduit</AssumedRoleId></AssumedRoleUser><Credentials>\
    <AccessKeyId>ASIAOFTHEROLE</AccessKeyId><SecretAccessKey>x</SecretAccessKey>\
    <SessionToken>token-of-the-role</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>\
    </AssumeRoleResult></AssumeRoleResponse>";
const REFUSED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
    <Type>Sender</Type><Code>AccessDenied</Code>\
    <Message>User: x is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";

/// Has credentials only while it is told to.
#[derive(Debug, Default)]
struct Provider {
    has_any: Arc<AtomicBool>,
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(if self.has_any.load(Ordering::SeqCst) {
            Ok(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "the test"))
        } else {
            Err(CredentialsError::not_loaded("nobody has logged in"))
        })
    }
}

#[tokio::test]
async fn without_credentials_a_delivery_is_unauthorized_until_there_are_some() {
    let stub = Stub::start().await;
    let provider = Provider::default();
    let has_any = provider.has_any.clone();
    let client = EventBridgeClient::new().with_credentials(SharedCredentialsProvider::new(provider));
    let sink = EventBridgeSink::with_client(config(&stub.url()), client).unwrap();
    let error = failure(&sink, 1).await;
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized);
    let report = error.report();
    assert!(
        report.starts_with(&format!(
            "no credentials for EventBridge at {}/orders: ",
            stub.url()
        )),
        "{report}"
    );
    assert!(report.contains("nobody has logged in"), "{report}");
    assert!(stub.receiver.received().is_empty());
    has_any.store(true, Ordering::SeqCst);
    deliver(&sink, records(1..2)).await.unwrap();
}

#[tokio::test]
async fn a_role_is_assumed_with_the_credentials_and_calls_are_made_as_it() {
    let (stub, sts) = (Stub::start().await, Receiver::start().await);
    sts.answer_with(|_| Answer::with_body(200, ASSUMED));
    let config = config(&stub.url()).with_role_arn(ROLE);
    let sink = EventBridgeSink::with_client(config, client().with_sts_endpoint(sts.url())).unwrap();
    for number in 0..3 {
        deliver(&sink, records(number..number + 1)).await.unwrap();
    }
    let asked = sts.received();
    assert_eq!(asked.len(), 1, "the role's credentials are kept");
    let form = String::from_utf8_lossy(asked[0].body()).into_owned();
    for part in [
        "Action=AssumeRole",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fconduit",
        "RoleSessionName=conduit",
    ] {
        assert!(form.contains(part), "{form}");
    }
    assert_eq!(asked[0].header("x-amz-security-token"), Some(TOKEN));
    for request in stub.receiver.received() {
        let signed = request.header("authorization").unwrap();
        assert!(signed.contains("Credential=ASIAOFTHEROLE/"), "{signed}");
        assert_eq!(request.header("x-amz-security-token"), Some("token-of-the-role"));
    }
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_unauthorized() {
    let (stub, sts) = (Stub::start().await, Receiver::start().await);
    sts.answer_with(|_| Answer::with_body(403, REFUSED));
    let config = config(&stub.url()).with_role_arn(ROLE);
    let sink = EventBridgeSink::with_client(config, client().with_sts_endpoint(sts.url())).unwrap();
    let error = failure(&sink, 1).await;
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized);
    assert_eq!(
        error.report(),
        format!(
            "no credentials for EventBridge at {}/orders: AccessDenied: User: x is not authorized to perform: \
             sts:AssumeRole",
            stub.url()
        )
    );
    assert!(stub.receiver.received().is_empty());
}

#[tokio::test]
async fn credentials_are_in_no_debug_form() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    deliver(&sink, records(0..1)).await.unwrap();
    let shown = format!("{sink:?} {:?}", client());
    assert!(!shown.contains(SECRET_KEY) && !shown.contains(TOKEN), "{shown}");
}
