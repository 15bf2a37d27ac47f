//! The names of keys, in one place with what they hold. The scripts make most of them themselves, in `lua/prelude.lua`.
//!
//! | key | type | what |
//! |---|---|---|
//! | `cdc:resume:<collection>` | string | a copy of the oldest of its destinations' progress; never read |
//! | `cdc:resume:<collection>:<destination>` | string | a destination's progress |
//! | `cdc:retry:<collection>` | sorted set | `<destination>\|<id>` by the moment it is due |
//! | `cdc:dlq:<collection>` | list | dead letters, oldest first |
//! | `cdc:processed:<collection>:<TYPE>:<ms>-<event id>-<destination>` | string, 24 h | the generation it belongs to |
//! | `cdc:lease:<collection>` | hash | `worker`, `until` (ms), `epoch` |
//! | `cdc:state:epoch` | string | the last epoch given to anyone |
//! | `cdc:state:positions:<collection>` | sorted set | positions, in order by their text |
//! | `cdc:state:waiting:<collection>:<destination>` | hash | id → waiting record without its contents |
//! | `cdc:state:retry:<collection>:<destination>` | hash | id → the record's JSON |
//! | `cdc:state:ahead:<collection>:<destination>` | sorted set | what was settled ahead of the position |
//! | `cdc:state:letters:<collection>:<destination>` | sorted set | `<key>\|<sequence> <t> <i> <id>` of letters not stale |
//! | `cdc:state:poisoned:<collection>:<destination>` | hash | key → how many these are, and the newest one's time |
//! | `cdc:state:dead:<collection>` | hash | id of a dead letter → its destination, key, sequence, time |
//! | `cdc:state:counts:<collection>` | hash | `last-dead`: the last id; `dead:<destination>`: how many |
//! | `cdc:state:processed` | hash | hour → how many processed keys were written in it, also of collections forgotten since |
//! | `cdc:state:status:<worker>` | string | what a worker says of itself |
//! | `cdc:state:workers` | sorted set | workers by the moment of their last status |
//! | `cdc:state:commands` | hash | id → a command that nobody claimed yet: `at` (ms), `collection`, `command` |
//! | `cdc:state:answers` | hash | id → when a command was answered (ms), a blank, the answer |
//! | `cdc:state:last-command` | string | how many commands there were |
//! | `cdc:state:tails` | sorted set | `<id>:<collection>` of who follows records, by the moment they last said so |
//! | `cdc:state:last-tail` | string | how many began to follow |
//!
//! Channels: `cdc:config-change`, `cdc:state:commands`, `cdc:state:tails` (who begins to follow), and
//! `cdc:state:tail:<collection>` (what is told of records to those who do).

use std::fmt::Write as _;

use conduit_core::{CollectionName, ProcessedId, SubscriptionId};

/// The channel on which changes of the configuration are told.
pub(super) const CONFIG_CHANGE: &str = "cdc:config-change";
/// The channel on which workers are told of commands.
pub(super) const COMMANDS_CHANNEL: &str = "cdc:state:commands";

/// The channel on which workers are told of who begins to follow.
pub(super) const TAILS_CHANNEL: &str = "cdc:state:tails";

/// The channel on which those who follow a collection are told of its records.
pub(super) fn tail_channel(collection: &CollectionName) -> String {
    format!("cdc:state:tail:{collection}")
}

pub(super) fn resume(subscription: &SubscriptionId) -> String {
    format!(
        "cdc:resume:{}:{}",
        subscription.collection, subscription.destination
    )
}

pub(super) fn waiting(subscription: &SubscriptionId) -> String {
    format!(
        "cdc:state:waiting:{}:{}",
        subscription.collection, subscription.destination
    )
}

pub(super) fn contents(subscription: &SubscriptionId) -> String {
    format!(
        "cdc:state:retry:{}:{}",
        subscription.collection, subscription.destination
    )
}

pub(super) fn processed(subscription: &SubscriptionId, id: &ProcessedId) -> String {
    let mut key = String::new();
    write_processed(&mut key, subscription, id);
    key
}

/// Appends the name to a text, since there are many of them in a commit.
pub(super) fn write_processed(key: &mut String, subscription: &SubscriptionId, id: &ProcessedId) {
    let SubscriptionId {
        collection,
        destination,
    } = subscription;
    let ProcessedId {
        record_type,
        timestamp,
        event_id,
    } = id;
    // Writing to a String cannot fail.
    let _ = write!(
        key,
        "cdc:processed:{collection}:{record_type}:{}-{event_id}-{destination}",
        timestamp.as_millis()
    );
}

/// The pattern of `SCAN` that all processed keys of a collection match, and no others: no name holds a `:`.
pub(super) fn processed_of(collection: &CollectionName) -> String {
    let mut pattern = String::from("cdc:processed:");
    for character in collection.as_str().chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push_str(":*");
    pattern
}

pub(super) fn poisoned(subscription: &SubscriptionId) -> String {
    format!(
        "cdc:state:poisoned:{}:{}",
        subscription.collection, subscription.destination
    )
}

pub(super) fn dead(subscription: &SubscriptionId) -> String {
    format!("cdc:dlq:{}", subscription.collection)
}

/// The hash of counts, and the subscription's field in it.
pub(super) fn dead_count(subscription: &SubscriptionId) -> (String, String) {
    (
        format!("cdc:state:counts:{}", subscription.collection),
        format!("dead:{}", subscription.destination),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_the_name_literally() {
        let pattern = processed_of(&CollectionName::new(r"a*[b]?\").unwrap());
        assert_eq!(pattern, r"cdc:processed:a\*\[b\]\?\\:*");
    }
}
