//! Tests of [`Endpoint`].

use futures_util::FutureExt;

use super::*;
use crate::value::{CollectionName, DestinationId, RecordKey};

fn endpoint() -> Arc<Endpoint> {
    at(&server())
}

fn server() -> Arc<Server> {
    Arc::new(Server::new("http://receiver".to_owned(), 7))
}

fn at(server: &Arc<Server>) -> Arc<Endpoint> {
    let id = SubscriptionId {
        collection: CollectionName::new("c").unwrap(),
        destination: DestinationId::new("d").unwrap(),
    };
    Endpoint::new(id, Arc::clone(server))
}

fn enter(endpoint: &Arc<Endpoint>, caller: Caller) -> Option<Pass> {
    let turn = endpoint.server().turn().now_or_never().flatten();
    match endpoint.enter(caller, turn.as_ref()) {
        Entry::Go(pass) => Some(pass),
        Entry::Wait(_) | Entry::NeedsTurn => None,
    }
}

fn key(number: u32) -> RecordKey {
    RecordKey::from_u128(number.into())
}

fn unavailable() -> SinkError {
    SinkError::unavailable("HTTP 503")
}

/// Makes a call that comes to `error`.
fn call(endpoint: &Arc<Endpoint>, caller: Caller, number: u32, error: Option<&SinkError>) -> Counts {
    let pass = enter(endpoint, caller).expect("the endpoint lets a call through");
    pass.report([(key(number), error)].into_iter())
}

/// Fails with 20 keys, which is held from the last on.
fn held() -> Arc<Endpoint> {
    let endpoint = endpoint();
    for number in 0..20 {
        call(&endpoint, Caller::Lane, number, Some(&unavailable()));
    }
    assert!(matches!(*endpoint.health().borrow(), Health::Held(_)));
    endpoint
}

