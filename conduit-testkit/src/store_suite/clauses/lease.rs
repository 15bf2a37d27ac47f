//! Who may work on a collection.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::{Lease, OpenRequest, Opened, StateErrorKind, WorkerId};

use super::super::samples::{collection, stored_position};
use super::super::scene::{advance, commit, request, request_of, start};
use super::super::{Scene, StoreHarness};

/// Long enough for the store to answer before it is over, short enough to be waited for.
const SHORT: Duration = Duration::from_millis(60);
const MINUTE: Duration = Duration::from_secs(60);

pub async fn a_held_lease_is_answered_with_its_holder_and_the_remaining_time<H: StoreHarness>(
    mut scene: Scene<H>,
) {
    scene.take("w1").await;
    scene.reopen().await;
    let Opened::Held { by, remaining } = scene.open(&request("w2")).await else {
        panic!("a held lease was taken");
    };
    assert_eq!(by.as_str(), "w1");
    assert!(
        remaining <= MINUTE && remaining > MINUTE / 2,
        "{remaining:?} remain"
    );
}

pub async fn a_released_lease_is_taken_at_once_with_a_greater_epoch<H: StoreHarness>(mut scene: Scene<H>) {
    let (first, _) = scene.take("w1").await;
    scene.store().release(&first).await.unwrap();
    scene.reopen().await;
    let (second, state) = scene.take("w2").await;
    assert!(second.epoch > first.epoch);
    assert!(!state.is_new);
}

pub async fn releasing_a_lease_that_is_lost_changes_nothing<H: StoreHarness>(scene: Scene<H>) {
    let (first, _) = scene.take("w1").await;
    scene.store().release(&first).await.unwrap();
    let (second, _) = scene.take("w2").await;
    scene.store().release(&first).await.unwrap();
    let unknown = Lease {
        collection: collection("never-seen"),
        ..first
    };
    scene.store().release(&unknown).await.unwrap();
    scene.commit(&commit(&second, 1)).await;
}

/// Opens until the lease is taken, waiting each time as long as the store says.
async fn wait_for<H: StoreHarness>(scene: &Scene<H>, request: &OpenRequest) -> Lease {
    for _ in 0..10 {
        match scene.open(request).await {
            Opened::Taken { lease, .. } => return lease,
            Opened::Held { remaining, .. } => {
                assert!(remaining <= SHORT, "{remaining:?} remain of {SHORT:?}");
                scene.pass_time(remaining.max(Duration::from_millis(1))).await;
            }
        }
    }
    panic!("an expired lease was not taken over");
}

pub async fn an_expired_lease_is_taken_over<H: StoreHarness>(scene: Scene<H>) {
    let (first, _) = scene
        .take_with(&OpenRequest {
            lease_time: SHORT,
            ..request("w1")
        })
        .await;
    let second = wait_for(&scene, &request("w2")).await;
    assert!(second.epoch > first.epoch);
    scene
        .refused(&commit(&first, 1), &second, StateErrorKind::Fenced)
        .await;
    scene.commit(&commit(&second, 1)).await;
}

pub async fn a_lease_is_taken_from_an_evicted_worker_only_while_that_one_holds_it<H: StoreHarness>(
    scene: Scene<H>,
) {
    let (first, _) = scene.take("w1").await;
    let evict = |worker: &str, gone: &str| OpenRequest {
        evict: Some(WorkerId::new(gone)),
        ..request(worker)
    };
    let Opened::Held { by, .. } = scene.open(&evict("w2", "w9")).await else {
        panic!("a lease was taken from a worker that was not evicted");
    };
    assert_eq!(by.as_str(), "w1");
    let (second, _) = scene.take_with(&evict("w2", "w1")).await;
    assert!(second.epoch > first.epoch);
    let Opened::Held { by, .. } = scene.open(&evict("w3", "w1")).await else {
        panic!("a lease was taken from a worker that was not evicted");
    };
    assert_eq!(by.as_str(), "w2");
}

pub async fn the_same_worker_may_open_again_and_gets_a_greater_epoch<H: StoreHarness>(mut scene: Scene<H>) {
    let (first, _) = scene.take("w1").await;
    let (second, _) = scene.take("w1").await;
    assert!(second.epoch > first.epoch);
    scene
        .refused(&commit(&first, 1), &second, StateErrorKind::Fenced)
        .await;
    scene.reopen().await;
    let (third, _) = scene.take("w1").await;
    assert!(third.epoch > second.epoch);
}

/// A store that was put back gives its epochs again; a commit from before, still on its way, would count under one.
pub async fn an_epoch_is_greater_than_the_workers_last_also_in_a_store_that_was_put_back<H: StoreHarness>(
    mut scene: Scene<H>,
) {
    let had = |last_epoch| OpenRequest {
        last_epoch,
        ..request("w1")
    };
    let (first, _) = scene.take("w1").await;
    let last = first.epoch + 1000;
    let (second, _) = scene.take_with(&had(last)).await;
    assert!(second.epoch > last, "{second:?}");
    let before = Lease { epoch: last, ..first };
    scene
        .refused(&commit(&before, 1), &second, StateErrorKind::Fenced)
        .await;
    scene.reopen().await;
    // Whoever comes next has a greater one too, also one that never had any.
    scene.store().release(&second).await.unwrap();
    let (third, _) = scene.take("w2").await;
    assert!(third.epoch > second.epoch, "{third:?}");
}

