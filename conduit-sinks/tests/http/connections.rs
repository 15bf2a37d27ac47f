//! How connections are made, used again and lost.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};

use conduit_core::{RecordBatch, Sink, SinkErrorKind};
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::{CONCURRENCY, HttpClient, HttpConfig, HttpSink};
use conduit_testkit::receiver::{Answer, Receiver};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{config, deliver, record, sink};

#[tokio::test]
async fn a_refused_connection_is_unavailable_and_says_so_in_one_line() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let sink = sink(HttpConfig::new(format!("http://{free}/in?key=hidden")));
    let error = deliver(&sink, 1).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    assert_eq!(error.to_string(), format!("cannot connect to http://{free}/in"));
    let report = error.report();
    assert_eq!(
        report,
        format!("cannot connect to http://{free}/in: tcp connect error: Connection refused (os error 111)")
    );
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_unavailable() {
    let error = deliver(&sink(HttpConfig::new("http://no-such-host.invalid/")), 1)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    assert!(
        error
            .report()
            .starts_with("cannot connect to http://no-such-host.invalid/: dns error: "),
        "{error:?}"
    );
}

/// On a new connection and on one that is used again: in both the bytes leave later than the call begins.
#[tokio::test]
async fn nothing_is_sent_once_the_right_to_send_has_ended() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    for sent in [0, 1] {
        let batch = RecordBatch::new(vec![record(1)]).with_permission(|| false);
        let error = sink.deliver(&batch).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::NotSent);
        assert_eq!(receiver.received().len(), sent);
        deliver(&sink, 2).await.unwrap();
    }
}

#[tokio::test]
async fn a_request_that_the_server_has_read_is_never_sent_again() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    // On a new connection first, then on one that is used again.
    receiver.answer_in_turn([
        Answer::CloseBeforeAnswer,
        Answer::Status(200),
        Answer::CloseBeforeAnswer,
    ]);
    let first = deliver(&sink, 1).await.unwrap_err();
    deliver(&sink, 2).await.unwrap();
    let third = deliver(&sink, 3).await.unwrap_err();
    for error in [first, third] {
        assert_eq!(error.kind(), SinkErrorKind::Unavailable);
        let report = error.report();
        assert!(
            report.starts_with(&format!("no answer from {}/: ", receiver.url())),
            "{report}"
        );
        assert!(
            report.ends_with("Connection reset by peer (os error 104)"),
            "{report}"
        );
    }
    let seen: Vec<_> = receiver
        .received()
        .iter()
        .map(|request| request.connection())
        .collect();
    assert_eq!(seen, [0, 1, 1]);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_meanwhile_costs_no_failure() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    for round in 0..10 {
        deliver(&sink, round).await.unwrap();
        receiver.close_connections().await;
        // The client's end of the closed connection became readable before this answer did, so the runtime, which
        // takes note of everything that is readable at once, knows of it by now.
        let mut other = TcpStream::connect(receiver.address()).await.unwrap();
        other
            .write_all(b"BREW / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        other.read_to_end(&mut Vec::new()).await.unwrap();
    }
    let posts = receiver
        .received()
        .iter()
        .filter(|request| request.method() == "POST")
        .count();
    assert_eq!(posts, 10);
}

#[tokio::test]
async fn deliveries_one_after_the_other_use_one_connection() {
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    receiver.answer_with(|request| match request.number() % 3 {
        0 => Answer::Status(200),
        1 => Answer::with_body(500, "with a body"),
        _ => Answer::Status(204),
    });
    for number in 0..30 {
        let _ = deliver(&sink, number).await;
    }
    let received = receiver.received();
    assert_eq!(received.len(), 30);
    assert!(received.iter().all(|request| request.connection() == 0));
}

#[tokio::test]
async fn deliveries_at_the_same_time_use_their_connections_again() {
    const ROUNDS: u32 = 20;
    let receiver = Receiver::start().await;
    let sink = sink(config(&receiver));
    let lane = async |lane: u32| {
        for round in 0..ROUNDS {
            deliver(&sink, lane * ROUNDS + round).await.unwrap();
        }
    };
    join_all((0..u32::try_from(CONCURRENCY).unwrap()).map(lane)).await;
    let received = receiver.received();
    assert_eq!(received.len(), CONCURRENCY * ROUNDS as usize);
    let ids: HashSet<&str> = received
        .iter()
        .filter_map(|request| request.header("webhook-id"))
        .collect();
    assert_eq!(ids.len(), received.len());
    let connections: HashSet<u64> = received.iter().map(|request| request.connection()).collect();
    assert!(
        connections.len() <= CONCURRENCY,
        "{} connections",
        connections.len()
    );
}

#[tokio::test]
async fn sinks_of_one_client_share_its_connections() {
    let receiver = Receiver::start().await;
    let client = HttpClient::new(EgressPolicy::Any).unwrap();
    for number in 0..10 {
        let config = HttpConfig::new(format!("{}/{number}", receiver.url()));
        deliver(&HttpSink::with_client(config, client.clone()).unwrap(), number)
            .await
            .unwrap();
    }
    assert!(
        receiver
            .received()
            .iter()
            .all(|request| request.connection() == 0)
    );
}
