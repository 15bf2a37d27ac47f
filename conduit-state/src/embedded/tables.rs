//! The tables of the file. Keys begin with collection and destination, values are written as in all stores.

use redb::{
    Key, ReadOnlyTable, ReadTransaction, Table, TableDefinition, TableError, Value, WriteTransaction,
};

use conduit_core::SubscriptionId;

/// Collection and destination.
type Names = (&'static str, &'static str);
/// Collection, destination, and the id of a waiting record.
type WaitingKey = (&'static str, &'static str, u64);
/// Collection, destination, and some text.
pub(super) type TextKey = (&'static str, &'static str, &'static str);

/// Collection, destination, a record's key, and the id of a dead letter.
type PoisoningKey = (&'static str, &'static str, &'static str, u64);

/// `format`: the version of the encoding; `epoch`: the last epoch given.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Leases by collection.
pub(super) const LEASES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("leases");
/// Progress of subscriptions.
pub(super) const PROGRESS: TableDefinition<'_, Names, &[u8]> = TableDefinition::new("progress");
/// Waiting records without their contents.
pub(super) const WAITING: TableDefinition<'_, WaitingKey, &[u8]> = TableDefinition::new("waiting");
/// The contents of waiting records: the records' JSON.
pub(super) const CONTENTS: TableDefinition<'_, WaitingKey, &[u8]> = TableDefinition::new("contents");
/// What was settled ahead of positions, by sequence.
pub(super) const AHEAD: TableDefinition<'_, TextKey, ()> = TableDefinition::new("ahead");
/// Dead letters that are not stale, by key and id: time and place of their records.
pub(super) const POISONING: TableDefinition<'_, PoisoningKey, (u32, u32, &str)> =
    TableDefinition::new("poisoning");
/// Dead letters by collection and id: the destination and the JSON.
pub(super) const DEAD: TableDefinition<'_, (&str, u64), (&str, &[u8])> = TableDefinition::new("dead");
/// What the JSON of dead letters does not hold, by collection and id.
pub(super) const DEAD_INDEX: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("dead index");
/// The last id of a dead letter, by collection.
pub(super) const LAST_DEAD: TableDefinition<'_, &str, u64> = TableDefinition::new("last dead");
/// How many dead letters a subscription has.
pub(super) const DEAD_COUNT: TableDefinition<'_, Names, u64> = TableDefinition::new("dead count");
/// Processed ids: the generation, and when it is forgotten.
pub(super) const PROCESSED: TableDefinition<'_, TextKey, (u64, i64)> = TableDefinition::new("processed");
/// Processed ids in the order in which they are forgotten.
pub(super) const EXPIRIES: TableDefinition<'_, (i64, &str, &str, &str), ()> =
    TableDefinition::new("expiries");

/// The tables that a change of state needs.
pub(super) struct Tables<'t> {
    pub(super) meta: Table<'t, &'static str, u64>,
    pub(super) leases: Table<'t, &'static str, &'static [u8]>,
    pub(super) progress: Table<'t, Names, &'static [u8]>,
    pub(super) waiting: Table<'t, WaitingKey, &'static [u8]>,
    pub(super) contents: Table<'t, WaitingKey, &'static [u8]>,
    pub(super) ahead: Table<'t, TextKey, ()>,
    pub(super) poisoning: Table<'t, PoisoningKey, (u32, u32, &'static str)>,
    pub(super) dead: Table<'t, (&'static str, u64), (&'static str, &'static [u8])>,
    pub(super) dead_index: Table<'t, (&'static str, u64), &'static [u8]>,
    pub(super) last_dead: Table<'t, &'static str, u64>,
    pub(super) dead_count: Table<'t, Names, u64>,
    pub(super) processed: Table<'t, TextKey, (u64, i64)>,
    pub(super) expiries: Table<'t, (i64, &'static str, &'static str, &'static str), ()>,
}

impl<'t> Tables<'t> {
    /// Opens all tables, making those that are not there.
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            leases: transaction.open_table(LEASES)?,
            progress: transaction.open_table(PROGRESS)?,
            waiting: transaction.open_table(WAITING)?,
            contents: transaction.open_table(CONTENTS)?,
            ahead: transaction.open_table(AHEAD)?,
            poisoning: transaction.open_table(POISONING)?,
            dead: transaction.open_table(DEAD)?,
            dead_index: transaction.open_table(DEAD_INDEX)?,
            last_dead: transaction.open_table(LAST_DEAD)?,
            dead_count: transaction.open_table(DEAD_COUNT)?,
            processed: transaction.open_table(PROCESSED)?,
            expiries: transaction.open_table(EXPIRIES)?,
        })
    }
}

/// Opens a table for reading. All tables are made when the file is.
pub(super) fn read_table<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<ReadOnlyTable<K, V>, TableError> {
    transaction.open_table(table)
}

/// Collection and destination as a key.
pub(super) fn names(subscription: &SubscriptionId) -> (&str, &str) {
    (
        subscription.collection.as_str(),
        subscription.destination.as_str(),
    )
}

/// The least text after `text` itself: no name holds a NUL.
pub(super) fn after(text: &str) -> String {
    format!("{text}\0")
}
