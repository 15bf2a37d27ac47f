//! Identifiers, each a type of its own so that one cannot be taken for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName {
    message: String,
}

impl InvalidName {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidName {}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype! {
    /// The name of a watched collection: not empty, without `:` (which separates the parts of state keys).
    CollectionName
}

impl CollectionName {
    /// Checks and makes a collection name.
    ///
    /// # Errors
    /// If the name is empty, or holds `:` or a NUL.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, InvalidName> {
        let name = name.into();
        if name.is_empty() {
            return Err(InvalidName::new("a collection name cannot be empty"));
        }
        if name.contains([':', '\0']) {
            return Err(InvalidName::new("a collection name cannot hold `:` or NUL"));
        }
        Ok(Self(name))
    }
}

text_newtype! {
    /// A destination's id, unique in its collection: 1 to 64 of `a-z`, `0-9`, `-`.
    ///
    /// It is the durable identity of the subscription: state is kept under it.
    DestinationId
}

impl DestinationId {
    /// Checks and makes a destination id.
    ///
    /// # Errors
    /// If the id is empty, longer than 64, or holds anything but `a-z`, `0-9`, `-`.
    pub fn new(id: impl Into<Arc<str>>) -> Result<Self, InvalidName> {
        let id = id.into();
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(legal) {
            return Err(InvalidName::new(
                "a destination id is 1 to 64 of the characters a-z, 0-9 and -",
            ));
        }
        Ok(Self(id))
    }
}

text_newtype! {
    /// What names a record: the same in every delivery of it, from wherever it is read again.
    EventId
}

impl EventId {
    /// Takes over an event id made by a watcher.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }
}

text_newtype! {
    /// The identity of one running worker process; never used again by another process.
    WorkerId
}

impl WorkerId {
    /// Takes over an identity that the host knows to be unique.
    #[must_use]
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }
}

/// One collection's records on their way to one destination: the unit of progress.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscriptionId {
    /// The watched collection.
    pub collection: CollectionName,
    /// Where its records go.
    pub destination: DestinationId,
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_id_is_lower_case_digits_and_dashes() {
        assert!(DestinationId::new("http-3f9a").is_ok());
        for bad in ["", "Http", "a:b", "ä", &"x".repeat(65)] {
            assert!(DestinationId::new(bad.to_owned()).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_collection_name_holds_no_separator_of_state_keys() {
        assert!(CollectionName::new("config.collections").is_ok());
        assert!(CollectionName::new("a:b").is_err());
        assert!(CollectionName::new("").is_err());
    }
}
