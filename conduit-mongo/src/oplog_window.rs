//! How far back the history of a replica set reaches.

use std::time::Duration;

use bson::{Bson, Document, doc};
use conduit_core::WallTime;
use mongodb::error::Error;
use mongodb::options::FindOneOptions;
use mongodb::{Client, Collection, Database};

use crate::server_error::{code, code_of};

/// What one look at a replica set's oplog tells of the time that it holds.
///
/// An oplog that is full holds the time between its first and its last entry. One that is not full yet will hold more: as much
/// as its size allows at the rate of the changes that are in it. That is its *length*. A change of some age is overwritten
/// when the length has passed since, so what is left of it is the length less its age.
///
/// The length follows the load: it is that of the changes that the oplog holds, not a promise. Ten times as many changes
/// from now on make it ten times shorter, bit by bit while they take the place of the old ones.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OplogWindow {
    oldest: WallTime,
    newest: WallTime,
    /// How much of its size is used, where that is known; an oplog can have more than its size.
    filled: Option<f64>,
}

/// What can be known of an oplog.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum OplogAnswer {
    /// It was read.
    Window(OplogWindow),
    /// The user may not read `local.oplog.rs`: the role `read` on the database `local` is what it needs.
    NotAllowed,
    /// There is none to be read: a sharded cluster (`mongos`), whose shards have one each, or a standalone server.
    None,
}

impl OplogWindow {
    /// Looks at the oplog of the member that `database`'s client reads from: its first entry, its last one, and its size.
    ///
    /// Three small requests, none of which depends on how much is in it. Needs the actions `find` and `collStats` on
    /// `local.oplog.rs`, which the role `read` on `local` has; without `collStats` an oplog is taken to be full. The future
    /// holds the driver's, which must not be dropped midway: run it in a task of its own.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn read(database: &Database) -> Result<OplogAnswer, Error> {
        match read(database.client()).await {
            Ok(Some(window)) => Ok(OplogAnswer::Window(window)),
            Ok(None) => Ok(OplogAnswer::None),
            Err(error) => match code_of(&error) {
                Some(code::UNAUTHORIZED) => Ok(OplogAnswer::NotAllowed),
                // What `mongos` says of the database `local`.
                Some(code::INVALID_NAMESPACE | code::ILLEGAL_OPERATION | code::COMMAND_NOT_FOUND) => {
                    Ok(OplogAnswer::None)
                }
                _ => Err(error),
            },
        }
    }

    /// Makes a window of what was seen: the times of the first and the last entry, and how much of the oplog's size is
    /// used (1 where it is full), if that is known.
    #[must_use]
    pub fn new(oldest: WallTime, newest: WallTime, filled: Option<f64>) -> Self {
        Self {
            oldest,
            newest,
            filled,
        }
    }

    /// Returns how much time the oplog holds, or will once it is full, at the rate of the changes that are in it.
    #[must_use]
    pub fn length(&self) -> Duration {
        // Times of entries are whole seconds.
        let held = self.newest.since(self.oldest).max(Duration::from_secs(1));
        match self.filled {
            Some(filled) if filled > 0.0 && filled < 1.0 => held.mul_f64((1.0 / filled).min(MAX_STRETCH)),
            _ => held,
        }
    }

    /// Returns how long it takes, if nothing else changes, until the change at a position of this time is overwritten; zero
    /// if it is.
    #[must_use]
    pub fn left(&self, position: WallTime) -> Duration {
        if position < self.oldest {
            return Duration::ZERO;
        }
        self.length().saturating_sub(self.age(position))
    }

    /// Returns how far behind the newest change a position of this time is.
    #[must_use]
    pub fn age(&self, position: WallTime) -> Duration {
        self.newest.since(position)
    }
}

/// An oplog that is nearly empty says little about its length; and years are as good as centuries.
const MAX_STRETCH: f64 = 1e6;

async fn read(client: &Client) -> Result<Option<OplogWindow>, Error> {
    let oplog = client.database("local").collection::<Document>("oplog.rs");
    let (Some(oldest), Some(newest)) = (entry_time(&oplog, 1).await?, entry_time(&oplog, -1).await?) else {
        return Ok(None);
    };
    let filled = filled(&oplog).await?;
    Ok(Some(OplogWindow::new(oldest, newest, filled)))
}

/// Returns the time of the first (1) or the last (-1) entry.
async fn entry_time(oplog: &Collection<Document>, direction: i32) -> Result<Option<WallTime>, Error> {
    let options = FindOneOptions::builder()
        .sort(doc! { "$natural": direction })
        .projection(doc! { "ts": 1, "_id": 0 })
        .build();
    let entry = oplog.find_one(doc! {}).with_options(options).await?;
    let time = entry.and_then(|entry| entry.get_timestamp("ts").ok());
    Ok(time.map(|time| WallTime::from_millis(i64::from(time.time) * 1000)))
}

/// Returns how much of its size is used, if the user may know it.
async fn filled(oplog: &Collection<Document>) -> Result<Option<f64>, Error> {
    let pipeline = [
        doc! { "$collStats": { "storageStats": {} } },
        doc! { "$project": { "_id": 0, "size": "$storageStats.size", "maxSize": "$storageStats.maxSize" } },
    ];
    let mut cursor = match oplog.aggregate(pipeline).await {
        Ok(cursor) => cursor,
        Err(error) if code_of(&error) == Some(code::UNAUTHORIZED) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !cursor.advance().await? {
        return Ok(None);
    }
    let stats = cursor.deserialize_current()?;
    let size = |name: &str| stats.get(name).and_then(number).filter(|size| *size > 0.0);
    Ok(size("size").zip(size("maxSize")).map(|(size, most)| size / most))
}

#[allow(clippy::cast_precision_loss)]
fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Int64(number) => Some(*number as f64),
        Bson::Double(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> WallTime {
        WallTime::from_millis(seconds * 1000)
    }

    fn window(filled: Option<f64>) -> OplogWindow {
        OplogWindow::new(at(1000), at(2000), filled)
    }

    fn seconds(duration: Duration) -> u64 {
        duration.as_secs()
    }

    #[test]
    fn a_full_oplog_leaves_a_position_the_window_less_its_age() {
        for filled in [None, Some(1.0), Some(1.3)] {
            assert_eq!(seconds(window(filled).length()), 1000, "{filled:?}");
            assert_eq!(seconds(window(filled).left(at(1900))), 900, "{filled:?}");
            assert_eq!(seconds(window(filled).left(at(1000))), 0, "{filled:?}");
        }
    }

    #[test]
    fn an_oplog_that_is_not_full_yet_has_room_for_more_at_the_same_rate() {
        let quarter = window(Some(0.25));
        assert_eq!(seconds(quarter.length()), 4000);
        assert_eq!(seconds(quarter.left(at(2000))), 4000);
        assert_eq!(seconds(quarter.left(at(1000))), 3000);
    }

    #[test]
    fn what_is_overwritten_has_nothing_left_and_what_is_newer_than_the_look_has_all() {
        for filled in [Some(0.25), Some(1.0)] {
            assert_eq!(seconds(window(filled).left(at(999))), 0);
            assert_eq!(window(filled).left(at(2050)), window(filled).length());
        }
        assert_eq!(window(Some(0.0)).length(), Duration::from_secs(1000));
        // All of it is of one second.
        let new = OplogWindow::new(at(7), at(7), Some(0.001));
        assert_eq!(seconds(new.left(at(7))), 1000);
    }
}
