//! What the strategies promise, and the ledger held against any history.
#![cfg(all(feature = "proptest", feature = "receiver"))]
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use conduit_core::{Lease, Position, Record, RecordKey, StreamIdentity, SubscriptionId, WorkerId};
use conduit_testkit::receiver::Ledger;
use conduit_testkit::store_suite::{at, collection, destination};
use conduit_testkit::strategies::{commits, histories, positions, records, sequences};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_record_reads_back_from_its_json(record in records()) {
        let read = Record::from_json(record.json().clone(), record.key(), record.time()).unwrap();
        prop_assert_eq!(read.json(), record.json());
        prop_assert_eq!(read.keys(), record.keys());
        prop_assert_eq!(read.new_image(), record.new_image());
        prop_assert_eq!(read.old_image(), record.old_image());
        prop_assert_eq!(read.event_id(), record.event_id());
        prop_assert_eq!(read.collection(), record.collection());
        prop_assert_eq!(read.sequence(), record.sequence());
        prop_assert_eq!(read.timestamp(), record.timestamp());
    }

    #[test]
    fn a_history_is_in_order_and_its_positions_cover_what_is_before_them(history in histories(0..30)) {
        let place = |record: &Arc<Record>| (record.time(), record.sequence().clone());
        prop_assert!(history.is_sorted_by(|one, next| place(one) < place(next)));
        for (n, record) in history.iter().enumerate().filter(|(_, record)| record.sequence().is_last_of_change()) {
            let stream: Arc<StreamIdentity> = Arc::default();
            let position = Position::after(record.time(), record.sequence().token(), stream);
            for (m, other) in history.iter().enumerate() {
                prop_assert_eq!(position.covers(other.time(), other.sequence()), m <= n);
            }
        }
    }

    #[test]
    fn the_ledger_takes_any_history_whatever_the_order_among_keys(
        history in histories(0..30),
        mut turns in prop::collection::vec(any::<prop::sample::Index>(), 60),
    ) {
        let mut keys: BTreeMap<RecordKey, Vec<Arc<Record>>> = BTreeMap::new();
        for record in history.iter().rev() {
            keys.entry(record.key()).or_default().push(record.clone());
        }
        let mut queues: Vec<_> = keys.into_values().collect();
        let mut ledger = Ledger::new();
        while !queues.is_empty() {
            let turn = turns.pop().unwrap().index(queues.len());
            ledger.enter(queues[turn].pop().unwrap().json());
            queues.retain(|queue| !queue.is_empty());
        }
        prop_assert_eq!(ledger.faults(), &[] as &[String]);
        prop_assert_eq!(ledger.count(), history.len());
    }

    #[test]
    fn the_ledger_finds_two_records_of_a_key_that_changed_places(
        history in histories(2..30),
        first in any::<prop::sample::Index>(),
    ) {
        let first = first.index(history.len());
        let key = history[first].key();
        let later = history.iter().enumerate().skip(first + 1).find(|(_, record)| record.key() == key);
        prop_assume!(later.is_some());
        let mut swapped = history.clone();
        swapped.swap(first, later.unwrap().0);
        let mut ledger = Ledger::new();
        swapped.iter().for_each(|record| ledger.enter(record.json()));
        prop_assert!(!ledger.faults().is_empty());
    }

    #[test]
    fn positions_and_places_are_ordered_alike(position in positions(), sequence in sequences()) {
        let after = Position::after(position.time(), sequence.token(), position.stream().clone());
        prop_assert_eq!(position.covers(position.time(), &sequence), after <= position);
    }

    #[test]
    fn a_commit_settles_a_record_once(
        commit in commits(subscription(), lease(), 1, Position::at_time(at(0)))
    ) {
        let waiting = commit.parked.iter().filter_map(|parked| parked.record.as_ref());
        let dead = commit.dead.iter().map(|letter| &letter.record);
        let mut ids: Vec<_> = waiting.chain(dead).map(|record| record.event_id().clone()).collect();
        ids.extend(commit.processed.iter().map(|id| id.event_id.clone()));
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), count);
    }
}

fn subscription() -> SubscriptionId {
    SubscriptionId {
        collection: collection("orders"),
        destination: destination("http-1"),
    }
}

fn lease() -> Lease {
    Lease {
        collection: collection("orders"),
        worker: WorkerId::new("w1"),
        epoch: 1,
    }
}
