//! Has work on dead letters done by whoever holds the collection's lease, here or in another process.

use std::time::Duration;

use axum::http::StatusCode;
use conduit_core::{CollectionName, CommandError, CommandErrorKind, StateError};
use conduit_state::RedisStore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::app::App;
use super::problem::Problem;
use crate::letter_order::{LetterAnswer, LetterOrder};

/// How long somebody may take to begin with it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take from then on.
const WORKING_PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked for an answer.
const ANSWER_INTERVAL: Duration = Duration::from_millis(30);
/// How soon it is tried again after nobody could do it.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// What asking other processes came to.
enum Asked {
    Answered(Result<LetterAnswer, CommandError>),
    /// Nobody took it, and nobody will.
    Withdrawn,
}

/// Has an order carried out; `None` if nobody holds the collection, and then nothing was changed.
///
/// # Errors
/// 409 if a destination rests; 503 if the state store is away, or if it is not known what became of the order.
pub(super) async fn carry_out(
    app: &App,
    collection: &CollectionName,
    order: &LetterOrder,
) -> Result<Option<LetterAnswer>, Problem> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = try_here(app, collection, order).await? {
            return Ok(Some(answer));
        }
        if let Some(redis) = app.bulletin.redis() {
            match ask_others(redis, collection, order, deadline).await? {
                Asked::Withdrawn => return Ok(None),
                Asked::Answered(answer) => {
                    if let Some(answer) = judge(answer)? {
                        return Ok(Some(answer));
                    }
                }
            }
        }
        if timeout_at(deadline, sleep(RETRY_INTERVAL)).await.is_err() {
            return Ok(None);
        }
    }
}

async fn try_here(
    app: &App,
    collection: &CollectionName,
    order: &LetterOrder,
) -> Result<Option<LetterAnswer>, Problem> {
    let Some(engine) = &app.engine else {
        return Ok(None);
    };
    match timeout(WORKING_PATIENCE, order.carry_out(engine, collection)).await {
        Ok(answer) => judge(answer),
        Err(_elapsed) => Err(unknown()),
    }
}

/// `None` if it can be asked for again.
fn judge(answer: Result<LetterAnswer, CommandError>) -> Result<Option<LetterAnswer>, Problem> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == CommandErrorKind::AtRest => {
            let detail =
                format!("{error}; or name one that runs as the destination: nothing of this was done");
            Err(Problem::conflict("destination_at_rest", detail))
        }
        Err(error) => {
            tracing::debug!(%error, "an order is given again");
            Ok(None)
        }
    }
}

async fn ask_others(
    redis: &RedisStore,
    collection: &CollectionName,
    order: &LetterOrder,
    deadline: Instant,
) -> Result<Asked, Problem> {
    let text = serde_json::to_string(order)
        .map_err(|error| StateError::corrupt("an order has no JSON").with_source(error))?;
    let id = redis.put_command(collection, conduit_state::CommandFor::Holder, &text).await?;
    let mut is_taken = false;
    let given_up = deadline + WORKING_PATIENCE;
    loop {
        if let Some(answer) = redis.take_answer(&id).await? {
            let answer = serde_json::from_str(&answer)
                .map_err(|error| StateError::corrupt("an answer cannot be read").with_source(error))?;
            return Ok(Asked::Answered(answer));
        }
        let now = Instant::now();
        if now >= given_up {
            return Err(unknown());
        }
        if now >= deadline && !is_taken {
            if redis.withdraw_command(&id).await? {
                return Ok(Asked::Withdrawn);
            }
            is_taken = true;
        }
        sleep(ANSWER_INTERVAL).await;
    }
}

fn unknown() -> Problem {
    let detail =
        "it is not known what became of it, and it may still be carried out: look at the dead letters";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", detail)
}

/// Nobody could be asked.
pub(super) fn no_worker() -> Problem {
    let detail =
        "no worker holds the collection, and nothing was changed: start one, or try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_worker", detail)
}
