//! Makes sure that the index is there, with its primary key and settings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use conduit_core::{SinkError, SinkErrorKind};
use tokio::sync::OnceCell;
use tokio::time::{self, Instant};

use super::api::{Api, Call};
use super::error::Refusal;
use super::task::{self, TaskEnd};
use super::write::PRIMARY_KEY;

/// After how long somebody may have deleted the index: then it is looked at again.
const TRUSTED_FOR: Duration = Duration::from_secs(60);

/// What is known of the index. Calls that find that it has to be looked at do so once for all of them.
#[derive(Debug)]
pub(super) struct Index {
    /// Sent as they are.
    settings: Option<Bytes>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Set once the index is as it must be; holds when that was.
    look: Arc<OnceCell<Instant>>,
    /// The creation that was asked for and has not been seen to end.
    creation: Option<u64>,
    /// The same of the settings.
    change: Option<u64>,
    /// The index that has the settings, by the time it was created.
    settled: Option<String>,
}

impl Index {
    pub(super) fn new(settings: Option<Bytes>) -> Self {
        Self {
            settings,
            known: Mutex::default(),
        }
    }

    /// Makes sure that the index can take documents. Does no I/O if that is known.
    ///
    /// # Errors
    /// If the server fails, or the index is not one for this sink.
    pub(super) async fn ensure(&self, api: &Api, call: Call<'_>) -> Result<(), SinkError> {
        let look = self.current_look();
        // Another call may be doing it, with a later deadline.
        let looking = look.get_or_try_init(|| self.set_up(api, call));
        match time::timeout_at(call.deadline, looking).await {
            Ok(done) => done.map(|_| ()),
            Err(_) => {
                let message = format!("{} was not set up in time", api.shown());
                Err(SinkError::timeout(message))
            }
        }
    }

    /// Makes the next call look at the index: it turned out not to be there.
    pub(super) fn distrust(&self) {
        self.known().look = Arc::default();
    }

    fn current_look(&self) -> Arc<OnceCell<Instant>> {
        let mut known = self.known();
        if known.look.get().is_some_and(|seen| seen.elapsed() > TRUSTED_FOR) {
            known.look = Arc::default();
        }
        Arc::clone(&known.look)
    }

    async fn set_up(&self, api: &Api, call: Call<'_>) -> Result<Instant, SinkError> {
        let mut found = api.index(call).await.map_err(cannot_be_set_up)?;
        if found.is_none() {
            self.create(api, call).await?;
            found = api.index(call).await.map_err(cannot_be_set_up)?;
        }
        let Some(index) = found else {
            let message = format!("{} was deleted as soon as it was created", api.shown());
            return Err(SinkError::unavailable(message));
        };
        if let Some(other) = index.primary_key.filter(|key| key != PRIMARY_KEY) {
            let message = format!(
                "{} has the primary key {other:?} instead of {PRIMARY_KEY:?}: delete it or choose another index_name",
                api.shown()
            );
            return Err(SinkError::new(SinkErrorKind::Unauthorized, message));
        }
        let is_settled = self.known().settled.as_ref() == Some(&index.created_at);
        if let Some(settings) = &self.settings
            && !is_settled
        {
            self.change_settings(settings, api, call).await?;
            self.known().settled = Some(index.created_at);
        }
        Ok(Instant::now())
    }

    async fn create(&self, api: &Api, call: Call<'_>) -> Result<(), SinkError> {
        let asked = self.known().creation;
        let uid = match asked {
            Some(uid) => uid,
            None => api.create_index(call).await.map_err(cannot_be_set_up)?,
        };
        self.known().creation = Some(uid);
        let end = task::end_of(api, uid, call).await?;
        self.known().creation = None;
        match end {
            TaskEnd::Succeeded => Ok(()),
            // Somebody else was faster.
            TaskEnd::Failed(refusal) if refusal.code == "index_already_exists" => Ok(()),
            TaskEnd::Failed(refusal) => Err(cannot_be_set_up(refusal)),
            TaskEnd::Lost(error) => Err(error),
        }
    }

    async fn change_settings(&self, settings: &Bytes, api: &Api, call: Call<'_>) -> Result<(), SinkError> {
        let asked = self.known().change;
        let uid = match asked {
            Some(uid) => uid,
            None => {
                let asking = api.change_settings(settings.clone(), call).await;
                asking.map_err(cannot_be_set_up)?
            }
        };
        self.known().change = Some(uid);
        let end = task::end_of(api, uid, call).await?;
        self.known().change = None;
        match end {
            TaskEnd::Succeeded => Ok(()),
            TaskEnd::Failed(refusal) => Err(cannot_be_set_up(refusal)),
            TaskEnd::Lost(error) => Err(error),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // What is behind the lock is whole at every moment.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No record is to blame for what happens here: whoever configured the destination can mend it.
fn cannot_be_set_up(refusal: Refusal) -> SinkError {
    let error = refusal.error;
    match error.kind() {
        SinkErrorKind::Rejected | SinkErrorKind::Undeliverable => {
            let message = format!("cannot set up the index: {}", error.report());
            SinkError::new(SinkErrorKind::Unauthorized, message).with_status(error.status())
        }
        _ => error,
    }
}
