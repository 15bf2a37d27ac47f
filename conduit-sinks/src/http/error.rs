//! What can go wrong before there is an answer.

use std::error::Error;
use std::fmt;

use conduit_core::{BoxError, SinkError, SinkErrorKind};
use hyper_util::client::legacy;

use super::endpoint::Endpoint;
use crate::InvalidConfig;
use crate::egress::EgressRefused;
use crate::request_body::NotPermitted;

/// Why a sink or its client could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum HttpSetupError {
    /// The configuration is refused: mend the fields it names.
    Config(InvalidConfig),
    /// TLS cannot be set up on this machine.
    Tls(BoxError),
}

impl fmt::Display for HttpSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(_) => f.write_str("the configuration of the destination is not valid"),
            Self::Tls(_) => f.write_str("cannot set up TLS"),
        }
    }
}

impl Error for HttpSetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Config(cause) => Some(cause),
            Self::Tls(cause) => Some(&**cause),
        }
    }
}

impl From<InvalidConfig> for HttpSetupError {
    fn from(cause: InvalidConfig) -> Self {
        Self::Config(cause)
    }
}

/// Makes the sink's error of a request that got no answer. Which of them the destination has seen is not known,
/// but for a failed connection.
///
/// An address that the egress policy refuses is `Unauthorized`: it is the destination that is wrong, not the record, and an
/// operator can mend it, or the name server says something else again. So it leads to a hold, and not to a storm of dead
/// letters.
pub(crate) fn no_answer(error: legacy::Error, endpoint: &Endpoint) -> SinkError {
    let shown = endpoint.shown();
    if NotPermitted::caused(&error) {
        return SinkError::new(SinkErrorKind::NotSent, format!("nothing was sent to {shown}"));
    }
    if let Some(refused) = refused_egress(&error) {
        let message = format!("nothing may be sent to {shown}: {refused}");
        return SinkError::new(SinkErrorKind::Unauthorized, message);
    }
    let message = if error.is_connect() {
        format!("cannot connect to {shown}")
    } else {
        format!("no answer from {shown}")
    };
    SinkError::unavailable(message).with_source(Cause(error))
}

fn refused_egress<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a EgressRefused> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

/// The client's error without its outermost message, which only says that it is the client's.
#[derive(Debug)]
struct Cause(legacy::Error);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.source() {
            Some(inner) => fmt::Display::fmt(inner, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source().and_then(Error::source)
    }
}
