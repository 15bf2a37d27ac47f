//! The process that receives requests, as the suite sees it.

use serde::Deserialize;

use crate::Failure;
use crate::child::Child;
use crate::role::{Job, ReceiverJob};

/// A receiver on a port of its own.
#[derive(Debug)]
pub(crate) struct ReceiverProcess {
    child: Child,
    url: String,
}

/// What a receiver got since it was last told to forget.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Received {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    /// When the first and the last request came, in nanoseconds of one clock.
    first: u64,
    last: u64,
}

impl ReceiverProcess {
    pub(crate) async fn start(job: ReceiverJob) -> Result<Self, Failure> {
        let child = Child::start(&Job::Receiver(job)).await?;
        let url = child.introduction()["url"]
            .as_str()
            .ok_or("a receiver without a url")?
            .to_owned();
        Ok(Self { child, url })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) async fn received(&mut self) -> Result<Received, Failure> {
        self.child.ask("received").await
    }

    pub(crate) async fn forget(&mut self) -> Result<(), Failure> {
        self.child.ask("forget").await
    }

    /// The number of each record that arrived since the last question, and when, in nanoseconds of one clock.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Received {
    /// Requests a second, from the first to the last.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn rate(self) -> f64 {
        self.requests.saturating_sub(1) as f64 * 1e9 / self.last.saturating_sub(self.first) as f64
    }
}
