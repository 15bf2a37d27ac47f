//! Redis, where state is kept.

use std::error::Error;
use std::sync::Arc;

use conduit_core::StateError;
use conduit_state::{AppendOnly, RedisReport, RedisSettings, RedisStore};
use url::Url;

use super::check::Check;
use super::finding::Finding;
use super::patience::{REACH, bounded, no_answer};

/// From which share of `maxmemory` on it is a warning, and a failure, in percent.
const MUCH: u64 = 80;
const TOO_MUCH: u64 = 95;

/// Examines the Redis of a URI; returns it too if it can be asked further.
pub(super) async fn examine(uri: &str) -> (Vec<Check>, Option<Arc<RedisStore>>) {
    let shown = shown(uri);
    let settings = RedisSettings {
        connect_timeout: REACH,
        response_timeout: REACH,
        ..RedisSettings::default()
    };
    let store = match RedisStore::connect(uri, settings) {
        Ok(store) => Arc::new(store),
        Err(error) => {
            let cure = "Correct REDIS_URI: redis[s]://[user[:password]@]host[:port][/db]";
            return (
                vec![Check::new("redis", Finding::failed(error.to_string(), cure))],
                None,
            );
        }
    };
    let asked = Arc::clone(&store);
    let report = bounded(async move { asked.report().await }).await;
    match report {
        Some(Ok(report)) => (checks(&report, &shown), Some(store)),
        Some(Err(error)) => (vec![Check::new("redis", not_reached(&error, &shown))], None),
        None => {
            let error = StateError::unavailable(no_answer());
            (vec![Check::new("redis", not_reached(&error, &shown))], None)
        }
    }
}

/// Host and port of a URI, and nothing else of it.
fn shown(uri: &str) -> String {
    let url = Url::parse(uri).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("127.0.0.1");
    let port = url.as_ref().and_then(Url::port).unwrap_or(6379);
    format!("{host}:{port}")
}

fn not_reached(error: &StateError, shown: &str) -> Finding {
    let why = why(error);
    let is = |words: &[&str]| {
        let why = why.to_lowercase();
        words.iter().any(|word| why.contains(word))
    };
    if is(&["wrongpass", "noauth", "invalid password", "authentication"]) {
        return Finding::failed(
            format!("redis at {shown} does not accept the credentials: {why}"),
            "Put user and password of Redis into REDIS_URI: redis://user:password@host:port. For one that is set with \
             requirepass leave the user out: redis://:password@host:port.",
        );
    }
    if is(&["noperm"]) {
        return Finding::failed(
            format!("the user may not use redis at {shown}: {why}"),
            "Give the user the keys and commands that Conduit needs: ACL SETUSER <user> ~cdc:* &cdc:* +@all -@dangerous +info",
        );
    }
    Finding::failed(
        format!("redis at {shown} cannot be used: {why}"),
        "Start Redis, or correct REDIS_URI; `redis-cli -u \"$REDIS_URI\" ping` must answer PONG. For TLS the scheme is rediss://.",
    )
}

/// The message with its causes, which name addresses at most.
fn why(error: &StateError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text.lines().collect::<Vec<_>>().join(" ")
}

fn checks(report: &RedisReport, shown: &str) -> Vec<Check> {
    [
        ("redis", Finding::ok(format!("redis at {shown} answers"))),
        ("redis version", version(report)),
        ("redis persistence", persistence(report)),
        ("redis eviction", eviction(report)),
        ("redis memory", memory(report)),
    ]
    .into_iter()
    .map(|(name, finding)| Check::new(name, finding))
    .collect()
}

fn version(report: &RedisReport) -> Finding {
    let version = report.version.as_deref().unwrap_or("unknown");
    if report.mode.as_deref() == Some("cluster") {
        return Finding::failed(
            format!("redis {version} runs as a cluster, which is not supported"),
            "Use a Redis of its own for Conduit, without cluster-enabled, and set REDIS_URI to it.",
        );
    }
    if report.role.as_deref() == Some("slave") {
        return Finding::failed(
            "this redis is a replica, which takes no writes",
            "Set REDIS_URI to the primary: `redis-cli -u \"$REDIS_URI\" info replication` names it as master_host and \
             master_port.",
        );
    }
    match report.is_new_enough() {
        Some(false) => Finding::failed(
            format!("redis {version} is too old"),
            "Upgrade Redis to version 6.0 or newer.",
        ),
        Some(true) => Finding::ok(format!("redis {version}, standalone, takes writes")),
        None => Finding::skipped("redis does not allow INFO: its settings cannot be looked at"),
    }
}

