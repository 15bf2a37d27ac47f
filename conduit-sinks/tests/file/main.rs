//! The file sink on a real file system.
#![cfg(any(target_os = "linux", target_os = "macos"))]
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod crashes;
mod paths;
mod process;
#[path = "../records/mod.rs"]
mod records;
mod rotation;
mod sharing;
mod suite;

use std::fs;
use std::path::Path;

use conduit_core::{RecordBatch, Sink, SinkError};
use conduit_sinks::file::{FileConfig, FileSink};

const FILE: &str = "changes.ndjson";

fn sink(base: &Path) -> FileSink {
    FileSink::new(FileConfig::new(FILE), base).unwrap()
}

async fn deliver(sink: &FileSink, batch: RecordBatch) -> Result<(), SinkError> {
    let delivery = sink.deliver(&batch).await?;
    assert!(delivery.failed.is_empty());
    Ok(())
}

/// What the file and those that were put aside hold, the oldest first.
fn contents(base: &Path) -> String {
    let mut aside: Vec<_> = fs::read_dir(base)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&format!("{FILE}.")))
        .collect();
    aside.sort_unstable();
    let mut text = String::new();
    for name in aside.iter().map(String::as_str).chain([FILE]) {
        text.push_str(&fs::read_to_string(base.join(name)).unwrap_or_default());
    }
    text
}
