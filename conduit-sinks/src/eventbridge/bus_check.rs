//! The question whether the bus exists.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use conduit_core::{SinkError, SinkErrorKind};
use tokio::sync::OnceCell;
use tokio::time::{self, Instant};

use super::bus::Bus;
use super::error;

/// How long a delivery waits for the answer at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// After how long a question that got no answer is asked again.
const AGAIN: Duration = Duration::from_secs(30);

/// What is known of a bus.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BusCheck {
    /// It exists.
    Exists,
    /// It does not, or not in this region and account: nothing is delivered to it. Holds what AWS said.
    Missing(String),
    /// The credentials do not allow to ask (`events:DescribeEventBus`), which deliveries can do without. Holds what AWS
    /// said.
    NotPermitted(String),
}

/// Asks for the bus.
pub(super) async fn ask(client: &Client, bus: &Bus) -> Result<BusCheck, SinkError> {
    let request = client.describe_event_bus().name(bus.name());
    let Err(refusal) = Box::pin(request.send()).await else {
        return Ok(BusCheck::Exists);
    };
    let said = refusal.as_service_error();
    let is_missing = said.is_some_and(|error| error.is_resource_not_found_exception());
    let code = said.and_then(|error| error.meta().code());
    let is_denied = matches!(code, Some("AccessDenied" | "AccessDeniedException"));
    let error = error::of_call(refusal, bus, None);
    if is_missing {
        Ok(BusCheck::Missing(error.report()))
    } else if is_denied {
        Ok(BusCheck::NotPermitted(error.report()))
    } else {
        Err(error)
    }
}

/// Asks for the bus until it is known whether it exists.
#[derive(Default)]
pub(super) struct CheckOnce {
    done: OnceCell<()>,
    again: Mutex<Option<Instant>>,
}

impl CheckOnce {
    /// Lets a delivery pass unless the bus is known not to exist. Of several at a time one asks, and the others wait for
    /// what it learns; none waits longer than `patience`.
    ///
    /// # Errors
    /// `Unauthorized` if there is no such bus; it is asked for again next time.
    pub(super) async fn pass(&self, client: &Client, bus: &Bus, patience: Duration) -> Result<(), SinkError> {
        let asking = self.done.get_or_try_init(|| async {
            // Those that waited for a question without an answer do not ask one after the other.
            if self.again().is_some_and(|again| Instant::now() < again) {
                return Err(None);
            }
            match time::timeout(PATIENCE.min(patience), ask(client, bus)).await {
                Ok(Ok(BusCheck::Exists)) => Ok(()),
                Ok(Ok(BusCheck::Missing(why))) => Err(Some(missing(bus, &why))),
                Ok(Ok(BusCheck::NotPermitted(why))) => {
                    tracing::warn!(bus = bus.shown(), error = why, "cannot check that the event bus exists; events to one that does not may be lost without an error: allow events:DescribeEventBus");
                    Ok(())
                }
                Ok(Err(error)) => {
                    self.put_off(bus, &error.report());
                    Err(None)
                }
                Err(_) => {
                    self.put_off(bus, "no answer");
                    Err(None)
                }
            }
        });
        match asking.await {
            Ok(()) | Err(None) => Ok(()),
            Err(Some(missing)) => Err(missing),
        }
    }

    fn again(&self) -> Option<Instant> {
        *self.again.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets deliveries pass meanwhile: what keeps the question from being answered need not keep them.
    fn put_off(&self, bus: &Bus, why: &str) {
        let again = Some(Instant::now() + AGAIN);
        let before = std::mem::replace(
            &mut *self.again.lock().unwrap_or_else(PoisonError::into_inner),
            again,
        );
        if before.is_none() {
            tracing::warn!(bus = bus.shown(), error = why, asked_again_in = ?AGAIN, "cannot check that the event bus exists; asking until there is an answer");
        }
    }
}

fn missing(bus: &Bus, why: &str) -> SinkError {
    let shown = bus.shown();
    SinkError::new(
        SinkErrorKind::Unauthorized,
        format!("the event bus {shown} does not exist: create it, or mend event_bus_name or region: {why}"),
    )
}
