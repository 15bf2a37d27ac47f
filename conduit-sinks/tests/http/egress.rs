//! Where connections are made to, and where not.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use conduit_core::{SinkError, SinkErrorKind};
use conduit_sinks::egress::{EgressGuard, EgressPolicy, Resolver};
use conduit_sinks::http::{HttpClient, HttpConfig, HttpSink};
use conduit_testkit::receiver::{Answer, Receiver};

use crate::deliver;

/// Answers with one list of addresses after the other; the last one for ever.
#[derive(Debug)]
struct Script {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Script {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parsed = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parsed).collect()),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolver for Script {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        match answers.len() {
            1 => Ok(answers[0].clone()),
            _ => Ok(answers.pop_front().unwrap()),
        }
    }
}

fn sink_to(url: String, guard: EgressGuard) -> HttpSink {
    HttpSink::with_client(HttpConfig::new(url), HttpClient::with_guard(guard).unwrap()).unwrap()
}

async fn refusal(url: String, policy: EgressPolicy) -> SinkError {
    let sink = sink_to(url, EgressGuard::new(policy));
    deliver(&sink, 1).await.unwrap_err()
}

/// The name was public when it was looked at, and is loopback when the connection is made.
#[tokio::test]
async fn a_name_that_turns_to_loopback_after_it_was_checked_gets_no_request() {
    let receiver = Receiver::start().await;
    let script = Script::new(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let guard = EgressGuard::new(EgressPolicy::Public).with_resolver(script.clone());
    assert!(guard.resolve("turning.example").await.is_ok());
    let url = format!("http://turning.example:{}/in", receiver.address().port());
    let error = deliver(&sink_to(url.clone(), guard), 1).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error:?}");
    assert_eq!(
        error.report(),
        format!(
            "nothing may be sent to {url}: turning.example has a private, loopback or reserved address, \
             and only public ones are allowed"
        )
    );
    assert_eq!(script.asked(), 2);
    assert!(receiver.received().is_empty());
}

/// What was checked is connected to: the name is asked for once a connection, and not for one that is used again.
#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_checked() {
    let receiver = Receiver::start().await;
    let script = Script::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let guard = EgressGuard::new(EgressPolicy::Any).with_resolver(script.clone());
    let sink = sink_to(
        format!("http://pinned.example:{}/", receiver.address().port()),
        guard,
    );
    deliver(&sink, 1).await.unwrap();
    deliver(&sink, 2).await.unwrap();
    assert_eq!(script.asked(), 1);
    receiver.close_connections().await;
    // Whether the client has noticed by now or not, the next connection is refused, and a kept one is closed.
    let error = deliver(&sink, 3).await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            SinkErrorKind::Unauthorized | SinkErrorKind::Unavailable
        ),
        "{error:?}"
    );
    assert_eq!(
        deliver(&sink, 4).await.unwrap_err().kind(),
        SinkErrorKind::Unauthorized
    );
    assert_eq!(receiver.received().len(), 2);
    let host = format!("pinned.example:{}", receiver.address().port());
    assert_eq!(receiver.received()[0].header("host"), Some(&*host));
}

#[tokio::test]
async fn a_name_with_one_address_that_is_refused_gets_no_request_at_the_others() {
    let receiver = Receiver::start().await;
    let script = Script::new(&[&["127.0.0.1", "169.254.169.254"]]);
    let guard = EgressGuard::new(EgressPolicy::Any).with_resolver(script);
    let sink = sink_to(
        format!("http://mixed.example:{}/", receiver.address().port()),
        guard,
    );
    let error = deliver(&sink, 1).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn loopback_is_refused_in_every_spelling_where_only_public_addresses_are_allowed() {
    let receiver = Receiver::start().await;
    let port = receiver.address().port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "localhost",
        "localhost.",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
    ] {
        let error = refusal(format!("http://{host}:{port}/"), EgressPolicy::Public).await;
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{host}: {error:?}");
    }
    assert!(receiver.received().is_empty());
    // They do lead there.
    for host in ["127.1", "0.0.0.0", "[::ffff:127.0.0.1]"] {
        let sink = sink_to(
            format!("http://{host}:{port}/"),
            EgressGuard::new(EgressPolicy::Any),
        );
        deliver(&sink, 1).await.unwrap();
    }
    assert_eq!(receiver.received().len(), 3);
}

#[tokio::test]
async fn metadata_services_are_refused_by_every_policy_also_over_tls() {
    for policy in [EgressPolicy::Any, EgressPolicy::Public] {
        for url in [
            "http://169.254.169.254/latest/meta-data/",
            "https://169.254.169.254/",
            "http://2852039166/",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://metadata.google.internal/computeMetadata/v1/",
        ] {
            let error = refusal(url.to_owned(), policy).await;
            assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{url}: {error:?}");
            assert!(error.message().ends_with("which is always refused"), "{error}");
        }
    }
}

/// A redirect is no way round: it is not followed, wherever it leads.
#[tokio::test]
async fn a_redirect_to_another_server_is_not_followed() {
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let sink = sink_to(first.url(), EgressGuard::new(EgressPolicy::Any));
    for status in [301, 302, 303, 307, 308] {
        first.answer_in_turn([Answer::with_header(status, "location", &second.url())]);
        let error = deliver(&sink, 1).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Rejected);
    }
    assert!(second.received().is_empty());
}
