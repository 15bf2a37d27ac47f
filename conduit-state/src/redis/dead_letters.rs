//! Reading, counting and dropping dead letters.

use redis::{Pipeline, Value};

use conduit_core::{CollectionName, QueueLengths, StateError, SubscriptionId};

use super::error::{from_client, unexpected};
use super::keys;
use super::link::Link;
use super::reply::{bytes, list, next, number, text, verdict};
use super::script::{DEAD_LETTERS, PURGE};

/// How many dead letters one script looks at: a few milliseconds of the server's time.
const STRETCH: u64 = 1000;

/// Dead letters of a collection, oldest first.
pub(super) async fn page(
    link: &Link,
    collection: &CollectionName,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<String>, StateError> {
    let mut call = DEAD_LETTERS.call();
    let after = after.map_or_else(String::new, |after| after.to_string());
    call.arg(collection.as_str()).arg(after).arg(limit);
    let (_, mut parts) = verdict(link.ask(&call).await?)?;
    list(next(&mut parts)?)?.into_iter().map(text).collect()
}

/// Drops the dead letters of a subscription, stretch by stretch, so that no script blocks the server for long.
pub(super) async fn purge(link: &Link, subscription: &SubscriptionId) -> Result<u64, StateError> {
    let (mut first, mut dropped) = (Some(0), 0);
    while let Some(at) = first {
        let mut call = PURGE.call();
        call.arg(subscription.collection.as_str())
            .arg(subscription.destination.as_str())
            .arg(at)
            .arg(STRETCH);
        let (_, mut parts) = verdict(link.ask(&call).await?)?;
        dropped += number(next(&mut parts)?)?;
        first = match next(&mut parts)? {
            Value::Int(-1) => None,
            more => Some(number(more)?),
        };
    }
    Ok(dropped)
}

/// How many records of each subscription wait and are dead.
pub(super) async fn lengths(
    link: &Link,
    subscriptions: &[SubscriptionId],
) -> Result<Vec<QueueLengths>, StateError> {
    if subscriptions.is_empty() {
        return Ok(Vec::new());
    }
    let mut trip = Pipeline::new();
    for subscription in subscriptions {
        let (counts, field) = keys::dead_count(subscription);
        trip.cmd("HLEN").arg(keys::waiting(subscription));
        trip.cmd("HGET").arg(counts).arg(field);
        trip.cmd("LLEN").arg(keys::dead(subscription));
    }
    let mut answers = link.ask_all(&mut trip, 0).await?.into_iter();
    let mut answer = || answers.next().ok_or_else(unexpected)?.map_err(from_client);
    let mut of_one = || {
        let waiting = number(answer()?)?;
        let counted = bytes(answer()?)?.map_or(Ok(0), |count| number(Value::BulkString(count)))?;
        // A list that somebody cleared by hand has no dead letters, whatever was counted.
        Ok(QueueLengths {
            waiting,
            dead: counted.min(number(answer()?)?),
        })
    };
    subscriptions.iter().map(|_| of_one()).collect()
}
