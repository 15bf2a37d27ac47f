//! Carries out what APIs of other processes want done.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::{CollectionName, CommandError, CommandErrorKind};
use conduit_state::{ClaimedCommand, RedisStore};
use tokio::task::JoinSet;

use super::Worker;
use crate::order::{Executor, Order};

/// How often commands are looked for, though they are announced.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most commands at the same time.
const MAX_AT_ONCE: usize = 16;
/// How often an answer is tried to be stored.
const TRIES: u32 = 5;

impl Worker {
    /// Carries out the commands that wait in Redis for the collections that this worker holds, or for any worker. Never ends; without Redis
    /// there is no other process to ask.
    pub(crate) async fn run_errands(&self) {
        let Some(redis) = self.bulletin.redis() else {
            return std::future::pending().await;
        };
        let mut announcements = redis.subscribe_announcements();
        let executor = Executor {
            engine: self.handle.clone(),
            catalog: self.catalog.clone(),
            types: self.types.clone(),
        };
        let mut errands = JoinSet::new();
        loop {
            while errands.try_join_next().is_some() {}
            if errands.len() < MAX_AT_ONCE {
                match redis.claim_commands(&self.held()).await {
                    Ok(claimed) => {
                        for command in claimed {
                            errands.spawn(carry_out(Arc::clone(redis), executor.clone(), command));
                        }
                    }
                    Err(error) => tracing::debug!(%error, "commands cannot be looked for"),
                }
            }
            // An announcement of anything else costs one look.
            tokio::select! {
                _ = announcements.next() => {}
                () = tokio::time::sleep(INTERVAL) => {}
                () = self.tails.stopping() => break,
            }
        }
        // What a process that stops took, it might not finish; others take it.
        while errands.join_next().await.is_some() {}
        std::future::pending().await
    }

    /// The collections whose leases this worker holds, as far as it knows.
    pub(super) fn held(&self) -> Vec<CollectionName> {
        let us = self.handle.worker();
        let held = self
            .handle
            .status()
            .into_iter()
            .filter(|status| status.holder.as_ref() == Some(us));
        held.map(|status| status.collection).collect()
    }
}

async fn carry_out(redis: Arc<RedisStore>, executor: Executor, claimed: ClaimedCommand) {
    let ClaimedCommand {
        id,
        collection,
        command,
    } = claimed;
    let answer = match serde_json::from_str::<Order>(&command) {
        Ok(order) => {
            tracing::info!(%collection, ?order, "carrying out what an operator wants");
            executor.carry_out(&order, &collection).await
        }
        Err(error) => {
            tracing::warn!(%collection, %error, "a command is not understood");
            let message = "the worker that holds the collection does not know this command: update it";
            Err(CommandError::new(CommandErrorKind::NotHeld, message))
        }
    };
    let Ok(text) = serde_json::to_string(&answer) else {
        return;
    };
    for _ in 0..TRIES {
        match redis.put_answer(&id, &text).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%error, "an answer is not stored yet"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
    tracing::warn!(%collection, %text, "nobody could be told what became of a command");
}
