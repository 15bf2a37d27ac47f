//! What an answer says of what is at the destination.

use std::time::Duration;

use conduit_core::{RecordBatch, SinkErrorKind};
use tokio::time::timeout;

use super::super::samples::record;
use super::super::scene::ids;
use super::super::{Behaviour, Repeats, Scene, SinkHarness};
use crate::clause::give_up_after;

pub async fn what_is_acknowledged_is_durable<H: SinkHarness>(scene: Scene<H>) {
    for n in 1..=5 {
        let record = record(n, "a");
        scene.delivered(std::slice::from_ref(&record)).await;
        let arrived = scene.arrived_ids().await;
        assert_eq!(
            arrived.last(),
            Some(&record.event_id().to_string()),
            "the record is told to be delivered"
        );
    }
}

pub async fn a_repeat_arrives_as_declared<H: SinkHarness>(scene: Scene<H>) {
    let (first, second) = (record(1, "a"), record(2, "a"));
    for record in [&first, &first, &second, &first] {
        scene.delivered(std::slice::from_ref(record)).await;
    }
    let expected = match scene.harness().repeats() {
        Repeats::Kept => ids(&[first.clone(), first.clone(), second, first]),
        Repeats::Dropped => ids(&[first, second]),
    };
    assert_eq!(
        scene.arrived_ids().await,
        expected,
        "repeats arrived otherwise than declared"
    );
}

pub async fn a_lost_answer_is_no_success<H: SinkHarness>(scene: Scene<H>) {
    let record = record(1, "a");
    if !scene.behave(Behaviour::LoseAnswers).await {
        return;
    }
    let error = scene.failure(&record).await;
    assert!(
        matches!(error.kind(), SinkErrorKind::Unavailable | SinkErrorKind::Timeout),
        "{:?} says more than is known: {error}",
        error.kind()
    );
    scene.recover().await;
    scene.delivered(std::slice::from_ref(&record)).await;
    match scene.harness().repeats() {
        Repeats::Kept => scene.has_all(&[record]).await,
        Repeats::Dropped => scene.has_exactly(&[record]).await,
    }
}

pub async fn a_call_dropped_midway_loses_nothing_when_it_is_made_again<H: SinkHarness>(scene: Scene<H>) {
    let mut all = Vec::new();
    for polls in 0..12 {
        let records = scene.call(polls * 10, 5);
        let batch = RecordBatch::new(records.clone());
        let call = give_up_after(polls, scene.sink().deliver(&batch));
        // A destination that is well makes progress, so the polls come.
        let _ = timeout(Duration::from_secs(10), call)
            .await
            .expect("the call goes on");
        scene.delivered(&records).await;
        all.extend(records);
    }
    scene.has_all(&all).await;
    if scene.harness().repeats() == Repeats::Dropped {
        scene.has_exactly(&all).await;
    }
}

pub async fn a_call_dropped_while_it_hangs_does_not_disturb_the_next<H: SinkHarness>(scene: Scene<H>) {
    if !scene.behave(Behaviour::Hang).await {
        return;
    }
    let records = scene.call(1, 3);
    for _ in 0..3 {
        let batch = RecordBatch::new(records.clone());
        let call = timeout(Duration::from_millis(100), scene.sink().deliver(&batch));
        if let Ok(Ok(delivery)) = call.await {
            assert_eq!(delivery.failed.len(), records.len(), "nothing can be delivered");
        }
    }
    scene.recover().await;
    scene.delivered(&records).await;
    scene.has_all(&records).await;
}

pub async fn a_slow_destination_is_waited_for<H: SinkHarness>(scene: Scene<H>) {
    let wait = (scene.limits().timeout / 3).min(Duration::from_millis(500));
    if !scene.behave(Behaviour::Slow(wait)).await {
        return;
    }
    let record = record(1, "a");
    scene.delivered(std::slice::from_ref(&record)).await;
    scene.has_exactly(&[record]).await;
}

pub async fn a_refused_record_is_named_and_the_others_arrive<H: SinkHarness>(scene: Scene<H>) {
    // Of a key each, so that none has to wait for the refused one.
    let records: Vec<_> = (0..scene.call(1, 5).len())
        .map(|n| record(n, &format!("document-{n}")))
        .collect();
    let refused = records.len() / 2;
    if !scene
        .behave(Behaviour::Refuse(records[refused].event_id().clone()))
        .await
    {
        return;
    }
    let failed = match scene.deliver(&records).await {
        Ok(delivery) => delivery.failed,
        Err(error) if records.len() == 1 => vec![(0, error)],
        Err(error) => panic!("one refused record fails the whole call: {error}"),
    };
    let mut indexes: Vec<usize> = failed.iter().map(|(index, _)| *index).collect();
    indexes.sort_unstable();
    assert!(
        indexes.is_sorted_by(|one, next| one < next) && indexes.iter().all(|index| *index < records.len()),
        "not indexes of the call: {indexes:?}"
    );
    assert!(
        indexes.contains(&refused),
        "record {refused} was refused, not {indexes:?}"
    );
    for (index, error) in &failed {
        let of_the_record = matches!(
            error.kind(),
            SinkErrorKind::Rejected | SinkErrorKind::Undeliverable
        );
        assert_eq!(of_the_record, *index == refused, "record {index}: {error:?}");
    }
    let arrived = scene.arrived_ids().await;
    for (index, id) in ids(&records).iter().enumerate() {
        let is_there = arrived.contains(id);
        assert!(
            is_there || indexes.contains(&index),
            "{id} is told to be delivered"
        );
        assert!(!is_there || index != refused, "{id} was refused and is there");
    }
}

pub async fn a_test_says_whether_the_destination_takes_records<H: SinkHarness>(scene: Scene<H>) {
    let test = async |n| match timeout(scene.limits().timeout, scene.sink().test(record(n, "a"))).await {
        Ok(Ok(_)) => true,
        Ok(Err(_)) | Err(_) => false,
    };
    assert!(test(1).await, "a test fails though nothing is wrong");
    if !scene.behave(Behaviour::Down).await {
        return;
    }
    assert!(!test(2).await, "a destination that is down passes a test");
    scene.recover().await;
    assert!(test(3).await, "a test fails though the destination is back");
}
