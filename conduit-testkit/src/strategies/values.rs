//! Names, places and times.

use std::sync::Arc;

use conduit_core::{
    ClusterTime, CollectionName, DestinationId, EventId, Position, RecordKey, RecordType, Sequence,
    StreamIdentity, WallTime,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Legal collection names, unusual ones among them.
pub fn collections() -> impl Strategy<Value = CollectionName> {
    let plain = "[a-z][a-z0-9_.]{0,20}";
    let unusual = "[^:\0]{1,12}";
    prop_oneof![4 => plain, 1 => unusual]
        .prop_filter_map("a legal name", |name: String| CollectionName::new(name).ok())
}

/// Legal destination ids.
pub fn destinations() -> impl Strategy<Value = DestinationId> {
    "[a-z0-9-]{1,64}".prop_filter_map("a legal id", |id: String| DestinationId::new(id).ok())
}

/// Event ids: visible ASCII characters, as watchers make them.
pub fn event_ids() -> impl Strategy<Value = EventId> {
    "[!-~]{1,40}".prop_map(EventId::new)
}

/// Keys, some of them often.
pub fn record_keys() -> impl Strategy<Value = RecordKey> {
    prop_oneof![
        (0_u8..4).prop_map(|n| RecordKey::of(&[n])),
        any::<u128>().prop_map(RecordKey::from_u128),
    ]
}

/// What a change can do.
pub fn record_types() -> impl Strategy<Value = RecordType> {
    select(vec![RecordType::Insert, RecordType::Modify, RecordType::Remove])
}

/// Times of a source, of which many share their second.
pub fn cluster_times() -> impl Strategy<Value = ClusterTime> {
    (1_700_000_000_u32..1_700_000_100, 0_u32..5).prop_map(|(t, i)| ClusterTime::new(t, i))
}

/// Moments between 1970 and 2286.
pub fn wall_times() -> impl Strategy<Value = WallTime> {
    (0_i64..10_000_000_000_000).prop_map(WallTime::from_millis)
}

/// Resume tokens: upper-case hexadecimal digits.
pub fn tokens() -> impl Strategy<Value = String> {
    "82[0-9A-F]{8,24}"
}

/// Places of records: of changes that make one record, and both of those that make two.
pub fn sequences() -> impl Strategy<Value = Sequence> {
    (tokens(), 0_u8..4).prop_map(|(token, kind)| match kind {
        0 => Sequence::pair(&token).0,
        1 => Sequence::pair(&token).1,
        _ => Sequence::whole(&token),
    })
}

/// Positions with and without a token.
pub fn positions() -> impl Strategy<Value = Position> {
    (cluster_times(), option::of(tokens())).prop_map(|(time, token)| match token {
        Some(token) => Position::after(time, token, stream()),
        None => Position::at_time(time),
    })
}

/// The stream that all positions belong to.
pub(super) fn stream() -> Arc<StreamIdentity> {
    Arc::new(StreamIdentity {
        source: "id:sample".to_owned(),
        options: "sample".to_owned(),
    })
}
