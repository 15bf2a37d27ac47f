//! The store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Pipeline, Value};

use conduit_core::{
    CollectionName, Commit, Lease, LetterSelection, OpenRequest, Opened, ProcessedId, QueueLengths, RetryId,
    StateError, StateStore, StoredLetter, SubscriptionId, SubscriptionStart, SubscriptionState,
    WaitingRecord,
};

use super::commit::{Applied, CommitCall, answer};
use super::error::{from_client, unexpected};
use super::link::Link;
use super::reply::{bytes, list, number};
use super::script::{COMMIT, RELEASE, RENEW};
use super::settings::RedisSettings;
use super::{dead_letters, forget, keys, open};
use crate::encoding::{Progress, Waiting, read};
use crate::refusal;

/// Keeps state in Redis 6.0 or newer, standalone; several processes may use it at once.
///
/// All requests share one connection, which is made when it is needed and again after it broke. A server that is away
/// costs `Unavailable` for each call until it is back; no call is repeated by itself. Each commit is one script, which
/// Redis runs as a whole; commits that are given together are sent together. Leases expire by the clock of Redis.
///
/// ```no_run
/// use conduit_core::StateStore;
/// use conduit_state::{RedisSettings, RedisStore};
///
/// # async fn example() -> Result<(), conduit_core::StateError> {
/// let store = RedisStore::connect("redis://127.0.0.1:6379", RedisSettings::default())?;
/// store.check().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisStore {
    link: Link,
    /// For what is told of records to those who follow them.
    tail_link: Link,
    settings: RedisSettings,
    said_capped: AtomicBool,
}

impl RedisStore {
    /// Takes over a URI, `redis[s]://[user[:password]@]host[:port][/db]`, without connecting yet.
    ///
    /// # Errors
    /// `Invalid` if the URI or the settings cannot be used. No message holds a password.
    pub fn connect(uri: &str, settings: RedisSettings) -> Result<Self, StateError> {
        settings.validate()?;
        Ok(Self {
            link: Link::new(uri, &settings)?,
            tail_link: Link::new(uri, &settings)?,
            settings,
            said_capped: AtomicBool::new(false),
        })
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn tail_link(&self) -> &Link {
        &self.tail_link
    }

    pub(super) fn settings(&self) -> &RedisSettings {
        &self.settings
    }

    /// Sends the commits that fit into one trip; how many, and their answers.
    async fn commit_trip(&self, commits: &[Commit]) -> Result<Vec<Result<(), StateError>>, StateError> {
        let max_keys = self.settings.idempotency.max_keys();
        let mut trip = Pipeline::new();
        let mut total = 0;
        for commit in commits {
            let call = CommitCall::new(&COMMIT, trip.is_empty(), commit, max_keys);
            if total > 0 && total + call.bytes() > self.settings.max_trip_bytes {
                break;
            }
            total += call.bytes();
            trip.add_command(call.into_command());
        }
        let sent = trip.len();
        let answers = self.link.ask_all(&mut trip, total).await?;
        if answers.len() != sent {
            return Err(unexpected());
        }
        Ok(commits
            .iter()
            .zip(answers)
            .map(|(commit, found)| self.settle(commit, found))
            .collect())
    }

    fn settle(&self, commit: &Commit, found: redis::RedisResult<Value>) -> Result<(), StateError> {
        let applied = answer(commit, found.map_err(from_client)?)?;
        if applied == Applied::Capped && !self.said_capped.swap(true, Ordering::Relaxed) {
            let max_keys = self.settings.idempotency.max_keys();
            tracing::warn!(
                max_keys,
                "too many processed keys: no more are written until old ones have expired"
            );
        }
        Ok(())
    }
}

#[async_trait]
impl StateStore for RedisStore {
    async fn open(&self, request: &OpenRequest) -> Result<Opened, StateError> {
        open::open(&self.link, request).await
    }

    async fn load(
        &self,
        lease: &Lease,
        subscriptions: &[SubscriptionStart],
    ) -> Result<Vec<SubscriptionState>, StateError> {
        open::load(&self.link, lease, subscriptions).await
    }

    async fn renew(
        &self,
        leases: &[Lease],
        lease_time: Duration,
    ) -> Result<Vec<Result<(), StateError>>, StateError> {
        let mut call = RENEW.call();
        call.arg(u64::try_from(lease_time.as_millis()).unwrap_or(u64::MAX));
        for lease in leases {
            call.arg(lease.collection.as_str())
                .arg(lease.worker.as_str())
                .arg(lease.epoch);
        }
        let answers = list(self.link.ask(&call).await?)?;
        if answers.len() != leases.len() {
            return Err(unexpected());
        }
        let answer = |(lease, held)| {
            if number(held)? == 1 {
                Ok(Ok(()))
            } else {
                Ok(Err(refusal::fenced(lease)))
            }
        };
        leases.iter().zip(answers).map(answer).collect()
    }

