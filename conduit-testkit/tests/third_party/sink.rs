//! A destination of one's own: a file with a record a line.
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;

use async_trait::async_trait;
use conduit_core::{Delivery, RecordBatch, SameKey, Sink, SinkError, SinkLimits};

#[derive(Debug)]
pub struct FileSink(pub Mutex<File>);

#[async_trait]
impl Sink for FileSink {
    fn limits(&self) -> SinkLimits {
        SinkLimits {
            max_records: 100,
            same_key: SameKey::InOrder,
            ..SinkLimits::default()
        }
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let mut lines = Vec::new();
        for record in batch.records() {
            lines.extend_from_slice(record.json());
            lines.push(b'\n');
        }
        let mut file = self
            .0
            .lock()
            .map_err(|_| SinkError::unavailable("a call panicked"))?;
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        written.map_err(|error| SinkError::unavailable("cannot write").with_source(error))?;
        Ok(Delivery::complete())
    }
}
