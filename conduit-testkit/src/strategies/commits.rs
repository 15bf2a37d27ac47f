//! Commits.

use std::sync::Arc;

use conduit_core::{
    Advance, Commit, DeadLetter, Lease, ParkedRecord, Position, ProcessedId, Record, RetryId, SinkError,
    SubscriptionId, WallTime,
};
use proptest::prelude::*;

use super::histories::histories;
use super::values::stream;

/// What becomes of a record in a commit.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Delivered,
    Waits,
    Dies,
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![3 => Just(Fate::Delivered), 2 => Just(Fate::Waits), 1 => Just(Fate::Dies)]
}

/// Commits of `subscription` with this number, that a store whose position is `from` applies: of a history
/// after `from`, each record was delivered, waits or is dead; the position moves over some of it, and the
/// rest is settled ahead.
pub fn commits(
    subscription: SubscriptionId,
    lease: Lease,
    number: u64,
    from: Position,
) -> impl Strategy<Value = Commit> {
    let settled = histories(0..12).prop_flat_map(|history| {
        let fates = prop::collection::vec(fates(), history.len());
        let passed = 0..=history.len();
        (Just(history), fates, passed)
    });
    settled.prop_map(move |(history, fates, passed)| {
        let mut commit = Commit::new(subscription.clone(), lease.clone(), number);
        let mut to = None;
        for (n, (record, fate)) in history.iter().zip(fates).enumerate() {
            settle(&mut commit, record, fate);
            if n >= passed {
                commit.settled_ahead.push(record.sequence().clone());
            } else if record.sequence().is_last_of_change() {
                to = Some(Position::after(
                    record.time(),
                    record.sequence().token(),
                    stream(),
                ));
            }
        }
        let from = from.clone();
        commit.advance = to.filter(|to| *to >= from).map(|to| Advance { from, to });
        commit
    })
}

fn settle(commit: &mut Commit, record: &Arc<Record>, fate: Fate) {
    let at = WallTime::from_millis(record.timestamp().as_millis() + 250);
    match fate {
        Fate::Delivered => commit.processed.push(ProcessedId::of(record)),
        Fate::Dies => {
            let error = SinkError::undeliverable("POST answered 413");
            commit.dead.push(DeadLetter::at_once(record.clone(), at, &error));
        }
        Fate::Waits => {
            let waits_already = commit.parked.iter().any(|parked| parked.key == record.key());
            let id = u64::try_from(commit.parked.len()).unwrap_or(u64::MAX) + 1;
            commit.parked.push(ParkedRecord {
                id: RetryId(id),
                record: Some(record.clone()),
                key: record.key(),
                due: (!waits_already).then_some(at),
                attempts: u32::from(!waits_already),
                first_attempt: (!waits_already).then_some(at),
                last_attempt: (!waits_already).then_some(at),
                last_error: (!waits_already).then(|| "POST answered 500".to_owned()),
            });
        }
    }
}
