//! What is there after a crash.

use std::fs;
use std::io::{BufRead, BufReader};

use tempfile::TempDir;

use crate::records::{batch, event_ids};
use crate::{FILE, contents, deliver, process, sink};

/// What a file holds after `image` was found and one more record was delivered.
async fn after(image: &[u8]) -> String {
    let base = TempDir::new().unwrap();
    fs::write(base.path().join(FILE), image).unwrap();
    deliver(&sink(base.path()), batch([9])).await.unwrap();
    contents(base.path())
}

async fn two_lines() -> Vec<u8> {
    let base = TempDir::new().unwrap();
    deliver(&sink(base.path()), batch([1, 2])).await.unwrap();
    fs::read(base.path().join(FILE)).unwrap()
}

/// The first line was acknowledged; the write of the second broke off at any byte.
#[tokio::test]
async fn a_line_that_was_torn_anywhere_is_taken_away_and_the_whole_ones_stay() {
    let lines = two_lines().await;
    let first = lines.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in first..=lines.len() {
        let ids = event_ids(&after(&lines[..cut]).await);
        // Of a line that lacks its line feed alone nothing is missing.
        if cut >= lines.len() - 1 {
            assert_eq!(ids, ["a-1", "a-2", "a-9"], "{cut}");
        } else {
            assert_eq!(ids, ["a-1", "a-9"], "{cut}");
        }
    }
}

/// The length of the file is on the disk and its bytes are not.
#[tokio::test]
async fn zeros_that_a_power_failure_left_are_taken_away() {
    let lines = two_lines().await;
    let first = lines.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for kept in [0, first, first + 40] {
        let mut image = lines[..kept].to_vec();
        image.resize(200_000, 0);
        let ids = event_ids(&after(&image).await);
        let expected: &[&str] = if kept == 0 { &["a-9"] } else { &["a-1", "a-9"] };
        assert_eq!(ids, expected, "{kept}");
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_without_a_line_feed_stays() {
    for image in ["my notes", "{\"mine\":1}", "a\n{\"mine\":", "{"] {
        let text = after(image.as_bytes()).await;
        // `{` alone may be the beginning of a record.
        let kept = if image == "{" {
            String::new()
        } else {
            format!("{image}\n")
        };
        let added = text.strip_prefix(&kept).unwrap();
        assert_eq!(event_ids(added), ["a-9"], "{image}");
    }
}

#[tokio::test]
async fn a_torn_line_longer_than_what_is_read_at_a_time_is_taken_away() {
    let mut image = two_lines().await;
    image.extend_from_slice(br#"{"eventID":""#);
    image.resize(300_000, b'x');
    assert_eq!(event_ids(&after(&image).await), ["a-1", "a-2", "a-9"]);
}

/// Killed at another moment each time; what was acknowledged is there, in order, across the files put aside.
#[tokio::test]
async fn a_writer_that_is_killed_loses_nothing_that_it_acknowledged() {
    let base = TempDir::new().unwrap();
    for round in 0..10 {
        let writer = format!("w{round}");
        let mut child = process::start(base.path(), &writer, "");
        let mut acked = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            assert!(!line.starts_with("failed"), "{line}");
            if let Some(count) = line.strip_prefix("acked ") {
                acked = count.parse().unwrap();
                if acked >= 300 + round * 70 {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // It mends what was torn.
        deliver(&sink(base.path()), batch([round])).await.unwrap();
        let ids = event_ids(&contents(base.path()));
        let own: Vec<_> = ids
            .iter()
            .filter(|id| id.starts_with(&format!("{writer}-")))
            .collect();
        assert!(own.len() >= acked as usize, "{} of {acked}", own.len());
        for (number, id) in own.iter().enumerate() {
            assert_eq!(**id, format!("{writer}-{number}"));
        }
    }
}

/// The system takes the beginning of the lines and then no more, as a full disk does.
#[tokio::test]
async fn a_write_that_breaks_off_leaves_whole_lines_and_says_that_the_destination_failed() {
    let base = TempDir::new().unwrap();
    // In blocks of 512 or 1024 bytes, by the shell. A size that is exceeded is an error where its signal is ignored.
    let mut child = process::start(base.path(), "w", "trap '' XFSZ; ulimit -f 20;");
    let output = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<String> = output.lines().map(Result::unwrap).collect();
    child.wait().unwrap();
    let failed = lines.iter().find(|line| line.starts_with("failed")).unwrap();
    assert_eq!(
        failed,
        "failed Unavailable cannot write to changes.ndjson: File too large (os error 27)"
    );
    let acked = lines.iter().filter(|line| line.starts_with("acked")).count() * 10;
    let ids = event_ids(&contents(base.path()));
    assert!(acked > 0);
    assert_eq!(ids.len(), acked, "what was not acknowledged is taken back");
}