fn persistence(report: &RedisReport) -> Finding {
    const TURN_ON: &str = "Run: redis-cli config set appendonly yes, then redis-cli config rewrite. Or set appendonly yes in \
                           redis.conf and start it again.";
    if report.is_failing_to_save {
        return Finding::failed(
            "redis could not write its data to the disk the last time",
            "Look into the log of Redis for why, mostly a full disk or missing rights; `redis-cli info persistence` says when \
             it is well again.",
        );
    }
    match (&report.append_only, report.takes_snapshots) {
        (Some(AppendOnly::On(Some(how))), _) if how == "no" => Finding::warning(
            "redis writes an append-only file and leaves it to the system when that is on the disk (appendfsync no)",
            "Run: redis-cli config set appendfsync everysec, then redis-cli config rewrite",
        ),
        (Some(AppendOnly::On(how)), _) => {
            let how = how
                .as_deref()
                .map_or_else(String::new, |how| format!(" (appendfsync {how})"));
            Finding::ok(format!("redis writes an append-only file{how}"))
        }
        (Some(AppendOnly::Off), Some(true)) => Finding::warning(
            "redis keeps snapshots only: what came after the last one is lost with the machine, which costs duplicates",
            TURN_ON,
        ),
        (Some(AppendOnly::Off), Some(false)) => Finding::failed(
            "redis keeps nothing: a restart loses waiting records, dead letters and positions",
            TURN_ON,
        ),
        (Some(AppendOnly::Off), None) => Finding::warning(
            "redis writes no append-only file, and does not tell whether it keeps snapshots",
            TURN_ON,
        ),
        (None, _) => Finding::skipped("redis does not allow INFO: whether it keeps its data is not known"),
    }
}

fn eviction(report: &RedisReport) -> Finding {
    const CURE: &str = "Run: redis-cli config set maxmemory-policy noeviction, then redis-cli config rewrite. Or set \
                        maxmemory-policy noeviction in redis.conf.";
    match report.eviction.as_deref() {
        Some(policy) if policy.starts_with("allkeys-") => Finding::failed(
            format!("redis may throw away any key when memory is used up (maxmemory-policy {policy})"),
            CURE,
        ),
        Some(policy) if policy.starts_with("volatile-") => Finding::warning(
            format!(
                "redis may throw away idempotency keys when memory is used up (maxmemory-policy {policy}), which costs \
                 duplicates"
            ),
            CURE,
        ),
        Some(policy) => Finding::ok(format!("redis throws nothing away (maxmemory-policy {policy})")),
        None => Finding::skipped("redis does not allow INFO: what it may throw away is not known"),
    }
}

fn memory(report: &RedisReport) -> Finding {
    let (Some(used), Some(max)) = (report.used_bytes, report.max_bytes) else {
        return Finding::skipped("redis does not tell how much memory it may use");
    };
    let mebibytes = |bytes: u64| bytes / (1024 * 1024);
    let (used_mb, max_mb) = (mebibytes(used), mebibytes(max));
    let Some(percent) = (used.saturating_mul(100)).checked_div(max) else {
        return Finding::ok(format!("{used_mb} MiB in use, without a limit of its own"));
    };
    let found = format!("{used_mb} of {max_mb} MiB in use, {percent} %");
    let cure = "Give it more: redis-cli config set maxmemory <bytes>. Look for destinations that hold or rest, whose records \
                wait there: conduit status.";
    match percent {
        TOO_MUCH.. => Finding::failed(format!("{found}: soon it takes no more writes"), cure),
        MUCH.. => Finding::warning(found, cure),
        _ => Finding::ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn report() -> RedisReport {
        RedisReport {
            version: Some("7.0.15".to_owned()),
            mode: Some("standalone".to_owned()),
            role: Some("master".to_owned()),
            ..RedisReport::default()
        }
    }

    #[test]
    fn a_uri_is_shown_without_what_it_signs_in_with() {
        assert_eq!(shown("redis://me:hunter2@cache:6380/3"), "cache:6380");
        assert_eq!(shown("rediss://:p%40ss@cache"), "cache:6379");
    }

    #[test]
    fn a_cluster_a_replica_and_an_old_one_fail() {
        let cluster = RedisReport {
            mode: Some("cluster".to_owned()),
            ..report()
        };
        let replica = RedisReport {
            role: Some("slave".to_owned()),
            ..report()
        };
        let old = RedisReport {
            version: Some("5.0.14".to_owned()),
            ..report()
        };
        for bad in [cluster, replica, old] {
            assert_eq!(version(&bad).verdict, Verdict::Failed, "{bad:?}");
        }
        assert_eq!(version(&report()).verdict, Verdict::Ok);
    }

    #[test]
    fn what_keeps_the_data_decides() {
        let kept = |append_only, takes_snapshots| {
            persistence(&RedisReport {
                append_only: Some(append_only),
                takes_snapshots,
                ..report()
            })
            .verdict
        };
        let on = |how: &str| AppendOnly::On(Some(how.to_owned()));
        assert_eq!(kept(on("everysec"), Some(false)), Verdict::Ok);
        assert_eq!(kept(on("no"), Some(true)), Verdict::Warning);
        assert_eq!(kept(AppendOnly::Off, Some(true)), Verdict::Warning);
        assert_eq!(kept(AppendOnly::Off, None), Verdict::Warning);
        assert_eq!(kept(AppendOnly::Off, Some(false)), Verdict::Failed);
    }

    #[test]
    fn little_memory_left_is_said_before_it_is_gone() {
        let used = |used_bytes, max_bytes| {
            memory(&RedisReport {
                used_bytes: Some(used_bytes),
                max_bytes: Some(max_bytes),
                ..report()
            })
            .verdict
        };
        assert_eq!(used(10, 0), Verdict::Ok);
        assert_eq!(used(50, 100), Verdict::Ok);
        assert_eq!(used(80, 100), Verdict::Warning);
        assert_eq!(used(95, 100), Verdict::Failed);
    }
}
