//! How large a run is.

use std::str::FromStr;
use std::time::Duration;

/// The settings of a run: those of the environment, or the short form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) seed: u64,
    pub(super) collections: usize,
    pub(super) length: Duration,
    pub(super) writes_per_second: usize,
}

impl Size {
    pub(super) fn read() -> Self {
        Self {
            seed: setting("SEED", 1),
            collections: setting("COLLECTIONS", 40),
            length: Duration::from_secs(setting("SECONDS", 10)),
            writes_per_second: setting("WRITES", 200),
        }
    }

    /// How many collections are changed.
    pub(super) fn toggled(&self) -> usize {
        self.collections / 5
    }

    /// How many writes there are in all.
    pub(super) fn writes(&self) -> usize {
        self.writes_per_second * usize::try_from(self.length.as_secs()).unwrap()
    }
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let name = format!("CONDUIT_TOGGLE_{name}");
    let Some(text) = std::env::var(&name).ok().filter(|text| !text.is_empty()) else {
        return default;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{name} is no number: {text}"))
}
