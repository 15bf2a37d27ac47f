//! Layers of `tower` around a sink: a pace that the destination can bear, a time-out of its own, and a line for each call.
//!
//! `MONGODB_URI='mongodb://127.0.0.1:27017/?replicaSet=rs0' ENDPOINT=http://127.0.0.1:9000/ cargo run -p conduit-examples --example tower_layers`
//!
//! Any layer fits but one that retries: the engine does that, durably and in order. State is in memory, so it starts anew.

use std::env::var;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{CollectionSpec, Conduit, Delivery, RecordBatch, ServiceSink, Sink, SinkService};
use conduit_mongo::MongoWatcher;
use conduit_sinks::http::{HttpConfig, HttpSink, MAX_TIMEOUT};
use conduit_state::MemoryStore;
use tower::ServiceBuilder;

/// Calls a second at the most.
const PACE: u64 = 50;
/// How many calls may wait for their turn.
const WAITING: usize = 64;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let client = mongodb::Client::with_uri_str(var("MONGODB_URI")?).await?;
    let database = client.database(&var("MONGODB_DATABASE").unwrap_or_else(|_| "test".to_owned()));
    let timeout: u64 = var("TIMEOUT_SECONDS").map_or(Ok(5), |text| text.parse())?;

    // The sink's own time-out is put out of the way of the layer's.
    let config = HttpConfig::new(var("ENDPOINT")?).with_timeout(MAX_TIMEOUT);
    let sink = HttpSink::new(config)?;
    // How large a batch may be, and how many calls at once, stays what the sink says.
    let limits = sink.limits();
    let layers = ServiceBuilder::new()
        .map_request(|batch: RecordBatch| {
            println!("sending {} record(s)", batch.records().len());
            batch
        })
        .map_response(|delivery: Delivery| {
            println!("answered, {} record(s) failed", delivery.failed.len());
            delivery
        })
        // A limit of the pace cannot be cloned, which a sink must be: the buffer before it can. What waits there has
        // not begun, so the time-out stands behind both.
        .buffer(WAITING)
        .rate_limit(PACE, Duration::from_secs(1))
        .timeout(Duration::from_secs(timeout))
        .service(SinkService::new(sink));

    let conduit = Conduit::builder(
        Arc::new(MongoWatcher::new(database)),
        Arc::new(MemoryStore::new()),
    )
    .collection(CollectionSpec::named("orders")?.to("webhook", ServiceSink::new(layers, limits))?)
    .build()?;
    conduit
        .run_until(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
