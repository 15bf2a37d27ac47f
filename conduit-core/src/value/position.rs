//! Where a reader stands in the history of its source.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Sequence, WallTime};

/// A logical time of the source: seconds since the epoch, and a counter within the second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct ClusterTime {
    /// Seconds since the Unix epoch.
    pub t: u32,
    /// Counter within the second.
    pub i: u32,
}

impl ClusterTime {
    /// Makes a time of its two parts.
    #[must_use]
    pub const fn new(t: u32, i: u32) -> Self {
        Self { t, i }
    }

    /// Returns the wall-clock moment, to the second.
    #[must_use]
    pub fn wall_time(self) -> WallTime {
        WallTime::from_millis(i64::from(self.t) * 1000)
    }
}

impl fmt::Debug for ClusterTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.t, self.i)
    }
}

/// Which history a position belongs to, and how the stream that gave it was opened.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Debug, Default)]
pub struct StreamIdentity {
    /// The cluster: a position means nothing to another one.
    pub source: String,
    /// A fingerprint of the stream's options: a token is only sure to be found by a stream of the same shape.
    pub options: String,
}

/// A place between two changes: everything up to it is done.
///
/// Ordered by cluster time, then by token. A position without a token stands before all changes of its time.
#[derive(Clone, Serialize, Deserialize)]
pub struct Position {
    time: ClusterTime,
    token: Arc<str>,
    #[serde(flatten)]
    stream: Arc<StreamIdentity>,
}

impl Position {
    /// The place before all changes of `time`.
    #[must_use]
    pub fn at_time(time: ClusterTime) -> Self {
        Self {
            time,
            token: "".into(),
            stream: Arc::default(),
        }
    }

    /// The place after the change (or, of an idle stream, after the moment) that `token` names.
    #[must_use]
    pub fn after(time: ClusterTime, token: impl Into<Arc<str>>, stream: Arc<StreamIdentity>) -> Self {
        Self {
            time,
            token: token.into(),
            stream,
        }
    }

    /// Returns the cluster time.
    #[must_use]
    pub fn time(&self) -> ClusterTime {
        self.time
    }

    /// Returns the resume token, or `None` for a place known by its time only.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        (!self.token.is_empty()).then_some(&*self.token)
    }

    /// Returns which history and which shape of stream the token belongs to.
    #[must_use]
    pub fn stream(&self) -> &Arc<StreamIdentity> {
        &self.stream
    }

    /// Whether both name the history that they belong to, and name different ones: then they cannot be compared.
    pub(crate) fn is_of_other_source(&self, other: &Self) -> bool {
        let (one, other) = (&self.stream.source, &other.stream.source);
        !one.is_empty() && !other.is_empty() && one != other
    }

    /// Whether a record of this time and place is done at this position.
    #[must_use]
    pub fn covers(&self, time: ClusterTime, sequence: &Sequence) -> bool {
        (time, sequence.token()) <= (self.time, &*self.token)
    }
}

impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Position {}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, &*self.token).cmp(&(other.time, &*other.token))
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}@{}",
            self.time,
            if self.token.is_empty() {
                "start"
            } else {
                &self.token
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_without_token_stands_before_all_changes_of_its_time() {
        let start = Position::at_time(ClusterTime::new(5, 1));
        assert!(!start.covers(ClusterTime::new(5, 1), &Sequence::whole("82")));
        assert!(start.covers(ClusterTime::new(5, 0), &Sequence::whole("82")));
        assert!(start < Position::after(ClusterTime::new(5, 1), "82", Arc::default()));
    }

    #[test]
    fn a_position_covers_both_records_of_its_change() {
        let at = Position::after(ClusterTime::new(5, 1), "8204", Arc::default());
        let (first, second) = Sequence::pair("8204");
        assert!(at.covers(ClusterTime::new(5, 1), &first) && at.covers(ClusterTime::new(5, 1), &second));
        assert!(!at.covers(ClusterTime::new(5, 1), &Sequence::whole("8205")));
    }

    #[test]
    fn a_position_reads_back_from_its_json() {
        let stream = Arc::new(StreamIdentity {
            source: "rs".into(),
            options: "f".into(),
        });
        let position = Position::after(ClusterTime::new(1, 2), "82", stream);
        let text = serde_json::to_string(&position).unwrap();
        let back: Position = serde_json::from_str(&text).unwrap();
        assert_eq!(back, position);
        assert_eq!(back.stream(), position.stream());
    }
}