pub async fn renewing_prolongs_a_lease<H: StoreHarness>(mut scene: Scene<H>) {
    let (lease, _) = scene
        .take_with(&OpenRequest {
            lease_time: SHORT,
            ..request("w1")
        })
        .await;
    let answers = scene
        .store()
        .renew(std::slice::from_ref(&lease), MINUTE)
        .await
        .unwrap();
    assert!(matches!(answers[..], [Ok(())]), "{answers:?}");
    scene.pass_time(SHORT * 2).await;
    scene.reopen().await;
    let Opened::Held { remaining, .. } = scene.open(&request("w2")).await else {
        panic!("a renewed lease was taken");
    };
    assert!(remaining > MINUTE / 2, "{remaining:?} remain");
    scene.commit(&commit(&lease, 1)).await;
}

pub async fn renewing_answers_each_lease_on_its_own<H: StoreHarness>(scene: Scene<H>) {
    let (first, _) = scene.take("w1").await;
    let (other, _) = scene.take_with(&request_of(&collection("users"), "w1")).await;
    let (second, _) = scene.take("w1").await;
    let unknown = Lease {
        collection: collection("never-seen"),
        ..first.clone()
    };
    let released = scene.take_with(&request_of(&collection("posts"), "w1")).await.0;
    scene.store().release(&released).await.unwrap();
    let leases = [other, first, second, unknown, released];
    let answers = scene.store().renew(&leases, MINUTE).await.unwrap();
    let kinds: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map_err(|error| error.kind()))
        .collect();
    let fenced = Err(StateErrorKind::Fenced);
    assert_eq!(kinds, [Ok(&()), fenced, Ok(&()), fenced, fenced]);
    assert!(scene.store().renew(&[], MINUTE).await.unwrap().is_empty());
}

pub async fn an_expired_lease_that_nobody_took_is_renewed<H: StoreHarness>(scene: Scene<H>) {
    let (lease, _) = scene
        .take_with(&OpenRequest {
            lease_time: SHORT,
            ..request("w1")
        })
        .await;
    scene.pass_time(SHORT * 2).await;
    scene.commit(&commit(&lease, 1)).await;
    let answers = scene
        .store()
        .renew(std::slice::from_ref(&lease), MINUTE)
        .await
        .unwrap();
    assert!(matches!(answers[..], [Ok(())]), "{answers:?}");
    assert!(matches!(scene.open(&request("w2")).await, Opened::Held { .. }));
}

pub async fn loading_without_the_lease_is_fenced<H: StoreHarness>(scene: Scene<H>) {
    let (first, _) = scene.take("w1").await;
    let unknown = Lease {
        collection: collection("never-seen"),
        ..first.clone()
    };
    let (second, _) = scene.take("w1").await;
    for lease in [&first, &unknown] {
        let error = scene.store().load(lease, &[start("http-2")]).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Fenced, "{error}");
    }
    assert!(
        scene.state_of(&second, "http-2").await.is_new,
        "a fenced load made state"
    );
}

pub async fn one_of_many_concurrent_openers_holds_the_lease<H: StoreHarness>(scene: Scene<H>) {
    let openers: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(scene.store());
            let request = request(&format!("w{n}"));
            tokio::spawn(async move { store.open(&request).await.unwrap() })
        })
        .collect();
    let mut taken = Vec::new();
    for opener in openers {
        if let Opened::Taken { lease, .. } = opener.await.unwrap() {
            taken.push(lease);
        }
    }
    assert_eq!(taken.len(), 1, "{taken:?}");
    let from = scene.state(&taken[0]).await.position;
    scene
        .commit(&advance(&taken[0], 1, &from, &stored_position(1)))
        .await;
}

pub async fn epochs_never_go_back_when_a_collection_was_forgotten<H: StoreHarness>(mut scene: Scene<H>) {
    let (first, _) = scene.take("w1").await;
    scene
        .store()
        .forget_collection(&collection("orders"))
        .await
        .unwrap();
    scene.reopen().await;
    let (second, _) = scene.take("w1").await;
    assert!(second.epoch > first.epoch);
    scene
        .refused(&commit(&first, 1), &second, StateErrorKind::Fenced)
        .await;
}

/// A worker that learns late of a deletion still renews, and gives back, the lease that it had.
pub async fn a_lease_of_a_forgotten_collection_does_not_come_back<H: StoreHarness>(mut scene: Scene<H>) {
    let (old, _) = scene.take("w1").await;
    scene.store().forget_collection(&old.collection).await.unwrap();
    for _ in 0..2 {
        let renewed = scene
            .store()
            .renew(std::slice::from_ref(&old), Duration::from_secs(60))
            .await
            .unwrap();
        assert_eq!(renewed[0].as_ref().unwrap_err().kind(), StateErrorKind::Fenced);
        scene.store().release(&old).await.unwrap();
        let error = scene.store().load(&old, &[start("http-1")]).await.unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Fenced, "{error}");
        scene.reopen().await;
    }
    // Another one takes it at once, and keeps it.
    let (new, _) = scene.take("w2").await;
    scene.store().release(&old).await.unwrap();
    let renewed = scene
        .store()
        .renew(&[old, new], Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(renewed[0].as_ref().unwrap_err().kind(), StateErrorKind::Fenced);
    assert!(renewed[1].is_ok(), "{renewed:?}");
}
