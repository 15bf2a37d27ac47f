//! What is asked of the Redis server itself.

use conduit_core::{CollectionName, StateError, StateErrorKind};

use super::announcements::Announcements;
use super::keys::{COMMANDS_CHANNEL, CONFIG_CHANGE};
use super::listener::Listener;
use super::reply::text;
use super::store::RedisStore;

/// The oldest version that has all that the scripts need.
pub(super) const OLDEST_VERSION: u32 = 6;

impl RedisStore {
    /// Checks that this Redis may be trusted with state: version 6 or newer, no cluster, and no right to evict keys
    /// that have no expiry. What the server does not let one ask is not checked, with a warning. Called once at start.
    ///
    /// # Errors
    /// `Invalid` if it may not, saying what to change; `Unavailable` if it does not answer.
    pub async fn check(&self) -> Result<(), StateError> {
        let mut info = String::new();
        for section in ["server", "memory"] {
            match self.link().ask(redis::cmd("INFO").arg(section)).await {
                Ok(answer) => info.push_str(&text(answer)?),
                Err(error)
                    if error.message().contains("NOPERM") || error.message().contains("unknown command") =>
                {
                    tracing::warn!(section, "redis does not allow INFO: its settings are not checked");
                }
                Err(error) => return Err(error),
            }
        }
        judge(&info)
    }

    /// Tells all listeners that the configuration of a collection changed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn publish_config_change(&self, collection: &CollectionName) -> Result<(), StateError> {
        self.link()
            .ask(redis::cmd("PUBLISH").arg(CONFIG_CHANGE).arg(collection.as_str()))
            .await
            .map(drop)
    }

    /// Listens for changes of the configuration and for commands, over a connection of its own that is made again when it
    /// breaks.
    #[must_use]
    pub fn subscribe_announcements(&self) -> Announcements {
        let channels = vec![CONFIG_CHANGE.to_owned(), COMMANDS_CHANNEL.to_owned()];
        Announcements::new(self.listener(channels, "changes and commands"))
    }

    pub(super) fn listener(&self, channels: Vec<String>, subject: &'static str) -> Listener {
        let client = self.link().client().clone();
        Listener::new(client, self.settings().connect_timeout, channels, subject)
    }
}

/// Finds a field in what `INFO` answers.
pub(super) fn field_of(info: &str, name: &str) -> Option<String> {
    let of_name = |line: &str| Some(line.trim_end().strip_prefix(name)?.strip_prefix(':')?.to_owned());
    info.lines().find_map(of_name)
}

fn judge(info: &str) -> Result<(), StateError> {
    let field = |name: &str| field_of(info, name);
    let invalid = |message: String| Err(StateError::new(StateErrorKind::Invalid, message));
    if let Some(policy) = field("maxmemory_policy").filter(|policy| policy.starts_with("allkeys-")) {
        return invalid(format!(
            "redis may evict any key (maxmemory-policy {policy}): set maxmemory-policy to noeviction"
        ));
    }
    if field("redis_mode").is_some_and(|mode| mode == "cluster") {
        return invalid("redis runs as a cluster, which is not supported: use a standalone server".into());
    }
    let version = field("redis_version").unwrap_or_default();
    match version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok())
    {
        Some(major) if major < OLDEST_VERSION => invalid(format!(
            "redis {version} is too old: version {OLDEST_VERSION}.0 or newer is needed"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_may_evict_any_key_is_refused_with_what_to_set() {
        let error = judge("redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\n").unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Invalid);
        assert!(
            error.message().contains("set maxmemory-policy to noeviction"),
            "{error}"
        );
        assert!(judge("redis_version:7.0.15\r\nmaxmemory_policy:volatile-lru\r\n").is_ok());
    }

    #[test]
    fn a_redis_that_is_too_old_or_a_cluster_is_refused() {
        assert!(judge("redis_version:5.0.14\r\nredis_mode:standalone\r\n").is_err());
        assert!(judge("redis_version:7.0.0\r\nredis_mode:cluster\r\n").is_err());
        assert!(judge("redis_version:6.0.0\r\nredis_mode:standalone\r\n").is_ok());
        assert!(judge("").is_ok());
    }
}
