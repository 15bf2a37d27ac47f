//! All figures of a run.

use std::path::PathBuf;

use serde_json::json;

use super::Row;
use crate::Failure;
use crate::settings::Settings;

/// Where the JSON goes if the environment does not say.
const DEFAULT_PATH: &str = "target/bench.json";

/// Shows each row as it is found and writes all of them in the end.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
    settings: Settings,
}

impl Report {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            rows: Vec::new(),
            settings: settings.clone(),
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        if self.rows.is_empty() {
            println!("{}", Row::head());
        }
        println!("{}", row.line());
        self.rows.push(row);
    }

    /// Says how many bars were missed, and writes `CONDUIT_BENCH_JSON`, by default `target/bench.json`.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let missed = self.rows.iter().filter(|row| row.is_missed()).count();
        println!("{} figures, {missed} below the bar", self.rows.len());
        let path = std::env::var_os("CONDUIT_BENCH_JSON").map_or_else(|| DEFAULT_PATH.into(), PathBuf::from);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        let settings = json!({
            "rounds": self.settings.rounds,
            "records": self.settings.records,
            "seconds": self.settings.seconds,
            "collections": self.settings.collections,
        });
        let text = serde_json::to_string_pretty(&json!({ "settings": settings, "figures": rows }))?;
        std::fs::write(&path, text + "\n")?;
        println!("{}", path.display());
        Ok(())
    }
}
