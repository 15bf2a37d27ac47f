//! Taking leases and loading subscriptions.

use std::time::Duration;

use redis::{Cmd, Value};

use conduit_core::{
    ClusterTime, DestinationId, Lease, OpenRequest, Opened, PoisonedKey, RetryId, Sequence, StateError,
    SubscriptionStart, SubscriptionState, WorkerId,
};

use super::error::unexpected;
use super::reply::{list, next, number, text, verdict};
use super::script::OPEN;
use crate::encoding::{Progress, Waiting, read};
use crate::refusal;

/// The call for [`StateStore::open`](conduit_core::StateStore::open).
pub(super) fn open_call(request: &OpenRequest) -> Cmd {
    let mut call = OPEN.call();
    let lease_time = u64::try_from(request.lease_time.as_millis()).unwrap_or(u64::MAX >> 11);
    call.arg("open")
        .arg(request.collection.as_str())
        .arg(request.worker.as_str());
    call.arg(lease_time)
        .arg(request.evict.as_ref().map_or("", WorkerId::as_str))
        .arg("");
    add_subscriptions(&mut call, &request.subscriptions);
    call
}

/// The call for [`StateStore::load`](conduit_core::StateStore::load).
pub(super) fn load_call(lease: &Lease, subscriptions: &[SubscriptionStart]) -> Cmd {
    let mut call = OPEN.call();
    call.arg("load")
        .arg(lease.collection.as_str())
        .arg(lease.worker.as_str())
        .arg(0)
        .arg("")
        .arg(lease.epoch);
    add_subscriptions(&mut call, subscriptions);
    call
}

fn add_subscriptions(call: &mut Cmd, subscriptions: &[SubscriptionStart]) {
    for SubscriptionStart {
        destination,
        start,
        life,
        rewind,
    } in subscriptions
    {
        call.arg(destination.as_str());
        for time in [start, life] {
            call.arg(time.t).arg(time.i);
        }
        call.arg(rewind.generation).arg(rewind.to.t).arg(rewind.to.i);
    }
}

/// Reads the answer to [`open_call`].
pub(super) fn opened(request: &OpenRequest, answer: Value) -> Result<Opened, StateError> {
    let (word, mut parts) = verdict(answer)?;
    match word.as_str() {
        "held" => {
            let by = WorkerId::new(text(next(&mut parts)?)?);
            Ok(Opened::Held {
                by,
                remaining: Duration::from_millis(number(next(&mut parts)?)?),
            })
        }
        "taken" => {
            let epoch = number(next(&mut parts)?)?;
            let lease = Lease {
                collection: request.collection.clone(),
                worker: request.worker.clone(),
                epoch,
            };
            let others = list(next(&mut parts)?)?
                .into_iter()
                .map(destination)
                .collect::<Result<_, _>>()?;
            Ok(Opened::Taken {
                lease,
                states: states(&request.subscriptions, next(&mut parts)?)?,
                others,
            })
        }
        _ => Err(unexpected()),
    }
}

/// Reads the answer to [`load_call`].
pub(super) fn loaded(
    lease: &Lease,
    subscriptions: &[SubscriptionStart],
    answer: Value,
) -> Result<Vec<SubscriptionState>, StateError> {
    let (word, mut parts) = verdict(answer)?;
    match word.as_str() {
        "fenced" => Err(refusal::fenced(lease)),
        "taken" => states(subscriptions, parts.nth(2).ok_or_else(unexpected)?),
        _ => Err(unexpected()),
    }
}

fn states(subscriptions: &[SubscriptionStart], answer: Value) -> Result<Vec<SubscriptionState>, StateError> {
    let answers = list(answer)?;
    if answers.len() != subscriptions.len() {
        return Err(unexpected());
    }
    subscriptions
        .iter()
        .zip(answers)
        .map(|(wanted, answer)| state(wanted, answer))
        .collect()
}

fn state(wanted: &SubscriptionStart, answer: Value) -> Result<SubscriptionState, StateError> {
    let mut parts = list(answer)?.into_iter();
    let is_new = number(next(&mut parts)?)? == 1;
    let progress: Progress = read(text(next(&mut parts)?)?.as_bytes(), "a position")?;
    let mut waiting = Vec::new();
    let mut fields = list(next(&mut parts)?)?.into_iter();
    while let Some(id) = fields.next() {
        let entry = text(next(&mut fields)?)?;
        waiting.push(Waiting::read(entry.as_bytes())?.reference(RetryId(number(id)?)));
    }
    waiting.sort_unstable_by_key(|waiting| waiting.id);
    let ahead = list(next(&mut parts)?)?
        .into_iter()
        .map(|value| Ok(Sequence::from_text(text(value)?)));
    let settled_ahead = ahead.collect::<Result<_, StateError>>()?;
    let mut poisoned = Vec::new();
    let mut fields = list(next(&mut parts)?)?.into_iter();
    while let Some(key) = fields.next() {
        poisoned.push(poisoned_key(&text(key)?, &text(next(&mut fields)?)?).ok_or_else(unexpected)?);
    }
    // A hash of Redis has no order.
    poisoned.sort_unstable_by_key(|poisoned| poisoned.key);
    Ok(SubscriptionState {
        destination: wanted.destination.clone(),
        position: progress.position,
        is_new,
        last_commit: progress.commit,
        settled_ahead,
        waiting,
        poisoned,
        dead_letters: number(next(&mut parts)?)?,
        collection_dead_letters: number(next(&mut parts)?)?,
        generation: progress.generation,
    })
}

/// Reads a key with `<how many> <t> <i>`.
fn poisoned_key(key: &str, letters: &str) -> Option<PoisonedKey> {
    let mut parts = letters.split(' ');
    let letters = parts.next()?.parse().ok()?;
    let (t, i) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(PoisonedKey {
        key: key.parse().ok()?,
        letters,
        newest: ClusterTime::new(t, i),
    })
}

fn destination(value: Value) -> Result<DestinationId, StateError> {
    DestinationId::new(text(value)?).map_err(|_| unexpected())
}
