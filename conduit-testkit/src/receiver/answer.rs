//! How a request is answered.

use std::time::Duration;

use bytes::Bytes;

/// What the receiver does with a request that it has read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// A status with an empty body.
    Status(u16),
    /// A status with headers and a body.
    StatusWith {
        /// The status.
        code: u16,
        /// Names and values, all of them legal.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// No answer, the connection stays open.
    Hang,
    /// No answer, the connection is reset.
    CloseBeforeAnswer,
    /// The head of a 200 and a body of so many bytes that never comes.
    HeadOnly(u64),
    /// Another answer after a while.
    Slow(Duration, Box<Answer>),
}

impl Answer {
    /// A status with a body.
    #[must_use]
    pub fn with_body(code: u16, body: impl Into<Bytes>) -> Self {
        Self::StatusWith {
            code,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// A status with one header.
    #[must_use]
    pub fn with_header(code: u16, name: &str, value: &str) -> Self {
        let headers = vec![(name.to_owned(), value.to_owned())];
        Self::StatusWith {
            code,
            headers,
            body: Bytes::new(),
        }
    }

    /// Another answer after `wait`.
    #[must_use]
    pub fn after(wait: Duration, answer: Self) -> Self {
        Self::Slow(wait, Box::new(answer))
    }

    /// Returns the status that the client gets to see, if any.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status(code) | Self::StatusWith { code, .. } => Some(*code),
            Self::HeadOnly(_) => Some(200),
            Self::Hang | Self::CloseBeforeAnswer => None,
            Self::Slow(_, answer) => answer.status(),
        }
    }
}
