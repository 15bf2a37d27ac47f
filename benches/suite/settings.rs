//! How large a run is.

use crate::Failure;

/// Sizes of a run, each from a variable of the environment.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `CONDUIT_BENCH_ROUNDS`: how often limit and Conduit take turns. Default 5.
    pub(crate) rounds: usize,
    /// `CONDUIT_BENCH_RECORDS`: how many inserts a null sink takes. Default 200,000. Figures whose records cost more take a
    /// part of it.
    pub(crate) records: u64,
    /// `CONDUIT_BENCH_SECONDS`: how long a paced load runs. Default 5.
    pub(crate) seconds: u64,
    /// `CONDUIT_BENCH_COLLECTIONS`: of how many collections. Default `1,100,1000`.
    pub(crate) collections: Vec<usize>,
}

impl Settings {
    /// Reads the environment.
    pub(crate) fn read() -> Result<Self, Failure> {
        let collections = std::env::var("CONDUIT_BENCH_COLLECTIONS").unwrap_or_else(|_| "1,100,1000".into());
        let numbers: Result<Vec<usize>, _> = collections.split(',').map(|text| text.trim().parse()).collect();
        Ok(Self {
            rounds: usize::try_from(number("CONDUIT_BENCH_ROUNDS", 5)?)?,
            records: number("CONDUIT_BENCH_RECORDS", 200_000)?,
            seconds: number("CONDUIT_BENCH_SECONDS", 5)?,
            collections: numbers
                .map_err(|_| "CONDUIT_BENCH_COLLECTIONS must be numbers with commas between")?,
        })
    }
}

fn number(name: &str, default: u64) -> Result<u64, Failure> {
    match std::env::var(name).map(|text| text.parse::<u64>()) {
        Ok(Ok(number)) if number > 0 => Ok(number),
        Ok(_) => Err(format!("{name} must be a whole number of at least 1").into()),
        Err(_) => Ok(default),
    }
}
