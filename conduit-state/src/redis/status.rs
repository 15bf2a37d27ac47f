//! What workers say of themselves, for the API of another process.

use std::time::Duration;

use redis::Value;

use conduit_core::{StateError, WorkerId};

use super::error::{from_client, unexpected};
use super::reply::{bytes, list, next, number, text};
use super::script::{PUT_STATUS, STATUSES};
use super::store::RedisStore;

/// How old a status may be before it counts for nothing. Workers publish theirs every second.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// What a worker said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Who said it.
    pub worker: WorkerId,
    /// What it said, as it was given to [`RedisStore::put_status`].
    pub status: String,
    /// How long ago, by the clock of Redis.
    pub age: Duration,
}

impl RedisStore {
    /// Publishes what a worker says of itself, in place of what it said before.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn put_status(&self, worker: &WorkerId, status: &str) -> Result<(), StateError> {
        let mut call = PUT_STATUS.call();
        call.arg(worker.as_str()).arg(status);
        self.link().ask(&call).await.map(drop)
    }

    /// Returns what workers said of themselves within the last 10 seconds, and drops what is older.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn statuses(&self) -> Result<Vec<WorkerStatus>, StateError> {
        let mut call = STATUSES.call();
        call.arg(u64::try_from(LONGEST_SILENCE.as_millis()).unwrap_or(u64::MAX));
        let mut parts = list(self.link().ask(&call).await?)?.into_iter();
        let mut statuses = Vec::new();
        while let Some(worker) = parts.next() {
            let worker = WorkerId::new(text(worker)?);
            let (status, age) = (text(next(&mut parts)?)?, number(next(&mut parts)?)?);
            statuses.push(WorkerStatus {
                worker,
                status,
                age: Duration::from_millis(age),
            });
        }
        Ok(statuses)
    }

    /// Returns the same as [`statuses`](Self::statuses), and drops nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn peek_statuses(&self) -> Result<Vec<WorkerStatus>, StateError> {
        let mut look = redis::pipe();
        look.cmd("TIME");
        look.cmd("ZRANGE")
            .arg("cdc:state:workers")
            .arg(0)
            .arg(-1)
            .arg("WITHSCORES");
        let mut answers = self.link().ask_all(&mut look, 0).await?.into_iter();
        let mut answer = || match answers.next() {
            Some(answer) => list(answer.map_err(from_client)?),
            None => Err(unexpected()),
        };
        let seconds = number(next(&mut answer()?.into_iter())?)?;
        let mut parts = answer()?.into_iter();
        let mut statuses = Vec::new();
        while let Some(worker) = parts.next() {
            let (worker, at) = (text(worker)?, number(next(&mut parts)?)?);
            let age = Duration::from_secs(seconds).saturating_sub(Duration::from_millis(at));
            let key = format!("cdc:state:status:{worker}");
            let status = bytes(self.link().ask(redis::cmd("GET").arg(key)).await?)?;
            if let Some(status) = status
                && age <= LONGEST_SILENCE
            {
                statuses.push(WorkerStatus {
                    worker: WorkerId::new(worker),
                    status: String::from_utf8(status).map_err(|_| unexpected())?,
                    age,
                });
            }
        }
        Ok(statuses)
    }

    /// Drops what a worker said of itself, say because it ends.
    ///
    /// # Errors
    /// `Unavailable` (calling again is safe).
    pub async fn drop_status(&self, worker: &WorkerId) -> Result<(), StateError> {
        let mut drop_both = redis::pipe();
        drop_both.cmd("DEL").arg(format!("cdc:state:status:{worker}"));
        drop_both
            .cmd("ZREM")
            .arg("cdc:state:workers")
            .arg(worker.as_str());
        for answer in self.link().ask_all(&mut drop_both, 0).await? {
            let _: Value = answer.map_err(from_client)?;
        }
        Ok(())
    }
}
