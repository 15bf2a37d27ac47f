//! Writing and reading stored values.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use conduit_core::StateError;

use super::FORMAT_VERSION;

#[derive(Deserialize)]
struct Version {
    #[serde(default = "present")]
    v: u32,
}

/// A value without a version is part of one that has it.
fn present() -> u32 {
    FORMAT_VERSION
}

/// Writes a value as JSON.
pub(crate) fn write(value: &impl Serialize) -> String {
    // The stored types hold text, numbers and structs only, all of which can be written.
    serde_json::to_string(value).unwrap_or_default()
}

/// Reads a value of this program's version. An error says `what` it was and nothing of its contents.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StateError> {
    let unreadable = |_| StateError::corrupt(format!("{what} cannot be read"));
    let Version { v } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if v != FORMAT_VERSION {
        let message = format!("{what} has the format version {v}, this program knows {FORMAT_VERSION}");
        return Err(StateError::corrupt(message));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use conduit_core::WallTime;

    #[derive(Debug, Serialize, Deserialize)]
    struct Sample {
        v: u32,
        at: WallTime,
    }

    #[test]
    fn a_value_of_another_version_is_refused_and_not_misread() {
        let other = write(&Sample {
            v: FORMAT_VERSION + 1,
            at: WallTime::default(),
        });
        let error = read::<Sample>(other.as_bytes(), "a sample").unwrap_err();
        assert_eq!(
            error.message(),
            "a sample has the format version 2, this program knows 1"
        );
    }

    #[test]
    fn an_error_tells_nothing_of_the_contents() {
        let error = read::<Sample>(br#"{"v":1,"at":"s3cret"}"#, "a sample").unwrap_err();
        assert_eq!(format!("{error:?}").matches("s3cret").count(), 0);
        assert_eq!(error.message(), "a sample cannot be read");
    }
}
