//! What a Redis is like: what keeps its data, and what it may throw away.

use conduit_core::StateError;

use super::reply::{list, text};
use super::server::{OLDEST_VERSION, field_of};
use super::store::RedisStore;

/// What a Redis says of itself. What it does not let one ask is `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RedisReport {
    /// Such as `7.0.15`.
    pub version: Option<String>,
    /// `standalone`, `sentinel` or `cluster`.
    pub mode: Option<String>,
    /// `master` or `slave`, which takes no writes.
    pub role: Option<String>,
    /// `maxmemory-policy`: what may be thrown away when memory is used up.
    pub eviction: Option<String>,
    /// How many bytes are in use.
    pub used_bytes: Option<u64>,
    /// How many may be; 0 for no limit.
    pub max_bytes: Option<u64>,
    /// Whether every write goes to an append-only file, and when it is on the disk.
    pub append_only: Option<AppendOnly>,
    /// Whether snapshots are taken from time to time.
    pub takes_snapshots: Option<bool>,
    /// What the last write of the append-only file or of a snapshot failed with.
    pub is_failing_to_save: bool,
}

/// How the append-only file is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AppendOnly {
    /// There is none.
    Off,
    /// There is one; `appendfsync` is `always`, `everysec` or `no`, if that can be asked for.
    On(Option<String>),
}

impl RedisReport {
    /// Whether the version is one that [`RedisStore::check`] takes; `None` if it is not known.
    #[must_use]
    pub fn is_new_enough(&self) -> Option<bool> {
        let major: u32 = self.version.as_ref()?.split('.').next()?.parse().ok()?;
        Some(major >= OLDEST_VERSION)
    }

    fn of(info: &str) -> Self {
        let field = |name: &str| field_of(info, name);
        let number = |name: &str| field(name)?.parse().ok();
        let is_bad = |name: &str| field(name).is_some_and(|status| status != "ok");
        let append_only = field("aof_enabled").map(|enabled| match &*enabled {
            "1" => AppendOnly::On(None),
            _ => AppendOnly::Off,
        });
        Self {
            version: field("redis_version"),
            mode: field("redis_mode"),
            role: field("role"),
            eviction: field("maxmemory_policy"),
            used_bytes: number("used_memory"),
            max_bytes: number("maxmemory"),
            is_failing_to_save: is_bad("rdb_last_bgsave_status")
                || (append_only == Some(AppendOnly::On(None)) && is_bad("aof_last_write_status")),
            append_only,
            takes_snapshots: None,
        }
    }
}

impl RedisStore {
    /// Asks what this Redis is like, changing nothing.
    ///
    /// # Errors
    /// `Unavailable` if it does not answer, or wants another password.
    pub async fn report(&self) -> Result<RedisReport, StateError> {
        self.link().ask(&redis::cmd("PING")).await?;
        let mut info = String::new();
        for section in ["server", "memory", "persistence", "replication"] {
            if let Ok(answer) = self.link().ask(redis::cmd("INFO").arg(section)).await {
                info.push_str(&text(answer)?);
            }
        }
        let mut report = RedisReport::of(&info);
        if let Some(AppendOnly::On(how)) = &mut report.append_only {
            *how = self.setting("appendfsync").await;
        }
        report.takes_snapshots = self.setting("save").await.map(|when| !when.is_empty());
        Ok(report)
    }

    /// Many that host a Redis allow no `CONFIG`.
    async fn setting(&self, name: &str) -> Option<String> {
        let answer = self
            .link()
            .ask(redis::cmd("CONFIG").arg("GET").arg(name))
            .await
            .ok()?;
        let mut parts = match answer {
            redis::Value::Map(pairs) => pairs
                .into_iter()
                .flat_map(|(name, value)| [name, value])
                .collect(),
            other => list(other).ok()?,
        };
        text(parts.pop()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_not_known() {
        assert_eq!(RedisReport::of(""), RedisReport::default());
        assert_eq!(RedisReport::default().is_new_enough(), None);
    }

    #[test]
    fn a_report_is_read_off_what_the_server_says() {
        let report = RedisReport::of(
            "redis_version:5.0.14\r\nredis_mode:standalone\r\nrole:slave\r\nused_memory:900\r\nmaxmemory:1000\r\n\
             maxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:err\r\nrdb_last_bgsave_status:ok\r\n",
        );
        assert_eq!(report.is_new_enough(), Some(false));
        assert_eq!(report.role.as_deref(), Some("slave"));
        assert_eq!((report.used_bytes, report.max_bytes), (Some(900), Some(1000)));
        assert_eq!(report.append_only, Some(AppendOnly::On(None)));
        assert!(report.is_failing_to_save);
    }
}
