//! Dead letters are sent again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use conduit_core::{
    CollectionName, CommandErrorKind, LetterSelection, RecordType, Redriven, SubscriptionPhase,
};
use conduit_testkit::RecordingSink;

use crate::harness::{World, c, collection, refusing, subscription, values_of};

#[tokio::test(start_paused = true)]
async fn dead_letters_are_sent_again_in_order_before_what_follows_of_their_key() {
    let world = World::new();
    let (sink, refuses) = refusing(&[1, 2, 3]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    for value in 1..=3 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    running.until("d", |status| status.dlq_length == 3).await;
    refuses.store(false, Ordering::SeqCst);
    let redriven = running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await;
    assert_eq!(
        redriven.unwrap(),
        Redriven {
            redriven: 3,
            stale: 0
        }
    );
    world.watcher.change("c", "k", RecordType::Modify, 4);
    sink.wait_accepted(4).await;
    running.until("d", |status| status.retry_length == 0).await;
    assert_eq!(running.status("d").unwrap().dlq_length, 0);
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [1, 2, 3, 4]);
    assert!(world.dead_letters().await.is_empty());
}

/// Dead letters do not lie in the order of their changes once one of them was redriven in vain.
#[tokio::test(start_paused = true)]
async fn dead_letters_of_a_key_are_redriven_in_the_order_of_their_changes_whatever_was_redriven_before() {
    let world = World::new();
    let (sink, refuses) = refusing(&[1, 2]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    for value in 1..=2 {
        world.watcher.change("c", "k", RecordType::Modify, value);
    }
    running.until("d", |status| status.dlq_length == 2).await;
    let first = LetterSelection {
        ids: Some(vec![1]),
        ..LetterSelection::default()
    };
    running.handle.redrive(&c(), first, false).await.unwrap();
    running.until("d", |status| status.dlq_length == 2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    refuses.store(false, Ordering::SeqCst);
    let all = LetterSelection::default();
    running.handle.redrive(&c(), all, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    running.stop().await;
    assert!(values_of(&sink, "k").is_sorted(), "{:?}", values_of(&sink, "k"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_whose_document_has_a_newer_record_acknowledged_is_stale() {
    let world = World::new();
    let (sink, refuses) = refusing(&[1]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 0)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    world.watcher.change("c", "k", RecordType::Modify, 2);
    sink.wait_accepted(1).await;
    refuses.store(false, Ordering::SeqCst);
    let all = LetterSelection::default;
    let redriven = running.handle.redrive(&c(), all(), false).await.unwrap();
    assert_eq!(
        redriven,
        Redriven {
            redriven: 0,
            stale: 1
        }
    );
    assert_eq!(world.dead_letters().await[0]["stale"], true);
    let redriven = running.handle.redrive(&c(), all(), true).await.unwrap();
    assert_eq!(
        redriven,
        Redriven {
            redriven: 1,
            stale: 0
        }
    );
    sink.wait_accepted(2).await;
    running.stop().await;
    assert_eq!(values_of(&sink, "k"), [2, 1]);
}

/// A redriven record has all its attempts, and is a dead letter again after them.
#[tokio::test(start_paused = true)]
async fn a_redriven_record_that_is_refused_again_is_a_dead_letter_again() {
    let world = World::new();
    let (sink, _) = refusing(&[1]);
    let running = world.start(vec![collection("c", vec![subscription("d", sink.clone(), 2)])]);
    world.watcher.change("c", "k", RecordType::Modify, 1);
    running.until("d", |status| status.dlq_length == 1).await;
    running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await
        .unwrap();
    assert!(world.dead_letters().await.is_empty());
    running.until("d", |status| status.dlq_length == 1).await;
    running.stop().await;
    let letters = world.dead_letters().await;
    assert_eq!(
        (&letters[0]["attempts"], &letters[0]["id"]),
        (&3.into(), &2.into())
    );
    assert_eq!(sink.arrived().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn commands_are_refused_by_who_does_not_hold_the_lease_or_while_a_destination_rests() {
    let world = World::new();
    let sink = RecordingSink::new();
    let running = world.start(vec![collection("c", vec![subscription("d", sink, 5)])]);
    let other = CollectionName::new("other").unwrap();
    let refused = running
        .handle
        .redrive(&other, LetterSelection::default(), false)
        .await;
    assert_eq!(refused.unwrap_err().kind(), CommandErrorKind::NotHeld);
    running.until("d", |status| status.lag_seconds.is_some()).await;
    running.handle.pause(&c(), None);
    running.until_phase("d", SubscriptionPhase::Paused).await;
    let refused = running
        .handle
        .redrive(&c(), LetterSelection::default(), false)
        .await;
    assert_eq!(refused.unwrap_err().kind(), CommandErrorKind::AtRest);
    running.stop().await;
}
