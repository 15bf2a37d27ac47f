//! How state is written: JSON with a version, the same in every store that outlives the process.

mod dead_letter;
#[cfg(any(feature = "embedded", feature = "redis"))]
mod letter_entry;
mod progress;
#[cfg(any(feature = "embedded", feature = "redis"))]
mod versioned;
#[cfg(any(feature = "embedded", feature = "redis"))]
mod waiting;

pub(crate) use dead_letter::dead_letter_tail;
#[cfg(any(feature = "embedded", feature = "redis"))]
pub(crate) use letter_entry::LetterEntry;
#[cfg(feature = "embedded")]
pub(crate) use letter_entry::stale_letter;
#[cfg(any(feature = "embedded", feature = "redis"))]
pub(crate) use progress::FORMAT_VERSION;
pub(crate) use progress::Progress;
#[cfg(any(feature = "embedded", feature = "redis"))]
pub(crate) use versioned::{read, write};
#[cfg(any(feature = "embedded", feature = "redis"))]
pub(crate) use waiting::Waiting;