/// Lets time pass until the next probe may go out.
async fn until_probe(endpoint: &Arc<Endpoint>) -> Duration {
    let started = Instant::now();
    loop {
        let turn = endpoint.server().turn().await;
        match endpoint.enter(Caller::Probe, turn.as_ref()) {
            Entry::Go(pass) => {
                drop(pass);
                return started.elapsed();
            }
            Entry::Wait(Some(until)) => tokio::time::sleep_until(until).await,
            Entry::Wait(None) | Entry::NeedsTurn => panic!("no probe is allowed any more"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nineteen_failing_keys_take_their_attempts_and_the_twentieth_holds_and_counts_for_nothing() {
    let endpoint = endpoint();
    for number in (0..19).cycle().take(100) {
        assert_eq!(
            call(&endpoint, Caller::Lane, number, Some(&unavailable())),
            Counts::Yes
        );
    }
    assert_eq!(
        call(&endpoint, Caller::Lane, 19, Some(&unavailable())),
        Counts::No
    );
    assert!(enter(&endpoint, Caller::Lane).is_none() && enter(&endpoint, Caller::Chain).is_none());
}

#[tokio::test(start_paused = true)]
async fn refused_records_never_hold() {
    let endpoint = endpoint();
    for number in 0..100 {
        let refused = SinkError::rejected("HTTP 422");
        assert_eq!(call(&endpoint, Caller::Lane, number, Some(&refused)), Counts::Yes);
    }
    assert_eq!(*endpoint.health().borrow(), Health::Serving);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_a_call_from_before_the_hold_is_no_attempt() {
    let endpoint = endpoint();
    let early = enter(&endpoint, Caller::Lane).unwrap();
    for number in 0..20 {
        call(&endpoint, Caller::Lane, number, Some(&unavailable()));
    }
    assert_eq!(
        early.report([(key(99), Some(&unavailable()))].into_iter()),
        Counts::No
    );
}

#[tokio::test(start_paused = true)]
async fn probes_go_out_one_at_a_time_at_waits_that_double_up_to_a_minute() {
    let endpoint = held();
    endpoint.begin_probe();
    let mut waits = Vec::new();
    for number in 0..12 {
        if endpoint.next_trial().is_some() {
            tokio::time::sleep_until(endpoint.next_trial().unwrap()).await;
            endpoint.try_stream();
            assert_eq!(
                call(&endpoint, Caller::Lane, 100 + number, Some(&unavailable())),
                Counts::No
            );
            continue;
        }
        waits.push(until_probe(&endpoint).await.as_secs_f64());
        let probe = enter(&endpoint, Caller::Probe).unwrap();
        assert!(enter(&endpoint, Caller::Probe).is_none(), "one at a time");
        assert_eq!(
            probe.report([(key(number), Some(&unavailable()))].into_iter()),
            Counts::No
        );
    }
    let wanted = [1.0, 2.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0];
    for (wait, wanted) in waits.iter().zip(wanted) {
        assert!((wait / wanted - 1.0).abs() <= 0.1, "{waits:?}");
    }
    assert_eq!(waits.len(), wanted.len());
}

#[tokio::test(start_paused = true)]
async fn a_trial_lets_the_stream_go_first_and_its_failure_holds_again() {
    let endpoint = held();
    tokio::time::sleep_until(endpoint.next_trial().unwrap()).await;
    endpoint.try_stream();
    assert!(matches!(*endpoint.health().borrow(), Health::Trying(_)));
    assert!(enter(&endpoint, Caller::Chain).is_none(), "the stream goes first");
    assert_eq!(
        call(&endpoint, Caller::Lane, 50, Some(&unavailable())),
        Counts::No
    );
    assert!(matches!(*endpoint.health().borrow(), Health::Held(_)));
}

#[tokio::test(start_paused = true)]
async fn after_an_answer_one_two_four_calls_go_out_at_a_time() {
    let endpoint = held();
    endpoint.begin_probe();
    until_probe(&endpoint).await;
    // A refusal of the record is an answer.
    call(
        &endpoint,
        Caller::Probe,
        3,
        Some(&SinkError::rejected("HTTP 422")),
    );
    let mut next = 1000;
    for width in [1, 2, 4, 8, 16, 32] {
        let passes: Vec<Pass> = std::iter::from_fn(|| enter(&endpoint, Caller::Lane))
            .take(200)
            .collect();
        assert_eq!(passes.len(), width);
        for pass in passes {
            next += 1;
            assert_eq!(pass.report([(key(next), None)].into_iter()), Counts::No);
        }
    }
    assert_eq!(
        call(&endpoint, Caller::Lane, 1, Some(&unavailable())),
        Counts::Yes,
        "no limit any more"
    );
}

#[tokio::test(start_paused = true)]
async fn one_answer_among_failures_does_not_end_a_hold() {
    let endpoint = held();
    endpoint.begin_probe();
    until_probe(&endpoint).await;
    call(&endpoint, Caller::Probe, 3, None);
    for number in 30..50 {
        assert_eq!(
            call(&endpoint, Caller::Lane, number, Some(&unavailable())),
            Counts::No
        );
    }
    assert!(matches!(*endpoint.health().borrow(), Health::Held(_)));
}

#[tokio::test(start_paused = true)]
async fn a_few_keys_that_fail_for_ever_do_not_keep_it_limited() {
    let endpoint = held();
    endpoint.begin_probe();
    until_probe(&endpoint).await;
    call(&endpoint, Caller::Probe, 100, None);
    for number in 101..130 {
        call(&endpoint, Caller::Lane, number, None);
    }
    let counted = (0..7)
        .cycle()
        .take(200)
        .any(|number| call(&endpoint, Caller::Chain, number, Some(&unavailable())) == Counts::Yes);
    assert!(counted, "their failures are attempts in the end");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_makes_room_for_the_next() {
    let endpoint = held();
    endpoint.begin_probe();
    until_probe(&endpoint).await;
    drop(enter(&endpoint, Caller::Probe).unwrap());
    call(&endpoint, Caller::Probe, 1, None);
    drop(enter(&endpoint, Caller::Lane).unwrap());
    assert!(enter(&endpoint, Caller::Lane).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_which_something_is_known_is_not_suspected() {
    let endpoint = endpoint();
    call(&endpoint, Caller::Lane, 1, Some(&unavailable()));
    endpoint.suspect(30);
    assert_eq!(*endpoint.health().borrow(), Health::Serving);
    let fresh = self::endpoint();
    fresh.suspect(30);
    assert!(matches!(*fresh.health().borrow(), Health::Held(_)));
}

#[tokio::test(start_paused = true)]
async fn a_destination_whose_server_fails_for_others_is_held_by_its_first_failure() {
    let server = server();
    let (busy, quiet) = (at(&server), at(&server));
    for number in 0..20 {
        call(&busy, Caller::Lane, number, Some(&unavailable()));
    }
    assert_eq!(*quiet.health().borrow(), Health::Serving);
    assert_eq!(call(&quiet, Caller::Lane, 1, Some(&unavailable())), Counts::No);
    assert!(matches!(*quiet.health().borrow(), Health::Held(_)));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_works_is_not_held_for_another_path_of_its_server() {
    let server = server();
    let (bad, good) = (at(&server), at(&server));
    for number in 0..100 {
        call(&good, Caller::Lane, number, None);
        if let Some(pass) = enter(&bad, Caller::Lane) {
            pass.report([(key(number), Some(&unavailable()))].into_iter());
        }
    }
    assert!(matches!(*bad.health().borrow(), Health::Held(_)));
    // One bad record of its own is that record's affair.
    assert_eq!(call(&good, Caller::Lane, 7, Some(&unavailable())), Counts::Yes);
    assert_eq!(*good.health().borrow(), Health::Serving);
}

#[tokio::test(start_paused = true)]
async fn a_trial_of_an_idle_stream_goes_on_until_a_record_comes() {
    let endpoint = held();
    tokio::time::sleep_until(endpoint.next_trial().unwrap()).await;
    endpoint.try_stream();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(
        call(&endpoint, Caller::Lane, 50, Some(&unavailable())),
        Counts::No
    );
    assert!(matches!(*endpoint.health().borrow(), Health::Held(_)));
}
