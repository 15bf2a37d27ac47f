//! How much history MongoDB keeps.

use std::time::Duration;

use bson::{Bson, Document, doc};
use conduit_core::ClusterTime;

use super::collection_admin::CollectionAdmin;
use super::deployment::ask;
use super::error::{AdminError, AdminErrorKind};

/// The replica set's oplog: what change streams read from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct History {
    /// The oldest change that is still there.
    pub oldest: ClusterTime,
    /// The newest one.
    pub newest: ClusterTime,
    /// How many bytes it has.
    pub bytes: Option<u64>,
    /// From how many bytes on the oldest changes go.
    pub max_bytes: Option<u64>,
    /// For how long changes stay in any case (`storage.oplogMinRetentionHours`); `None` if not at all, or if that cannot be
    /// asked for.
    pub retention: Option<Duration>,
}

impl History {
    /// How much time lies between the oldest change and the newest one.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_secs(u64::from(self.newest.t.saturating_sub(self.oldest.t)))
    }

    /// Whether the oldest changes go as new ones come; `None` if it is not known.
    #[must_use]
    pub fn is_full(&self) -> Option<bool> {
        // It is cut in pieces of up to a tenth of it.
        Some(self.bytes? >= self.max_bytes? / 10 * 9)
    }

    /// How far back it will reach once it is full, if as much is written as until now.
    #[must_use]
    pub fn expected_window(&self) -> Duration {
        match (self.bytes, self.max_bytes) {
            (Some(bytes), Some(max_bytes)) if bytes > 0 && max_bytes > bytes => {
                let seconds = u128::from(self.window().as_secs()) * u128::from(max_bytes) / u128::from(bytes);
                Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX))
            }
            _ => self.window(),
        }
    }
}

impl CollectionAdmin {
    /// Asks how much history the replica set's oplog holds, on the member that answers.
    ///
    /// # Errors
    /// `NotSupported` by a server without an oplog, as `mongos`; else `Unavailable`; denied without the right to read the
    /// database `local`.
    pub async fn history(&self) -> Result<History, AdminError> {
        let local = self.local_database();
        let doing = "read the oplog";
        let end = async |order: i32| {
            let find = doc! {
                "find": "oplog.rs", "sort": { "$natural": order }, "limit": 1, "projection": { "ts": 1 },
            };
            let reply = ask(&local, find, doing).await?;
            let batch = reply
                .get_document("cursor")
                .and_then(|cursor| cursor.get_array("firstBatch"));
            let first = batch.ok().and_then(|batch| batch.first()?.as_document());
            let time = first.and_then(|entry| entry.get_timestamp("ts").ok());
            time.map(|time| ClusterTime::new(time.time, time.increment))
                .ok_or_else(|| AdminError::new(AdminErrorKind::NotSupported, "this server has no oplog"))
        };
        let (oldest, newest) = (end(1).await?, end(-1).await?);
        let sizes = ask(&local, doc! { "collStats": "oplog.rs" }, doing)
            .await
            .unwrap_or_default();
        Ok(History {
            oldest,
            newest,
            bytes: sizes.get("size").and_then(whole),
            max_bytes: sizes.get("maxSize").and_then(whole),
            retention: self.retention().await,
        })
    }

    async fn retention(&self) -> Option<Duration> {
        let command = doc! { "serverStatus": 1, "oplogTruncation": 1, "metrics": 0, "wiredTiger": 0 };
        let status = ask(&self.admin_database(), command, "ask for the oplog's retention")
            .await
            .ok()?;
        let truncation = status.get_document("oplogTruncation").ok()?;
        let hours = match truncation.get("oplogMinRetentionHours")? {
            Bson::Double(hours) => *hours,
            other => f64::from(i32::try_from(whole(other)?).ok()?),
        };
        (hours > 0.0).then(|| Duration::try_from_secs_f64(hours * 3600.0).ok())?
    }

    /// Returns after how long stored images go, whatever the oplog holds; `None` if only with the oplog, or if that cannot be
    /// asked for.
    pub async fn image_expiry(&self) -> Option<Duration> {
        let command = doc! { "getClusterParameter": "changeStreamOptions" };
        let reply = ask(&self.admin_database(), command, "ask when images expire")
            .await
            .ok()?;
        let parameters = reply.get_array("clusterParameters").ok()?;
        let images = parameters
            .first()?
            .as_document()?
            .get_document("preAndPostImages")
            .ok()?;
        images
            .get("expireAfterSeconds")
            .and_then(whole)
            .map(Duration::from_secs)
    }

    /// Returns the version that the deployment behaves as (`featureCompatibilityVersion`), such as `6.0`, if that can be
    /// asked for.
    pub async fn compatibility_version(&self) -> Option<String> {
        let command = doc! { "getParameter": 1, "featureCompatibilityVersion": 1 };
        let reply: Document = ask(
            &self.admin_database(),
            command,
            "ask for the compatibility version",
        )
        .await
        .ok()?;
        let version = reply.get_document("featureCompatibilityVersion").ok()?;
        version.get_str("version").ok().map(str::to_owned)
    }
}

fn whole(value: &Bson) -> Option<u64> {
    match value {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        // What MongoDB tells as a double is a whole number of bytes or seconds.
        Bson::Double(number) => Duration::try_from_secs_f64(*number)
            .ok()
            .map(|whole| whole.as_secs()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(bytes: u64) -> History {
        History {
            oldest: ClusterTime::new(1_000, 0),
            newest: ClusterTime::new(4_600, 0),
            bytes: Some(bytes),
            max_bytes: Some(1_000),
            retention: None,
        }
    }

    #[test]
    fn a_history_that_is_not_full_yet_will_reach_farther_back() {
        assert_eq!(history(100).is_full(), Some(false));
        assert_eq!(history(100).expected_window(), Duration::from_secs(36_000));
        assert_eq!(history(950).is_full(), Some(true));
        assert_eq!(history(1_100).expected_window(), Duration::from_secs(3_600));
    }
}
