//! How many streams are open.

use tokio::sync::watch;

/// Counts an open stream for as long as it lives.
#[derive(Debug)]
pub(super) struct OpenGauge(watch::Sender<usize>);

impl OpenGauge {
    pub(super) fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
