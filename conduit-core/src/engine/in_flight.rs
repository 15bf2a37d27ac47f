//! Work that was given to the dispatcher, and what comes back of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::draft::Attempts;
use crate::contract::{Pending, RetryId, Settled};
use crate::value::{Record, RecordKey};

/// A waiting record that was taken out to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Retry {
    pub(crate) id: RetryId,
    pub(crate) attempts: Attempts,
    pub(crate) record: Arc<Record>,
}

/// What became of something in flight.
#[derive(Debug)]
pub(crate) enum Progress {
    /// A record on the lanes settled; the index is the tracker's.
    Lane {
        index: u64,
        record: Arc<Record>,
        settled: Settled,
    },
    /// A waiting record settled.
    Retry { retry: Retry, settled: Settled },
    /// Nothing of this key is being sent any more.
    ChainEnded(RecordKey),
}

#[derive(Debug)]
enum Origin {
    Lanes(Vec<(u64, Arc<Record>)>),
    Chain { key: RecordKey, retries: Vec<Retry> },
}

/// One piece of work in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    origin: Origin,
    pending: Pending,
    ended: bool,
}

impl InFlight {
    pub(crate) fn lanes(records: Vec<(u64, Arc<Record>)>, pending: Pending) -> Self {
        Self {
            origin: Origin::Lanes(records),
            pending,
            ended: false,
        }
    }

    pub(crate) fn chain(key: RecordKey, retries: Vec<Retry>, pending: Pending) -> Self {
        Self {
            origin: Origin::Chain { key, retries },
            pending,
            ended: false,
        }
    }

    fn progress(&self, settled: Settled) -> Option<Progress> {
        match &self.origin {
            Origin::Lanes(records) => {
                let (index, record) = records.get(settled.index)?;
                Some(Progress::Lane {
                    index: *index,
                    record: Arc::clone(record),
                    settled,
                })
            }
            Origin::Chain { retries, .. } => Some(Progress::Retry {
                retry: retries.get(settled.index)?.clone(),
                settled,
            }),
        }
    }
}

impl Stream for InFlight {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Progress>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.pending).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(settled)) => {
                    if let Some(progress) = self.progress(settled) {
                        return Poll::Ready(Some(progress));
                    }
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    if let Origin::Chain { key, .. } = self.origin {
                        return Poll::Ready(Some(Progress::ChainEnded(key)));
                    }
                }
            }
        }
    }
}
