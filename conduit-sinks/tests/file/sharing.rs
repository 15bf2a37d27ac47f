//! Several writers of one file.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::thread;

use conduit_core::{RecordBatch, Sink};
use conduit_sinks::file::{FileConfig, FileSink};
use futures_util::future::join_all;
use tempfile::TempDir;

use crate::records::{event_ids, record_of};
use crate::{FILE, contents, process};

/// Expects that each writer's records are all there once, in order.
fn assert_in_order(ids: &[String], writers: &[&str], least: u32) {
    let mut next: HashMap<&str, u32> = HashMap::new();
    for id in ids {
        let (writer, number) = id.split_once('-').unwrap();
        let expected = next.entry(writer).or_default();
        assert_eq!(number, expected.to_string(), "{writer}");
        *expected += 1;
    }
    for writer in writers {
        let count = next.get(writer).copied().unwrap_or(0);
        assert!(count >= least, "{writer}: {count} of {least}");
    }
}

/// Two collections with the same path, say, each with a sink of its own.
#[tokio::test]
async fn sinks_of_one_process_share_a_file() {
    let base = TempDir::new().unwrap();
    let writers = ["a", "b", "c"];
    let write = async |writer: &str| {
        let config = FileConfig::new(FILE).with_rotate_bytes(2000);
        let sink = FileSink::new(config, base.path()).unwrap();
        for call in 0..30 {
            let records = (call * 3..call * 3 + 3).map(|number| record_of(writer, number));
            sink.deliver(&RecordBatch::new(records.collect())).await.unwrap();
        }
    };
    join_all(writers.map(write)).await;
    let ids = event_ids(&contents(base.path()));
    assert_eq!(ids.len(), 270);
    assert_in_order(&ids, &writers, 90);
}

#[tokio::test]
async fn processes_share_a_file_and_put_it_aside_once() {
    let base = TempDir::new().unwrap();
    let writers = ["a", "b", "c"];
    let children = writers.map(|writer| process::start(base.path(), writer, ""));
    let threads = children.map(|mut child| {
        thread::spawn(move || {
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let acked = lines
                .map(Result::unwrap)
                .inspect(|line| assert!(!line.starts_with("failed"), "{line}"))
                .filter(|line| line.starts_with("acked "));
            let last = acked.take(60).last();
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(last.as_deref(), Some("acked 600"));
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    // The last one to write mends what one of them left when it was killed.
    crate::deliver(&crate::sink(base.path()), crate::records::batch([]))
        .await
        .unwrap();
    assert_in_order(&event_ids(&contents(base.path())), &writers, 600);
}
