//! One reader's stream of frames.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use conduit_core::CollectionName;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::attendant::Attendant;
use super::event::{missed_frame, open_frame};
use super::queue::Taken;
use super::tails::{Following, Tails};

/// How often a comment says that the stream lives.
const COMMENT_INTERVAL: Duration = Duration::from_secs(10);

/// What a reader's stream is made of. Whatever is done for the reader ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) tails: Tails,
    pub(crate) collection: CollectionName,
    pub(crate) following: Following,
}

/// The state of a stream between two chunks.
struct Streaming {
    reader: Reader,
    is_open: watch::Receiver<bool>,
    next_comment: Instant,
    has_begun: bool,
    /// The reader's attendant, ended with the set.
    _attendants: JoinSet<()>,
}

impl Reader {
    /// Returns server-sent events, as chunks of whole frames. Ends with the collection, and when the server stops.
    pub(crate) fn into_stream(
        self,
        attendant: Attendant,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        let is_open = attendant.is_open.subscribe();
        let mut attendants = JoinSet::new();
        attendants.spawn(attendant.run());
        let streaming = Streaming {
            reader: self,
            is_open,
            next_comment: Instant::now() + COMMENT_INTERVAL,
            has_begun: false,
            _attendants: attendants,
        };
        stream::unfold(streaming, |mut streaming| async {
            let chunk = streaming.next().await?;
            Some((Ok(chunk), streaming))
        })
    }
}

impl Streaming {
    async fn next(&mut self) -> Option<Bytes> {
        let Reader {
            tails,
            collection,
            following,
            ..
        } = &self.reader;
        if !self.has_begun {
            tokio::select! {
                () = tails.stopping() => return None,
                // An attendant that died feeds nothing.
                open = self.is_open.wait_for(|is_open| *is_open) => drop(open.ok()?),
            }
            self.has_begun = true;
            return Some(open_frame(collection));
        }
        // The end of all first: a stop does not wait for what could still be told.
        tokio::select! {
            biased;
            () = tails.stopping() => None,
            taken = following.queue.take() => Some(frames(&taken?)),
            () = sleep_until(self.next_comment) => {
                self.next_comment = Instant::now() + COMMENT_INTERVAL;
                Some(Bytes::from_static(b": \n\n"))
            }
        }
    }
}

fn frames(taken: &Taken) -> Bytes {
    let mut frames = Vec::new();
    for event in &taken.events {
        event.write_frame(&mut frames);
    }
    if taken.missed > 0 {
        frames.extend_from_slice(&missed_frame(taken.missed));
    }
    frames.into()
}
