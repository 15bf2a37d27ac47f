//! Waits for a task's end.

use std::time::Duration;

use conduit_core::SinkError;
use tokio::time::{self, Instant};

use super::api::{Api, Call};
use super::error::Refusal;

/// After how long a task is looked at for the first time. The time doubles with every look.
const FIRST_LOOK: Duration = Duration::from_millis(10);

/// The longest time between two looks.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// How a task ended.
#[derive(Debug)]
pub(super) enum TaskEnd {
    /// All of it is done.
    Succeeded,
    /// Nothing of it is done.
    Failed(Refusal),
    /// It was canceled, or the server does not know it any more: what it did has to be done again.
    Lost(SinkError),
}

/// Looks at the task until it has ended.
///
/// # Errors
/// If the call's time is over, or the server cannot be asked: the task may still be running.
pub(super) async fn end_of(api: &Api, uid: u64, call: Call<'_>) -> Result<TaskEnd, SinkError> {
    let mut pause = FIRST_LOOK;
    loop {
        let next_look = Instant::now() + pause;
        if next_look >= call.deadline {
            let message = format!("task {uid} on {} has not ended in time", api.shown());
            return Err(SinkError::timeout(message));
        }
        time::sleep_until(next_look).await;
        let Some(task) = api.task(uid, call).await.map_err(|refusal| refusal.error)? else {
            let message = format!("task {uid} on {} is not known any more", api.shown());
            return Ok(TaskEnd::Lost(SinkError::unavailable(message)));
        };
        match &*task.status {
            "succeeded" => return Ok(TaskEnd::Succeeded),
            "failed" => {
                let refusal = Refusal::of_task(uid, task.error.unwrap_or_default(), &api.shown());
                return Ok(TaskEnd::Failed(refusal));
            }
            "canceled" => {
                let message = format!("task {uid} on {} was canceled", api.shown());
                return Ok(TaskEnd::Lost(SinkError::unavailable(message)));
            }
            // Enqueued, processing, or what a newer server calls it.
            _ => {}
        }
        pause = MAX_PAUSE.min(pause * 2);
    }
}
