//! The figures, a file each.

mod commits;
mod inserts;
mod latency;
mod many;
mod peers;
mod posts;
mod updates;

use crate::Failure;
use crate::role::Images;
use crate::suite::Suite;

/// How long the receiver that takes its time does.
const SLOW_MS: u64 = 2;

/// A figure that can be asked for by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// A bare cursor against a null sink.
    NullSink,
    /// Single records over HTTP.
    Posts,
    /// The same to a receiver that takes its time.
    SlowPosts,
    /// Batches over HTTP.
    Batches,
    /// What is written to Redis.
    Commits,
    /// Single records over HTTP, beside what else there is for it.
    Peers,
    /// Updates with images that are looked up.
    LookedUp,
    /// Updates with images that are stored.
    Stored,
    /// From the write to the receiver.
    Latency,
    /// Many collections.
    Many,
}

impl Figure {
    /// In the order in which they are measured: what is written for the last ones may push what is written for the first
    /// ones out of the oplog.
    const ALL: [Self; 10] = [
        Self::NullSink,
        Self::Batches,
        Self::Posts,
        Self::SlowPosts,
        Self::Peers,
        Self::Commits,
        Self::LookedUp,
        Self::Stored,
        Self::Latency,
        Self::Many,
    ];

    /// The figures with these names; all if none is named.
    pub(crate) fn named(names: &[String]) -> Result<Vec<Self>, Failure> {
        let find = |name: &String| {
            let known = || Self::ALL.map(Self::name).join(" ");
            let figure = Self::ALL.into_iter().find(|figure| figure.name() == name);
            figure.ok_or_else(|| format!("there is no figure {name:?}, only: {}", known()).into())
        };
        match names {
            [] => Ok(Self::ALL.to_vec()),
            names => names.iter().map(find).collect(),
        }
    }

    /// What it is called on the command line and in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NullSink => "a",
            Self::Posts => "b",
            Self::SlowPosts => "b-slow",
            Self::Batches => "c",
            Self::LookedUp => "d",
            Self::Stored => "e",
            Self::Many => "f",
            Self::Latency => "g",
            Self::Peers => "h",
            Self::Commits => "commits",
        }
    }

    /// Measures it and adds its rows.
    pub(crate) async fn measure(self, suite: &Suite) -> Result<(), Failure> {
        match self {
            Self::NullSink => inserts::measure(self.name(), suite).await,
            Self::Posts => posts::measure(self.name(), suite, 0).await,
            Self::SlowPosts => posts::measure(self.name(), suite, SLOW_MS).await,
            Self::Batches => inserts::measure_batches(self.name(), suite).await,
            Self::LookedUp => updates::measure(self.name(), suite, Images::LookedUp).await,
            Self::Stored => updates::measure(self.name(), suite, Images::Stored).await,
            Self::Many => many::measure(self.name(), suite).await,
            Self::Latency => latency::measure(self.name(), suite).await,
            Self::Peers => peers::measure(self.name(), suite).await,
            Self::Commits => commits::measure(self.name(), suite).await,
        }
    }
}
