//! The Redis that is measured with.

use redis::aio::MultiplexedConnection;
use serde_json::Value;

use crate::{Failure, suite::required};

/// How many commands were carried out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    /// All of them, those of scripts too.
    pub(crate) commands: u64,
    /// Scripts.
    pub(crate) scripts: u64,
}

/// A server that this run may use alone.
pub(crate) struct Redis {
    uri: String,
    connection: MultiplexedConnection,
}

impl Redis {
    pub(crate) async fn connect() -> Result<Self, Failure> {
        let uri = required("CONDUIT_BENCH_REDIS_URI")?;
        let connection = redis::Client::open(uri.as_str())?
            .get_multiplexed_async_connection()
            .await?;
        Ok(Self { uri, connection })
    }

    pub(crate) fn uri(&self) -> String {
        self.uri.clone()
    }

    /// Forgets everything, so that every run begins alike.
    pub(crate) async fn flush(&self) -> Result<(), Failure> {
        Ok(redis::cmd("FLUSHALL")
            .query_async(&mut self.connection.clone())
            .await?)
    }

    /// How many commands were carried out so far.
    pub(crate) async fn calls(&self) -> Result<Calls, Failure> {
        let mut query = redis::cmd("INFO");
        query.arg("commandstats");
        let text: String = query.query_async(&mut self.connection.clone()).await?;
        let mut calls = Calls::default();
        for line in text.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
            let (name, rest) = line
                .split_once(":calls=")
                .ok_or("redis tells its calls otherwise")?;
            let count: u64 = rest.split(',').next().unwrap_or_default().parse()?;
            calls.commands += count;
            if name.starts_with("eval") {
                calls.scripts += count;
            }
        }
        Ok(calls)
    }

    /// How many commits there were so far of the first destination of a collection.
    pub(crate) async fn commits(&self, collection: &str) -> Result<u64, Failure> {
        let mut query = redis::cmd("GET");
        query.arg(format!("cdc:resume:{collection}:destination-0"));
        let progress: Option<String> = query.query_async(&mut self.connection.clone()).await?;
        let progress: Value = serde_json::from_str(&progress.ok_or("there is no progress in redis")?)?;
        Ok(progress["commit"]
            .as_u64()
            .ok_or("the progress has no number of commits")?)
    }
}
