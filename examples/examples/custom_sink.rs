//! A sink of your own, and nothing else: what a person writes whose destination Conduit does not have.
//!
//! `cargo run -p conduit-examples --example custom_sink` runs it on changes made up in memory.

use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::{CollectionSpec, Conduit, Delivery, RecordBatch, RecordType, Sink, SinkError, SinkLimits};
use conduit_state::MemoryStore;
use conduit_testkit::ScriptedWatcher;
use tokio::sync::mpsc;

/// Hands records to a channel, as text.
#[derive(Debug)]
struct ChannelSink {
    lines: mpsc::Sender<String>,
}

#[async_trait]
impl Sink for ChannelSink {
    fn limits(&self) -> SinkLimits {
        SinkLimits {
            max_records: 10,
            ..SinkLimits::default()
        }
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let mut delivery = Delivery::complete();
        for (index, record) in batch.records().iter().enumerate() {
            let line = String::from_utf8_lossy(record.json()).into_owned();
            // A record that fails is retried by the engine, in order; the sink only says why.
            if self.lines.send(line).await.is_err() {
                delivery
                    .failed
                    .push((index, SinkError::unavailable("nobody reads the channel")));
            }
        }
        Ok(delivery)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (lines, mut received) = mpsc::channel(100);
    let watcher = ScriptedWatcher::new();
    let conduit = Conduit::builder(Arc::new(watcher.clone()), Arc::new(MemoryStore::new()))
        .collection(CollectionSpec::named("orders")?.to("channel", ChannelSink { lines })?)
        .build()?;
    let handle = conduit.handle();
    let shutdown = async {
        while !handle
            .status()
            .iter()
            .flat_map(|c| &c.destinations)
            .any(|d| d.lag_seconds.is_some())
        {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        watcher.change("orders", "order-1", RecordType::Insert, 1);
        watcher.change("orders", "order-1", RecordType::Modify, 2);
        for _ in 0..2 {
            println!("{}", received.recv().await.unwrap_or_default());
        }
    };
    conduit.run_until(shutdown).await?;
    Ok(())
}
