//! Taking leases and loading subscriptions.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{Cmd, Value};

use conduit_core::{
    ClusterTime, CollectionName, DestinationId, Lease, OpenRequest, Opened, PoisonedKey, RecordKey, RetryId,
    Sequence, StateError, SubscriptionId, SubscriptionStart, SubscriptionState, WorkerId,
};

use super::error::unexpected;
use super::keys;
use super::link::Link;
use super::reply::{list, next, number, text, verdict};
use super::script::OPEN;
use crate::encoding::{Progress, Waiting, read};
use crate::refusal;

/// How many poisoned keys one step fetches: a millisecond or two of the server's time.
const SCANNED: usize = 5000;

/// A state as the script answers it.
struct Loaded {
    state: SubscriptionState,
    /// Whether its poisoned keys are in it.
    is_whole: bool,
}

/// Does [`StateStore::open`](conduit_core::StateStore::open).
pub(super) async fn open(link: &Link, request: &OpenRequest) -> Result<Opened, StateError> {
    opened(link, request, link.ask(&open_call(request)).await?).await
}

/// Does [`StateStore::load`](conduit_core::StateStore::load).
pub(super) async fn load(
    link: &Link,
    lease: &Lease,
    subscriptions: &[SubscriptionStart],
) -> Result<Vec<SubscriptionState>, StateError> {
    let (word, mut parts) = verdict(link.ask(&load_call(lease, subscriptions)).await?)?;
    match word.as_str() {
        "fenced" => Err(refusal::fenced(lease)),
        "taken" => {
            let states = states(subscriptions, parts.nth(2).ok_or_else(unexpected)?)?;
            complete(link, &lease.collection, states).await
        }
        _ => Err(unexpected()),
    }
}

fn open_call(request: &OpenRequest) -> Cmd {
    let mut call = OPEN.call();
    let lease_time = u64::try_from(request.lease_time.as_millis()).unwrap_or(u64::MAX >> 11);
    call.arg("open")
        .arg(request.collection.as_str())
        .arg(request.worker.as_str());
    call.arg(lease_time)
        .arg(request.evict.as_ref().map_or("", WorkerId::as_str))
        .arg(request.last_epoch);
    add_subscriptions(&mut call, &request.subscriptions);
    call
}

fn load_call(lease: &Lease, subscriptions: &[SubscriptionStart]) -> Cmd {
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

async fn opened(link: &Link, request: &OpenRequest, answer: Value) -> Result<Opened, StateError> {
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
            let states = states(&request.subscriptions, next(&mut parts)?)?;
            Ok(Opened::Taken {
                lease,
                states: complete(link, &request.collection, states).await?,
                others,
            })
        }
        _ => Err(unexpected()),
    }
}

fn states(subscriptions: &[SubscriptionStart], answer: Value) -> Result<Vec<Loaded>, StateError> {
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

fn state(wanted: &SubscriptionStart, answer: Value) -> Result<Loaded, StateError> {
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
    let poisoned = match next(&mut parts)? {
        Value::Int(_) => None,
        fields => Some(poisoned_keys(fields)?),
    };
    let is_whole = poisoned.is_some();
    let state = SubscriptionState {
        destination: wanted.destination.clone(),
        position: progress.position,
        is_new,
        last_commit: progress.commit,
        settled_ahead,
        waiting,
        poisoned: poisoned.unwrap_or_default(),
        dead_letters: number(next(&mut parts)?)?,
        collection_dead_letters: number(next(&mut parts)?)?,
        generation: progress.generation,
    };
    Ok(Loaded { state, is_whole })
}

/// Reads poisoned keys, each with its letters, in the order of the keys.
fn poisoned_keys(fields: Value) -> Result<Vec<PoisonedKey>, StateError> {
    let mut keys = BTreeMap::new();
    add_poisoned(&mut keys, fields)?;
    Ok(keys.into_values().collect())
}

fn add_poisoned(keys: &mut BTreeMap<RecordKey, PoisonedKey>, fields: Value) -> Result<(), StateError> {
    let mut fields = list(fields)?.into_iter();
    while let Some(key) = fields.next() {
        let poisoned = poisoned_key(&text(key)?, &text(next(&mut fields)?)?).ok_or_else(unexpected)?;
        keys.insert(poisoned.key, poisoned);
    }
    Ok(())
}

/// Fetches the poisoned keys of states that have too many for a script, in steps that do not block the server for long.
///
/// They may be newer than the state, by what a late commit changed: one that follows the state is a conflict then.
async fn complete(
    link: &Link,
    collection: &CollectionName,
    loaded: Vec<Loaded>,
) -> Result<Vec<SubscriptionState>, StateError> {
    let mut states = Vec::with_capacity(loaded.len());
    for Loaded { mut state, is_whole } in loaded {
        if !is_whole {
            let subscription = SubscriptionId {
                collection: collection.clone(),
                destination: state.destination.clone(),
            };
            state.poisoned = scan_poisoned(link, &keys::poisoned(&subscription)).await?;
        }
        states.push(state);
    }
    Ok(states)
}

async fn scan_poisoned(link: &Link, key: &str) -> Result<Vec<PoisonedKey>, StateError> {
    let (mut keys, mut cursor) = (BTreeMap::new(), "0".to_owned());
    loop {
        let mut step = redis::cmd("HSCAN");
        step.arg(key).arg(&cursor).arg("COUNT").arg(SCANNED);
        let [next, fields] =
            <[Value; 2]>::try_from(list(link.ask(&step).await?)?).map_err(|_| unexpected())?;
        add_poisoned(&mut keys, fields)?;
        cursor = text(next)?;
        if cursor == "0" {
            return Ok(keys.into_values().collect());
        }
    }
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
