//! A process of its own that writes, started by the tests that need one: this very program, asked for one test.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use conduit_core::{RecordBatch, Sink};
use conduit_sinks::file::{FileConfig, FileSink};

use crate::FILE;
use crate::records::record_of;

/// Where to write; without it, the test below has nothing to do.
const BASE: &str = "CONDUIT_TEST_FILE_BASE";
const WRITER: &str = "CONDUIT_TEST_FILE_WRITER";

/// Starts a process that delivers records of `writer`, ten a call, until it is killed or a call fails, and says `acked <n>`
/// after each call: all records below `n` are acknowledged. At the end it says why. `prelude` is run by a shell first.
pub(crate) fn start(base: &Path, writer: &str, prelude: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{prelude} exec \"$0\" --exact process::writer --nocapture"
        ))
        .arg(program)
        .env(BASE, base)
        .env(WRITER, writer)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn writer() {
    let (Ok(base), Ok(writer)) = (std::env::var(BASE), std::env::var(WRITER)) else {
        return;
    };
    let config = FileConfig::new(FILE).with_rotate_bytes(64 * 1024);
    let sink = FileSink::new(config, base).unwrap();
    for call in 0.. {
        let numbers = call * 10..(call + 1) * 10;
        let records = numbers.clone().map(|number| record_of(&writer, number));
        let delivered = sink.deliver(&RecordBatch::new(records.collect())).await;
        let mut stdout = io::stdout().lock();
        match delivered {
            Ok(_) => writeln!(stdout, "acked {}", numbers.end).unwrap(),
            Err(error) => {
                writeln!(stdout, "failed {:?} {}", error.kind(), error.report()).unwrap();
                break;
            }
        }
    }
}
