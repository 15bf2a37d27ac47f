//! The file as a destination of the suite.
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_testkit::sink_suite::SinkHarness;
use tempfile::NamedTempFile;
use third_party::sink::FileSink;

struct Harness;

#[async_trait]
impl SinkHarness for Harness {
    type Guard = NamedTempFile;

    async fn create(&self) -> (NamedTempFile, Arc<dyn Sink>) {
        let file = NamedTempFile::new().unwrap();
        let sink = FileSink(Mutex::new(file.reopen().unwrap()));
        (file, Arc::new(sink))
    }

    async fn arrived(&self, file: &NamedTempFile) -> Vec<Vec<u8>> {
        let text = std::fs::read_to_string(file.path()).unwrap();
        text.lines().map(|line| line.as_bytes().to_vec()).collect()
    }
}

conduit_testkit::sink_suite!(Harness);
