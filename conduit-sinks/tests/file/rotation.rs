//! Files that have become too large.

use std::fs;

use conduit_sinks::file::{FileConfig, FileSink};
use conduit_sinks::format::PayloadFormat;
use tempfile::TempDir;

use crate::records::{batch, event_ids};
use crate::{FILE, contents, deliver};

/// Room for about five records.
fn small(base: &TempDir) -> FileSink {
    FileSink::new(FileConfig::new(FILE).with_rotate_bytes(1024), base.path()).unwrap()
}

fn names(base: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(base.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_file_that_would_grow_too_large_is_put_aside_and_nothing_is_lost() {
    let base = TempDir::new().unwrap();
    let sink = small(&base);
    for call in 0..20 {
        deliver(&sink, batch(call * 2..call * 2 + 2)).await.unwrap();
    }
    let expected: Vec<String> = (0..40).map(|number| format!("a-{number}")).collect();
    assert_eq!(event_ids(&contents(base.path())), expected);
    let names = names(&base);
    assert!(names.len() > 5, "{names:?}");
    for (index, name) in names.iter().skip(1).enumerate() {
        assert_eq!(*name, format!("{FILE}.{:06}", index + 1));
    }
    for name in &names {
        assert!(fs::metadata(base.path().join(name)).unwrap().len() <= 1024);
    }
}

#[tokio::test]
async fn a_call_larger_than_a_file_may_be_has_a_file_of_its_own() {
    let base = TempDir::new().unwrap();
    let sink = small(&base);
    deliver(&sink, batch(0..100)).await.unwrap();
    assert_eq!(names(&base), [FILE]);
    deliver(&sink, batch(100..101)).await.unwrap();
    assert_eq!(names(&base), [FILE, "changes.ndjson.000001"]);
    assert_eq!(event_ids(&contents(base.path())).len(), 101);
}

#[tokio::test]
async fn numbers_go_on_after_the_highest_and_nothing_is_replaced() {
    let base = TempDir::new().unwrap();
    let others = ["changes.ndjson.000007", "changes.ndjson.8", "changes.ndjson.old"];
    for name in others {
        fs::write(base.path().join(name), name).unwrap();
    }
    let sink = small(&base);
    deliver(&sink, batch(0..5)).await.unwrap();
    deliver(&sink, batch(5..10)).await.unwrap();
    assert!(names(&base).contains(&"changes.ndjson.000009".to_owned()));
    for name in others {
        assert_eq!(fs::read_to_string(base.path().join(name)).unwrap(), name);
    }
}

#[tokio::test]
async fn lines_may_be_cloud_events() {
    let base = TempDir::new().unwrap();
    let config = FileConfig::new(FILE).with_format(PayloadFormat::CloudEvents);
    let sink = FileSink::new(config, base.path()).unwrap();
    deliver(&sink, batch(0..2)).await.unwrap();
    for (number, line) in contents(base.path()).lines().enumerate() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["id"], format!("a-{number}"));
        assert_eq!(event["data"]["eventID"], event["id"]);
    }
}
