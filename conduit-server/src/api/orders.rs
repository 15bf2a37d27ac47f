//! Has orders carried out by whoever holds the collection's lease, here or in another process.

use std::time::Duration;

use axum::http::StatusCode;
use conduit_core::{CollectionName, CollectionStatus, CommandError, CommandErrorKind, StateError, WorkerId};
use conduit_state::{CommandFor, RedisStore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::app::App;
use super::problem::Problem;
use crate::order::{Executor, Order, OrderAnswer};

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
    Answered(Result<OrderAnswer, CommandError>),
    /// Nobody took it, and nobody will.
    Withdrawn,
}

/// Where an order can be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In this process, if it can; else where the lease is.
    HereFirst,
    /// In the process that holds the lease.
    AtHolder,
    /// Nobody holds the lease, and any worker can do it.
    Anywhere,
    /// There is no worker at all.
    Nowhere,
}

/// Has an order carried out; `None` if nobody is there to do it, and then nothing was changed.
///
/// # Errors
/// 409 if a destination rests; 503 if the state store is away, or if it is not known what became of the order.
pub(super) async fn carry_out(
    app: &App,
    collection: &CollectionName,
    order: &Order,
) -> Result<Option<OrderAnswer>, Problem> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let place = place(app, collection, order).await?;
        if place == Place::HereFirst
            && let Some(answer) = try_here(app, collection, order).await?
        {
            return Ok(Some(answer));
        }
        if let Some(redis) = app.bulletin.redis() {
            let wanted = match place {
                Place::HereFirst | Place::AtHolder => CommandFor::Holder,
                Place::Anywhere => CommandFor::AnyWorker,
                Place::Nowhere => return Ok(None),
            };
            match ask_others(redis, collection, (order, wanted), deadline).await? {
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

async fn place(app: &App, collection: &CollectionName, order: &Order) -> Result<Place, StateError> {
    if order.needs_lease() {
        return Ok(Place::HereFirst);
    }
    let us = app.engine.as_ref().map(|engine| engine.worker());
    let published = match (us, app.bulletin.published().await) {
        // Without knowing of others.
        (Some(_), Err(_)) => return Ok(Place::HereFirst),
        (_, published) => published?,
    };
    let holds = |worker: &WorkerId, own: &[CollectionStatus]| {
        let is_held = |status: &CollectionStatus| {
            status.collection == *collection && status.holder.as_ref() == Some(worker)
        };
        own.iter().any(is_held)
    };
    let holder = published.iter().find(|(worker, own)| holds(worker, own));
    Ok(match (us, holder) {
        (Some(_), None) => Place::HereFirst,
        (Some(us), Some((holder, _))) if holder == us => Place::HereFirst,
        (_, Some(_)) => Place::AtHolder,
        (None, None) if published.is_empty() => Place::Nowhere,
        (None, None) => Place::Anywhere,
    })
}

async fn try_here(
    app: &App,
    collection: &CollectionName,
    order: &Order,
) -> Result<Option<OrderAnswer>, Problem> {
    let Some(engine) = &app.engine else {
        return Ok(None);
    };
    let executor = Executor {
        engine: engine.clone(),
        catalog: app.catalog.clone(),
        types: app.types.clone(),
    };
    match timeout(WORKING_PATIENCE, executor.carry_out(order, collection)).await {
        Ok(answer) => judge(answer),
        Err(_elapsed) => Err(unknown(order)),
    }
}

/// `None` if it can be asked for again.
fn judge(answer: Result<OrderAnswer, CommandError>) -> Result<Option<OrderAnswer>, Problem> {
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
    (order, wanted): (&Order, CommandFor),
    deadline: Instant,
) -> Result<Asked, Problem> {
    let text = serde_json::to_string(order)
        .map_err(|error| StateError::corrupt("an order has no JSON").with_source(error))?;
    let id = redis.put_command(collection, wanted, &text).await?;
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
            return Err(unknown(order));
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

fn unknown(order: &Order) -> Problem {
    let detail = match order {
        Order::Redrive { .. } | Order::Purge { .. } => {
            "it is not known what became of it, and it may still be carried out: look at the dead letters"
        }
        Order::Test { .. } => "it is not known what became of it, and it may still be carried out",
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", detail)
}

/// Nobody could be asked.
pub(super) fn no_worker() -> Problem {
    let detail =
        "no worker holds the collection, and nothing was changed: start one, or try again in a moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_worker", detail)
}
