//! Why a request may not go somewhere.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;

/// A host that the policy does not let requests go to.
///
/// The message names the host as it was given and what is wrong with it, but not the address that a name has: that would
/// tell whoever may configure a destination what the network's own name server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRefused {
    pub(super) host: Box<str>,
    pub(super) address: Option<IpAddr>,
    pub(super) reason: Reason,
}

/// What is wrong with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Link-local, or a cloud's metadata service.
    NeverAllowed,
    /// Not on the public internet.
    NotPublic,
}

impl EgressRefused {
    /// Returns the host as it was given: a name or an address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the address that was refused, or `None` if the name itself was.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl fmt::Display for EgressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        let is_literal = self
            .address
            .is_some_and(|address| host.parse::<IpAddr>().is_ok_and(|literal| literal == address));
        let what = match (self.address, self.reason) {
            (None, Reason::NeverAllowed) => "is a cloud's metadata service",
            (None, Reason::NotPublic) => "is this machine itself",
            (Some(_), Reason::NeverAllowed) if is_literal => "is a link-local or cloud metadata address",
            (Some(_), Reason::NeverAllowed) => "has a link-local or cloud metadata address",
            (Some(_), Reason::NotPublic) if is_literal => "is a private, loopback or reserved address",
            (Some(_), Reason::NotPublic) => "has a private, loopback or reserved address",
        };
        let rule = match self.reason {
            Reason::NeverAllowed => "which is always refused",
            Reason::NotPublic => "and only public ones are allowed",
        };
        write!(f, "{host} {what}, {rule}")
    }
}

impl Error for EgressRefused {}

/// Why there is no address to connect to.
#[derive(Debug)]
#[non_exhaustive]
pub enum EgressError {
    /// The policy does not allow it. An operator can mend the endpoint, the name or the policy.
    Refused(EgressRefused),
    /// The name could not be resolved; it may be later.
    Unresolved(io::Error),
}

impl fmt::Display for EgressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.write_str("the address is not allowed"),
            Self::Unresolved(_) => f.write_str("the name cannot be resolved"),
        }
    }
}

impl Error for EgressError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(cause) => Some(cause),
            Self::Unresolved(cause) => Some(cause),
        }
    }
}

impl From<EgressRefused> for EgressError {
    fn from(cause: EgressRefused) -> Self {
        Self::Refused(cause)
    }
}
