//! The suite runs through at tiny sizes, and leaves a table and JSON. Nothing is said of how long anything takes.

use std::process::Stdio;

use conduit_testkit::servers::{MongoServer, RedisServer};
use serde_json::Value;
use tokio::process::Command;

const FIGURES: [&str; 10] = ["a", "b", "b-slow", "c", "commits", "d", "e", "f", "g", "h"];

#[tokio::test]
async fn every_figure_comes_as_a_row_and_as_json() {
    // A server of its own: the suite asks for the processor time of the whole of it.
    let (mongod, redis) = (MongoServer::start().await, RedisServer::start().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("found/bench.json");
    let output = Command::new(env!("CARGO_BIN_EXE_conduit-bench"))
        .env("CONDUIT_BENCH_MONGODB_URI", mongod.uri())
        .env("CONDUIT_BENCH_REDIS_URI", redis.uri())
        .env("CONDUIT_BENCH_ROUNDS", "1")
        .env("CONDUIT_BENCH_RECORDS", "300")
        .env("CONDUIT_BENCH_SECONDS", "1")
        .env("CONDUIT_BENCH_COLLECTIONS", "1,2")
        .env("CONDUIT_BENCH_JSON", &json)
        .env_remove("CONDUIT_BENCH_PYTHON")
        .env_remove("CONDUIT_BENCH_PROFILER")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (table, notes) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{table}\n{notes}");
    let found: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(found["settings"]["records"], 300);
    let rows = found["figures"].as_array().unwrap();
    for figure in FIGURES {
        assert!(
            table
                .lines()
                .any(|line| line.split_whitespace().next() == Some(figure)),
            "no row of {figure}:\n{table}"
        );
        let of_figure: Vec<&Value> = rows.iter().filter(|row| row["figure"] == figure).collect();
        assert!(!of_figure.is_empty(), "no JSON of {figure}:\n{found:#}");
        for row in of_figure {
            let is_measured = row["ours"]["median"].as_f64().is_some_and(f64::is_finite);
            assert!(is_measured || row["skipped"].is_string(), "{row:#}");
        }
    }
    assert!(
        table.lines().any(|line| line.contains("below the bar")),
        "{table}"
    );
    assert!(table.ends_with(&format!("{}\n", json.display())), "{table}");
}

#[tokio::test]
async fn a_figure_that_there_is_not_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_conduit-bench"))
        .arg("z")
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("there is no figure \"z\"")
    );
}
