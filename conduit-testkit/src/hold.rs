//! A gate that a test opens.

use tokio::sync::watch;

/// Holds calls up until it is released, and counts those that wait. Clones are the same hold.
#[derive(Clone, Debug)]
pub struct Hold {
    released: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Default for Hold {
    fn default() -> Self {
        Self::new()
    }
}

impl Hold {
    /// Makes a hold that is not released.
    #[must_use]
    pub fn new() -> Self {
        Self {
            released: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        }
    }

    /// Lets everybody go on who waits, and who will.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    /// Waits until the hold is released. Cancel-safe.
    pub async fn released(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _counted = CountDown(&self.waiting);
        // The sender lives as long as `self`.
        let _ = self.released.subscribe().wait_for(|released| *released).await;
    }

    /// Waits until so many wait. Cancel-safe.
    pub async fn wait_held(&self, count: usize) {
        let _ = self
            .waiting
            .subscribe()
            .wait_for(|waiting| *waiting >= count)
            .await;
    }
}

struct CountDown<'a>(&'a watch::Sender<usize>);

impl Drop for CountDown<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}
