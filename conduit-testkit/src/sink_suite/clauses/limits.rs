//! What one call may hold.

use super::super::samples::{record, record_of_size};
use super::super::{Scene, SinkHarness};

/// The largest record that a clause makes, whatever the sink takes.
const LARGEST: usize = 64 << 20;

pub async fn limits_allow_a_call_and_stay_the_same<H: SinkHarness>(scene: Scene<H>) {
    let limits = scene.limits();
    assert!(limits.max_records >= 1, "no call can hold a record");
    assert!(limits.max_bytes >= 1, "no call can hold a byte");
    assert!(limits.concurrency >= 1, "no call can be made");
    assert!(!limits.timeout.is_zero(), "no call has time");
    assert_eq!(scene.limits(), limits, "asked again");
    scene.delivered(&[record(1, "a")]).await;
    assert_eq!(scene.limits(), limits, "asked after a call");
}

pub async fn the_endpoint_stays_the_same_and_shows_no_secret<H: SinkHarness>(scene: Scene<H>) {
    let endpoint = scene.sink().endpoint();
    for secret in scene.harness().secrets() {
        let is_shown = endpoint.as_ref().is_some_and(|name| name.contains(secret));
        assert!(!is_shown, "a secret is shown: {endpoint:?}");
    }
    scene.delivered(&[record(1, "a")]).await;
    assert_eq!(scene.sink().endpoint(), endpoint, "asked after a call");
}

pub async fn a_record_at_the_limit_arrives_whole<H: SinkHarness>(scene: Scene<H>) {
    let record = record_of_size(1, "large", scene.limits().max_bytes.min(LARGEST));
    scene.delivered(std::slice::from_ref(&record)).await;
    let arrived = scene.arrived().await;
    assert!(arrived == [record.json().to_vec()], "the record arrived changed");
}

pub async fn a_record_over_the_limit_is_refused_or_arrives_whole<H: SinkHarness>(scene: Scene<H>) {
    let record = record_of_size(1, "large", scene.limits().max_bytes.min(LARGEST) + 1);
    let answer = scene.deliver(std::slice::from_ref(&record)).await;
    let is_taken = answer.is_ok_and(|delivery| delivery.failed.is_empty());
    let arrived = scene.arrived().await;
    if is_taken {
        assert!(arrived == [record.json().to_vec()], "the record arrived changed");
    } else {
        assert!(
            arrived.is_empty(),
            "the record was refused, and something of it arrived"
        );
    }
}