    async fn release(&self, lease: &Lease) -> Result<(), StateError> {
        let mut call = RELEASE.call();
        call.arg(lease.collection.as_str())
            .arg(lease.worker.as_str())
            .arg(lease.epoch);
        self.link.ask(&call).await.map(drop)
    }

    async fn commit(&self, commits: &[Commit]) -> Vec<Result<(), StateError>> {
        let mut answers: Vec<_> = Vec::with_capacity(commits.len());
        // What cannot be right is not sent, and so splits its group.
        while let Some(next) = commits.get(answers.len()) {
            if let Err(error) = refusal::check(next) {
                answers.push(Err(error));
                continue;
            }
            let rest = &commits[answers.len()..];
            let right = rest
                .iter()
                .position(|commit| refusal::check(commit).is_err())
                .unwrap_or(rest.len());
            match self.commit_trip(&rest[..right]).await {
                Ok(found) => answers.extend(found),
                Err(error) => {
                    // The rest is not tried: it would only wait for the same server.
                    let repeat = || StateError::new(error.kind(), error.message());
                    answers.extend(rest.iter().map(|_| Err(repeat())));
                }
            }
        }
        answers
    }

    async fn waiting(
        &self,
        subscription: &SubscriptionId,
        ids: &[RetryId],
    ) -> Result<Vec<Option<WaitingRecord>>, StateError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut both = Pipeline::new();
        for key in [keys::waiting(subscription), keys::contents(subscription)] {
            both.cmd("HMGET").arg(key);
            for id in ids {
                both.arg(id.0);
            }
        }
        let mut answers = self.link.ask_all(&mut both, 0).await?.into_iter();
        let mut answer = || list(answers.next().ok_or_else(unexpected)?.map_err(from_client)?);
        let (entries, contents) = (answer()?, answer()?);
        let record = |(id, (entry, json)): (&RetryId, (Value, Value))| match (bytes(entry)?, bytes(json)?) {
            (Some(entry), Some(json)) => Waiting::read(&entry)?
                .with_contents(*id, Bytes::from(json))
                .map(Some),
            _ => Ok(None),
        };
        ids.iter()
            .zip(entries.into_iter().zip(contents))
            .map(record)
            .collect()
    }

    async fn processed(
        &self,
        subscription: &SubscriptionId,
        ids: &[ProcessedId],
    ) -> Result<Vec<bool>, StateError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut both = Pipeline::new();
        both.cmd("GET").arg(keys::resume(subscription));
        both.cmd("MGET");
        for id in ids {
            both.arg(keys::processed(subscription, id));
        }
        let mut answers = self.link.ask_all(&mut both, 0).await?.into_iter();
        let mut answer = || answers.next().ok_or_else(unexpected)?.map_err(from_client);
        let (progress, found) = (bytes(answer()?)?, list(answer()?)?);
        let generation = match progress {
            Some(progress) => read::<Progress>(&progress, "a position")?.generation.to_string(),
            None => "0".into(),
        };
        found
            .into_iter()
            .map(|found| Ok(bytes(found)?.as_deref() == Some(generation.as_bytes())))
            .collect()
    }

    async fn dead_letters(
        &self,
        collection: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<String>, StateError> {
        dead_letters::page(&self.link, collection, after, limit).await
    }

    async fn lengths(&self, subscriptions: &[SubscriptionId]) -> Result<Vec<QueueLengths>, StateError> {
        dead_letters::lengths(&self.link, subscriptions).await
    }

    async fn letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StateError> {
        dead_letters::select(&self.link, collection, selection, after, limit).await
    }

    async fn purge_dead_letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
    ) -> Result<u64, StateError> {
        dead_letters::purge(&self.link, collection, selection).await
    }

    async fn forget(&self, subscription: &SubscriptionId) -> Result<(), StateError> {
        forget::subscription(&self.link, subscription).await
    }

    async fn forget_collection(&self, collection: &CollectionName) -> Result<(), StateError> {
        forget::collection(&self.link, collection).await
    }

    async fn ping(&self) -> Result<(), StateError> {
        self.link.ask(&redis::cmd("PING")).await.map(drop)
    }
}
