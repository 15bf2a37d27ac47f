//! Dropping what is kept of a subscription or a collection.

use redis::{Pipeline, Value};

use conduit_core::{CollectionName, StateError, SubscriptionId};

use super::error::{from_client, unexpected};
use super::keys;
use super::link::Link;
use super::reply::{bytes, list, text, verdict};
use super::script::FORGET;

/// How many keys one step of a scan looks at: a few milliseconds of the server's time.
const SCANNED: usize = 10_000;
/// How many keys one command drops.
const DROPPED: usize = 1000;

/// Drops a subscription's state but for its dead letters.
pub(super) async fn subscription(link: &Link, subscription: &SubscriptionId) -> Result<(), StateError> {
    let mut call = FORGET.call();
    call.arg(subscription.collection.as_str())
        .arg(subscription.destination.as_str());
    verdict(link.ask(&call).await?).map(drop)
}

/// Drops all of a collection: its state at once, and then its processed keys, to which nobody adds any more because
/// the lease went with the state.
pub(super) async fn collection(link: &Link, collection: &CollectionName) -> Result<(), StateError> {
    let mut call = FORGET.call();
    call.arg(collection.as_str());
    verdict(link.ask(&call).await?)?;
    drop_processed(link, &keys::processed_of(collection)).await
}

/// Scans all keys for those of the pattern. Each trip drops what the one before has found, and looks on.
async fn drop_processed(link: &Link, pattern: &str) -> Result<(), StateError> {
    let mut cursor = Some("0".to_owned());
    let mut found: Vec<Vec<u8>> = Vec::new();
    while cursor.is_some() || !found.is_empty() {
        let mut trip = Pipeline::new();
        for keys in found.chunks(DROPPED) {
            trip.cmd("UNLINK").arg(keys);
        }
        if let Some(cursor) = &cursor {
            trip.cmd("SCAN").arg(cursor);
            trip.arg("MATCH").arg(pattern).arg("COUNT").arg(SCANNED);
        }
        let bytes = found.iter().map(Vec::len).sum();
        let mut answers: Vec<Value> = link
            .ask_all(&mut trip, bytes)
            .await?
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(from_client)?;
        (cursor, found) = match cursor {
            Some(_) => scanned(answers.pop().ok_or_else(unexpected)?)?,
            None => (None, Vec::new()),
        };
    }
    Ok(())
}

/// Where a scan goes on, if it does, and the keys that it has found.
fn scanned(answer: Value) -> Result<(Option<String>, Vec<Vec<u8>>), StateError> {
    let [cursor, found] = <[Value; 2]>::try_from(list(answer)?).map_err(|_| unexpected())?;
    let cursor = Some(text(cursor)?).filter(|cursor| cursor != "0");
    let key = |value| bytes(value)?.ok_or_else(unexpected);
    Ok((
        cursor,
        list(found)?.into_iter().map(key).collect::<Result<_, _>>()?,
    ))
}
