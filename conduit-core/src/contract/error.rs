//! One error type for each boundary: a kind that says what to do, a message, and the cause.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A cause of any type.
pub type BoxError = Box<dyn Error + Send + Sync>;

macro_rules! boundary_error {
    ($(#[$doc:meta])* $name:ident, $kind:ident $(, $field:ident: $type:ty)?) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            kind: $kind,
            message: String,
            source: Option<BoxError>,
            $($field: $type,)?
        }

        impl $name {
            /// Makes an error: `message` is one lower-case line without document contents or secrets.
            #[must_use]
            pub fn new(kind: $kind, message: impl Into<String>) -> Self {
                Self { kind, message: message.into(), source: None, $($field: <$type>::default(),)? }
            }

            /// Attaches the cause.
            #[must_use]
            pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
                self.source = Some(source.into());
                self
            }

            /// Returns what to do about it.
            #[must_use]
            pub fn kind(&self) -> $kind {
                self.kind
            }

            /// Returns the message without the cause.
            #[must_use]
            pub fn message(&self) -> &str {
                &self.message
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.message)
            }
        }

        impl Error for $name {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
            }
        }
    };
}

/// What the engine does about a failed delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SinkErrorKind {
    /// The destination cannot be reached or is failing: retry on the schedule. Speaks of the destination.
    Unavailable,
    /// The answer did not come in time, so the outcome is unknown: retry. Speaks of the destination.
    Timeout,
    /// The destination does not accept these credentials, or does not know the address: retry, since an operator
    /// can mend it. Speaks of the destination.
    Unauthorized,
    /// The destination asks for a slower pace: wait as long as it asks and send again; not an attempt.
    Throttled {
        /// How long the destination asks to wait, or `None` if it did not say.
        retry_after: Option<Duration>,
    },
    /// The right to send ended before anything left the process: send again once there is one; not an attempt.
    NotSent,
    /// The destination refused this record: retry on the schedule. Speaks of the record.
    Rejected,
    /// This record can never be delivered there, say because it is too large: a dead letter at once.
    Undeliverable,
}

/// What a failed delivery says something about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// The destination, which may be failing as a whole.
    Destination,
    /// The record, which may be at fault.
    Record,
    /// Neither: the record is sent again as if it had not been.
    Neither,
}

impl SinkErrorKind {
    pub(crate) fn subject(self) -> Subject {
        match self {
            Self::Unavailable | Self::Timeout | Self::Unauthorized => Subject::Destination,
            Self::Rejected | Self::Undeliverable => Subject::Record,
            Self::Throttled { .. } | Self::NotSent => Subject::Neither,
        }
    }
}

boundary_error! {
    /// A delivery that failed. The kind decides what becomes of the record; see [`SinkErrorKind`].
    SinkError, SinkErrorKind, status: Option<u16>
}

impl SinkError {
    /// The destination cannot be reached or is failing.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(SinkErrorKind::Unavailable, message)
    }

    /// The destination refused this record.
    #[must_use]
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::new(SinkErrorKind::Rejected, message)
    }

    /// This record can never be delivered.
    #[must_use]
    pub fn undeliverable(message: impl Into<String>) -> Self {
        Self::new(SinkErrorKind::Undeliverable, message)
    }

    /// The destination asks for a slower pace.
    #[must_use]
    pub fn throttled(message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self::new(SinkErrorKind::Throttled { retry_after }, message)
    }

    /// The answer did not come in time.
    #[must_use]
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(SinkErrorKind::Timeout, message)
    }

    /// Notes the HTTP status of the answer that this is made of, for people.
    #[must_use]
    pub fn with_status(mut self, status: impl Into<Option<u16>>) -> Self {
        self.status = status.into();
        self
    }

    /// Returns the HTTP status of the destination's answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    pub(crate) fn subject(&self) -> Subject {
        self.kind.subject()
    }

    /// The message with its chain of causes, in one line.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = self.message.clone();
        let mut source = self.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Libraries often repeat the inner message in the outer one.
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        text
    }
}

/// A copy for each record of a failed batch: the chain of causes becomes part of the message.
impl Clone for SinkError {
    fn clone(&self) -> Self {
        Self::new(self.kind, self.report()).with_status(self.status)
    }
}

/// What the engine does about a failed call of the state store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateErrorKind {
    /// The store cannot be reached, or the outcome is unknown: repeat the call until it answers.
    Unavailable,
    /// The stored state is not the one that the commit starts from: load it again and go on from there.
    Conflict,
    /// The lease is not held any more: stop.
    Fenced,
    /// Somebody else holds the lease: wait.
    Held,
    /// Stored data cannot be read: stop and say so.
    Corrupt,
    /// The call itself is wrong.
    Invalid,
}

boundary_error! {
    /// A call of the state store that failed.
    StateError, StateErrorKind
}

impl StateError {
    /// The store cannot be reached, or the outcome is unknown.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StateErrorKind::Unavailable, message)
    }

    /// The stored state is not the one the commit starts from.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StateErrorKind::Conflict, message)
    }

    /// The lease is not held any more.
    #[must_use]
    pub fn fenced(message: impl Into<String>) -> Self {
        Self::new(StateErrorKind::Fenced, message)
    }

    /// Stored data cannot be read.
    #[must_use]
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(StateErrorKind::Corrupt, message)
    }
}

/// What the engine does about a failed change stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WatchErrorKind {
    /// The source cannot be reached or is electing: open again at the last position, with backoff.
    Unavailable,
    /// The source no longer has the history after the position: halt and say so.
    HistoryLost,
    /// The source does not allow what is asked, or cannot do it: retry slowly and say so.
    Invalid,
}

boundary_error! {
    /// A change stream that failed.
    WatchError, WatchErrorKind
}

impl WatchError {
    /// The source cannot be reached.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(WatchErrorKind::Unavailable, message)
    }

    /// The history after the position is gone.
    #[must_use]
    pub fn history_lost(message: impl Into<String>) -> Self {
        Self::new(WatchErrorKind::HistoryLost, message)
    }

    /// The source cannot do what is asked.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(WatchErrorKind::Invalid, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_with_every_cause_once() {
        let refused = std::io::Error::other("connection refused");
        let error = SinkError::unavailable("POST failed")
            .with_source(refused)
            .with_status(502);
        assert_eq!(error.to_string(), "POST failed");
        assert_eq!(error.report(), "POST failed: connection refused");
        assert_eq!(error.clone().to_string(), "POST failed: connection refused");
        assert_eq!(error.clone().status(), Some(502));
    }
}
