//! Records that wait for another attempt.

use conduit_core::{ParkedRecord, RetryId, StateErrorKind, WaitingRef, WallTime};

use super::super::samples::{collection, record, retry_parked};
use super::super::scene::{commit, orders, subscription};
use super::super::{Scene, StoreHarness};

fn due(millis: i64) -> WallTime {
    WallTime::from_millis(1_700_000_100_000 + millis)
}

/// A record that waits behind an older one of its key.
fn parked_behind(id: u64, record: &std::sync::Arc<conduit_core::Record>) -> ParkedRecord {
    ParkedRecord {
        due: None,
        attempts: 0,
        first_attempt: None,
        last_attempt: None,
        last_error: None,
        ..retry_parked(id, record, due(0))
    }
}

pub async fn waiting_records_come_by_growing_id_and_survive<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let records = [
        record(&name, 1, "a"),
        record(&name, 2, "a"),
        record(&name, 3, "b"),
    ];
    let mut first = commit(&lease, 1);
    // Ids of one and of more digits, so that an order by text would show.
    first.parked = vec![
        retry_parked(100, &records[2], due(1)),
        retry_parked(9, &records[0], due(3)),
        parked_behind(20, &records[1]),
    ];
    scene.commit(&first).await;
    scene.reopen().await;
    let (_, state) = scene.take("w1").await;
    let expected = [
        (9, &records[0], Some(due(3))),
        (20, &records[1], None),
        (100, &records[2], Some(due(1))),
    ];
    let expected = expected.map(|(id, record, due)| WaitingRef {
        id: RetryId(id),
        key: record.key(),
        due,
        size: record.size(),
        timestamp: record.timestamp(),
    });
    assert_eq!(state.waiting, expected);
}

pub async fn contents_of_waiting_records_read_back_byte_for_byte<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let records = [record(&name, 1, "a"), record(&name, 2, "a")];
    let mut first = commit(&lease, 1);
    first.parked = vec![
        retry_parked(1, &records[0], due(0)),
        parked_behind(2, &records[1]),
    ];
    scene.commit(&first).await;
    scene.reopen().await;
    let ids = [RetryId(2), RetryId(7), RetryId(1)];
    let contents = scene.store().waiting(&orders(), &ids).await.unwrap();
    assert!(contents[1].is_none());
    for (found, id, written) in [(&contents[0], 2, &records[1]), (&contents[2], 1, &records[0])] {
        let found = found.as_ref().expect("the record waits");
        assert_eq!(found.id, RetryId(id));
        assert_eq!(found.record.json(), written.json());
        assert_eq!(found.record.key(), written.key());
        assert_eq!(found.record.time(), written.time());
        assert_eq!(found.record.sequence(), written.sequence());
        assert_eq!(found.record.new_image(), written.new_image());
    }
    let attempts = contents
        .iter()
        .flatten()
        .map(|found| (found.attempts, found.first_attempt));
    assert_eq!(attempts.collect::<Vec<_>>(), [(0, None), (1, Some(due(-1000)))]);
    let elsewhere = scene
        .store()
        .waiting(&subscription("orders", "http-2"), &ids)
        .await
        .unwrap();
    assert!(elsewhere.iter().all(Option::is_none) && elsewhere.len() == 3);
    assert!(scene.store().waiting(&orders(), &[]).await.unwrap().is_empty());
}

pub async fn rescheduling_changes_attempts_and_due_time_only<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let record = record(&collection("orders"), 1, "a");
    let mut first = commit(&lease, 1);
    first.parked = vec![parked_behind(1, &record)];
    scene.commit(&first).await;
    let mut second = commit(&lease, 2);
    second.parked = vec![ParkedRecord {
        record: None,
        attempts: 3,
        first_attempt: Some(due(5)),
        due: Some(due(77)),
        ..retry_parked(1, &record, due(77))
    }];
    scene.commit(&second).await;
    scene.reopen().await;
    let state = scene.state(&lease).await;
    assert_eq!(state.waiting.len(), 1);
    let waiting = &state.waiting[0];
    assert_eq!(
        (waiting.due, waiting.key, waiting.size),
        (Some(due(77)), record.key(), record.size())
    );
    assert_eq!(waiting.timestamp, record.timestamp());
    let contents = scene.store().waiting(&orders(), &[RetryId(1)]).await.unwrap();
    let contents = contents[0].as_ref().unwrap();
    assert_eq!((contents.attempts, contents.first_attempt), (3, Some(due(5))));
    assert_eq!(contents.record.json(), record.json());
}

pub async fn rescheduling_what_does_not_wait_is_a_conflict<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let record = record(&collection("orders"), 1, "a");
    let again = |id| ParkedRecord {
        record: None,
        ..retry_parked(id, &record, due(77))
    };
    let mut wrong = commit(&lease, 1);
    wrong.parked = vec![retry_parked(1, &record, due(0)), again(2)];
    wrong.dead = vec![super::super::scene::dead(&record)];
    scene.refused(&wrong, &lease, StateErrorKind::Conflict).await;
    // In one commit with the record itself it is known.
    wrong.parked = vec![retry_parked(1, &record, due(0)), again(1)];
    scene.commit(&wrong).await;
    assert_eq!(scene.state(&lease).await.waiting[0].due, Some(due(77)));
}

pub async fn unparked_records_are_gone<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let name = collection("orders");
    let mut first = commit(&lease, 1);
    first.parked = (1..=3)
        .map(|n| retry_parked(u64::from(n), &record(&name, n, "a"), due(0)))
        .collect();
    scene.commit(&first).await;
    let mut second = commit(&lease, 2);
    second.unparked = vec![RetryId(1), RetryId(3), RetryId(1000)];
    scene.commit(&second).await;
    scene.reopen().await;
    let state = scene.state(&lease).await;
    assert_eq!(
        state.waiting.iter().map(|waiting| waiting.id).collect::<Vec<_>>(),
        [RetryId(2)]
    );
    let contents = scene
        .store()
        .waiting(&orders(), &[RetryId(1), RetryId(2), RetryId(3)])
        .await
        .unwrap();
    assert_eq!(
        contents.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, false]
    );
}

pub async fn what_begins_to_wait_and_leaves_in_one_commit_is_gone<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene.take("w1").await;
    let mut both = commit(&lease, 1);
    both.parked = vec![retry_parked(1, &record(&collection("orders"), 1, "a"), due(0))];
    both.unparked = vec![RetryId(1)];
    scene.commit(&both).await;
    assert!(scene.state(&lease).await.waiting.is_empty());
}
