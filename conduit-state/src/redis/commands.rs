//! Commands of an API for whoever holds a collection's lease, and the answers.
//!
//! A command is claimed by taking it away, so that it is carried out at most once. Nothing has an expiry: the scripts
//! drop what nobody fetched.

use std::time::Duration;

use conduit_core::{CollectionName, StateError};

use super::keys::COMMANDS_CHANNEL;
use super::reply::{bytes, list, next, number, text};
use super::script::{CLAIM_COMMANDS, PUT_ANSWER, PUT_COMMAND, TAKE_ANSWER, WITHDRAW_COMMAND};
use super::store::RedisStore;

/// How long a command may wait to be claimed. Whoever gave it withdraws it sooner; this is for one that died.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How long an answer may wait to be fetched.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);

/// Who is to carry out a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandFor {
    /// Whoever holds the collection's lease.
    Holder,
    /// Any worker: nobody holds it.
    AnyWorker,
}

/// A command that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedCommand {
    /// Names it in the answer.
    pub id: String,
    /// The collection that it is about.
    pub collection: CollectionName,
    /// What is to be done, as it was given to [`RedisStore::put_command`].
    pub command: String,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl RedisStore {
    /// Stores a command about a collection and tells workers of it; returns its id. It waits for 20 seconds at most.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn put_command(
        &self,
        collection: &CollectionName,
        wanted: CommandFor,
        command: &str,
    ) -> Result<String, StateError> {
        let mut call = PUT_COMMAND.call();
        call.arg(collection.as_str()).arg(command).arg(COMMANDS_CHANNEL);
        if wanted == CommandFor::AnyWorker {
            call.arg("any");
        }
        text(self.link().ask(&call).await?)
    }

    /// Takes away the commands for the holder of these collections, and those for any worker, oldest first, to carry them out:
    /// nobody else gets them.
    ///
    /// # Errors
    /// `Unavailable`: commands may be lost, unanswered.
    pub async fn claim_commands(
        &self,
        collections: &[CollectionName],
    ) -> Result<Vec<ClaimedCommand>, StateError> {
        let mut call = CLAIM_COMMANDS.call();
        call.arg(millis(LONGEST_WAIT));
        for collection in collections {
            call.arg(collection.as_str());
        }
        let mut parts = list(self.link().ask(&call).await?)?.into_iter();
        let mut claimed = Vec::new();
        while let Some(id) = parts.next() {
            let (id, name) = (text(id)?, text(next(&mut parts)?)?);
            let command = text(next(&mut parts)?)?;
            if let Ok(collection) = CollectionName::new(name) {
                claimed.push(ClaimedCommand {
                    id,
                    collection,
                    command,
                });
            }
        }
        Ok(claimed)
    }

    /// Takes a command back; `false` if somebody claimed it.
    ///
    /// # Errors
    /// `Unavailable` (calling again is safe, but tells nothing of the claim).
    pub async fn withdraw_command(&self, id: &str) -> Result<bool, StateError> {
        let mut call = WITHDRAW_COMMAND.call();
        call.arg(id);
        Ok(number(self.link().ask(&call).await?)? == 1)
    }

    /// Stores what became of a claimed command, for 10 minutes at most.
    ///
    /// # Errors
    /// `Unavailable` (calling again is safe).
    pub async fn put_answer(&self, id: &str, answer: &str) -> Result<(), StateError> {
        let mut call = PUT_ANSWER.call();
        call.arg(id).arg(answer).arg(millis(LONGEST_ANSWER));
        self.link().ask(&call).await.map(drop)
    }

    /// Takes the answer to a command away, if there is one yet.
    ///
    /// # Errors
    /// `Unavailable`: the answer may be lost.
    pub async fn take_answer(&self, id: &str) -> Result<Option<String>, StateError> {
        let mut call = TAKE_ANSWER.call();
        call.arg(id);
        let answer = bytes(self.link().ask(&call).await?)?;
        Ok(answer.map(|answer| String::from_utf8_lossy(&answer).into_owned()))
    }
}
