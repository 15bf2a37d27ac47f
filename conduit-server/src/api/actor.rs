//! Who makes a request, and the line in the log that says what they changed.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use conduit_core::DestinationId;

use super::request_id::RequestId;

/// What a request was let through for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credential {
    /// None: the server asks for none, or this path does not.
    #[default]
    Anonymous,
    /// A token in the `Authorization` header.
    Token,
    /// The cookie of somebody who signed in.
    Session,
}

impl Credential {
    fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Token => "token",
            Self::Session => "session",
        }
    }
}

/// Who makes a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actor {
    pub(crate) credential: Credential,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) request: Option<RequestId>,
}

/// What somebody changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Create,
    Replace,
    Patch,
    Delete,
    Pause,
    Resume,
    Rewind,
    Redrive,
    Purge,
    /// A sample was sent.
    Test,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rewind => "rewind",
            Self::Redrive => "redrive",
            Self::Purge => "purge",
            Self::Test => "test",
        }
    }
}

impl Actor {
    /// Writes the audit line of a change that was made: of a whole collection where no destinations are named. `version` is
    /// the configuration's after it.
    pub(crate) fn audit(
        &self,
        action: Action,
        collection: &str,
        destinations: &[DestinationId],
        version: Option<i64>,
    ) {
        let destinations: Vec<&str> = destinations.iter().map(DestinationId::as_str).collect();
        let (action, who) = (action.as_str(), self.credential.as_str());
        let destinations = destinations.join(",");
        let request_id = self.request.as_ref().map(RequestId::as_str);
        let peer = self.peer.map(tracing::field::display);
        tracing::info!(
            target: "conduit::audit",
            action, collection, destinations, version, who, peer, request_id, "audit"
        );
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
