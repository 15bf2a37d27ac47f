//! How tasks are told to stop.

use tokio::sync::watch;
use tokio::time::Instant;

/// Tells tasks to stop, and until when they may finish what they have in hand.
#[derive(Debug)]
pub(crate) struct StopSource(watch::Sender<Option<Instant>>);

/// The other end of a [`StopSource`].
#[derive(Clone, Debug)]
pub(crate) struct StopSignal(watch::Receiver<Option<Instant>>);

impl StopSource {
    pub(crate) fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), StopSignal(receiver))
    }

    pub(crate) fn stop(&self, deadline: Instant) {
        self.0.send_replace(Some(deadline));
    }
}

impl StopSignal {
    /// Waits for the signal and returns the deadline. A source that went away means: at once.
    pub(crate) async fn stopped(&mut self) -> Instant {
        match self.0.wait_for(Option::is_some).await {
            Ok(deadline) => deadline.unwrap_or_else(Instant::now),
            Err(_closed) => Instant::now(),
        }
    }
}
