//! The output of a real process: this very program, asked for one test.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use conduit_core::{RecordBatch, Sink, SinkErrorKind};
use conduit_sinks::format::PayloadFormat;
use conduit_sinks::stdout::StdoutSink;
use futures_util::future::join_all;

use crate::records::{batch, event_ids, record_of};

/// Which of the parts below the process plays; without it they have nothing to do.
const PART: &str = "CONDUIT_TEST_STDOUT_PART";

/// What the process says on the standard error once it waits for word.
const READY: &str = "ready";

fn start(part: &str) -> Child {
    let test = format!("process::{part}");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(PART, part)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn is_played(part: &str) -> bool {
    std::env::var(PART).is_ok_and(|played| played == part)
}

const WRITERS: [&str; 4] = ["a", "b", "c", "d"];

/// Several sinks at once, and somebody who prints in between.
#[tokio::test]
async fn print_a_lot() {
    if !is_played("print_a_lot") {
        return;
    }
    let printing = std::thread::spawn(|| (0..1000).for_each(|number| println!("printed {number}")));
    let write = async |writer: &str| {
        let sink = StdoutSink::new(PayloadFormat::Conduit).unwrap();
        for call in 0..50 {
            let records = (call * 20..call * 20 + 20).map(|number| record_of(writer, number));
            sink.deliver(&RecordBatch::new(records.collect())).await.unwrap();
        }
    };
    join_all(WRITERS.map(write)).await;
    printing.join().unwrap();
}

#[test]
fn lines_of_all_sinks_are_whole_and_in_order() {
    let mut child = start("print_a_lot");
    let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .collect();
    assert!(child.wait().unwrap().success());
    let records: String = lines
        .iter()
        .filter(|line| line.contains("eventID"))
        .map(|line| format!("{line}\n"))
        .collect();
    let ids = event_ids(&records);
    for writer in WRITERS {
        let own = ids.iter().filter(|id| id.starts_with(&format!("{writer}-")));
        let expected = (0..1000).map(|number| format!("{writer}-{number}"));
        assert!(own.cloned().eq(expected), "{writer}");
    }
    let printed = lines.iter().filter(|line| line.starts_with("printed ")).count();
    assert_eq!(printed, 1000);
}

/// Says on the standard error what became of a call that was made when told to.
#[tokio::test]
async fn write_when_told() {
    if !is_played("write_when_told") {
        return;
    }
    let sink = StdoutSink::new(PayloadFormat::Conduit).unwrap();
    eprintln!("{READY}");
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let error = sink.deliver(&batch([1])).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    eprintln!("{}", error.report());
    // Before the test's own report, which would find the pipe closed too.
    std::process::exit(0);
}

#[test]
fn a_closed_pipe_is_unavailable() {
    let mut child = start("write_when_told");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    // The test's own report begins on the standard output too.
    assert!(said.any(|line| line.unwrap() == READY));
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"!").unwrap();
    let said = said.next().unwrap().unwrap();
    assert_eq!(
        said,
        "cannot write to the standard output: Broken pipe (os error 32)"
    );
    assert!(child.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_unavailable() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let sink = StdoutSink::to(full, PayloadFormat::Conduit).unwrap();
    let error = sink.deliver(&batch([1])).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
    assert_eq!(
        error.report(),
        "cannot write to the standard output: No space left on device (os error 28)"
    );
}

#[tokio::test]
async fn nothing_is_written_once_the_right_to_send_has_ended() {
    let sink = StdoutSink::to(std::io::sink(), PayloadFormat::Conduit).unwrap();
    let forbidden = RecordBatch::new(batch([1]).records().to_vec()).with_permission(|| false);
    let error = sink.deliver(&forbidden).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::NotSent);
}
