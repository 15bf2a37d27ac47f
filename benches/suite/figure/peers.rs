//! (h) Single records over HTTP, in order per document, against what else there is for it.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::Failure;
use crate::database::Load;
use crate::findings::{Bar, Row};
use crate::role::{Images, ReceiverJob, SinkKind};
use crate::samples::Samples;
use crate::suite::{Suite, float};

/// Which part of the records Conduit sends, and which the loop in Python, at its rate.
const PART: u64 = 3;
const PART_OF_LOOP: u64 = 50;
/// Names a program that runs a script in a Python with the libraries of `scripts/bench.txt`.
const PYTHON: &str = "CONDUIT_BENCH_PYTHON";

pub(super) async fn measure(figure: &'static str, suite: &Suite) -> Result<(), Failure> {
    let what = "HTTP, one by one, beside a loop in Python";
    let Some(python) = std::env::var_os(PYTHON) else {
        return suite.add(Row::skipped(figure, what, format!("{PYTHON} is not set")));
    };
    let load = suite.inserts((suite.settings.records / PART).max(1)).await?;
    let some = Load {
        changes: (suite.settings.records / PART_OF_LOOP).max(1),
        ..load.clone()
    };
    let (_receiver, url) = suite.receiver(ReceiverJob::default()).await?;
    let (mut theirs, mut ours) = (Vec::new(), Samples::default());
    for round in 0..suite.settings.rounds {
        let limit = hand_written(suite, &python.clone().into(), &some, &url).await?;
        let job = suite.conduit_job(&load, Images::Inserted, SinkKind::Post(url.clone()));
        let rate = ours.add(suite.drain(job).await?, load.changes);
        suite.note(figure, round, &format!("loop {limit:.0}/s, conduit {rate:.0}/s"));
        theirs.push(limit);
    }
    let row = Row::new(figure, what, "records/s", ours.rates)
        .beside("watch, one POST, save the token, in Python", theirs);
    suite.add(row.with_bar(Bar::RatioAtLeast(15.0)))
}

/// How many records a second the loop of `peers/hand_written.py` delivers.
async fn hand_written(suite: &Suite, python: &PathBuf, load: &Load, url: &str) -> Result<f64, Failure> {
    let token = std::env::temp_dir().join(format!("conduit-bench-{}.token", std::process::id()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/hand_written.py");
    let (seconds, increment) = load.start;
    let mut command = Command::new(python);
    command
        .args([script, &suite.mongo.uri(), &suite.mongo.name(), &load.collection])
        .args([
            seconds.to_string(),
            increment.to_string(),
            load.changes.to_string(),
        ])
        .args([url])
        .arg(&token);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    std::fs::remove_file(&token)?;
    if !output.status.success() {
        return Err(format!("the loop in Python ended with {}", output.status).into());
    }
    Ok(float(load.changes) / String::from_utf8(output.stdout)?.trim().parse::<f64>()?)
}
