//! Delivers Conduit's records to a line log: a TCP server that takes a line and answers it.
//!
//! The first line is `AUTH <token>`, each further one a record's JSON. The log answers each with `OK` once it is on disk,
//! or with `REFUSED`, `TOO-LARGE`, `WAIT <seconds>` or `DENIED`.

use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use conduit_core::{Delivery, RecordBatch, SameKey, Sink, SinkError, SinkErrorKind as Kind, SinkLimits};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Delivers records to one line log.
pub struct LineLogSink {
    /// A host and a port.
    pub address: String,
    /// What the log wants to hear first.
    pub token: String,
    /// How long a call may take.
    pub timeout: Duration,
}

/// Without the token: whatever is logged of a sink must not show it.
impl fmt::Debug for LineLogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineLogSink({})", self.address)
    }
}

#[async_trait]
impl Sink for LineLogSink {
    fn limits(&self) -> SinkLimits {
        SinkLimits {
            max_records: 100,
            max_bytes: 256 * 1024,
            concurrency: 4,
            same_key: SameKey::InOrder,
            linger: Duration::ZERO,
            timeout: self.timeout,
        }
    }

    fn endpoint(&self) -> Option<String> {
        Some(format!("line-log://{}", self.address))
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let mut log = BufReader::new(TcpStream::connect(&self.address).await.map_err(lost)?);
        let greeting = format!("AUTH {}\n", self.token);
        log.write_all(greeting.as_bytes()).await.map_err(lost)?;
        read_answer(&mut log).await?;
        // That took a while: another worker may have the collection by now.
        if !batch.is_permitted() {
            return Err(SinkError::new(Kind::NotSent, "the lease has ended"));
        }
        let mut lines = Vec::new();
        for record in batch.records() {
            lines.extend_from_slice(record.json());
            lines.push(b'\n');
        }
        log.write_all(&lines).await.map_err(lost)?;
        let mut delivery = Delivery::complete();
        for index in 0..batch.records().len() {
            if let Err(error) = read_answer(&mut log).await {
                delivery.failed.push((index, error));
            }
        }
        Ok(delivery)
    }
}

/// Reads what the log says of one line.
async fn read_answer(log: &mut BufReader<TcpStream>) -> Result<(), SinkError> {
    let mut answer = String::new();
    // Of whatever a foreign server sends, no more than a part is kept.
    let read = log.take(1024).read_line(&mut answer).await;
    read.map_err(lost)?;
    let mut words = answer.split_whitespace();
    let (kind, message) = match words.next().unwrap_or_default() {
        "OK" => return Ok(()),
        "REFUSED" => (Kind::Rejected, "the log refused the record"),
        "TOO-LARGE" => (Kind::Undeliverable, "the record is too large"),
        "DENIED" => (Kind::Unauthorized, "the log does not take the token"),
        "WAIT" => {
            let seconds: Option<u64> = words.next().and_then(|word| word.parse().ok());
            let retry_after = seconds.map(Duration::from_secs);
            (Kind::Throttled { retry_after }, "the log asks to wait")
        }
        _ => (Kind::Unavailable, "the log did not answer a line"),
    };
    Err(SinkError::new(kind, message))
}

fn lost(error: io::Error) -> SinkError {
    SinkError::unavailable("the connection to the log failed").with_source(error)
}
