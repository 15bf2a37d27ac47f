//! What is forgotten after a day.

use std::time::Duration;

use conduit_core::{Commit, Opened, ProcessedId, StateStore, SubscriptionId};
use conduit_testkit::store_suite::{collection, destination, record};

use super::{SetClock, request_of};

/// Delivers something, and again 12 hours later, and looks at it from then on.
pub(crate) async fn processed_ids_are_forgotten_a_day_after_they_were_last_written(
    store: &dyn StateStore,
    clock: &SetClock,
) {
    const HALF_A_DAY: Duration = Duration::from_secs(12 * 60 * 60);
    let of = SubscriptionId {
        collection: collection("orders"),
        destination: destination("http-1"),
    };
    let request = request_of(&of);
    let Opened::Taken { lease, .. } = store.open(&request).await.unwrap() else {
        panic!("the lease is free")
    };
    let ids = [1, 2, 3].map(|n| ProcessedId::of(&record(&of.collection, n, "a")));
    let mut number = 0;
    let mut commit = |ids: &[ProcessedId]| {
        number += 1;
        let mut commit = Commit::new(of.clone(), lease.clone(), number);
        commit.processed = ids.to_vec();
        [commit]
    };
    store.commit(&commit(&ids[..2])).await.remove(0).unwrap();
    clock.pass(HALF_A_DAY);
    store.commit(&commit(&ids[1..])).await.remove(0).unwrap();
    for expected in [[true; 3], [false, true, true], [false; 3]] {
        assert_eq!(store.processed(&of, &ids).await.unwrap(), expected);
        store.commit(&commit(&[])).await.remove(0).unwrap();
        assert_eq!(store.processed(&of, &ids).await.unwrap(), expected);
        clock.pass(HALF_A_DAY);
    }
}
