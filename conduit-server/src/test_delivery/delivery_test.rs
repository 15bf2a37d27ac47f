//! One test of one collection's destinations.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::{
    CollectionName, CommandError, CommandErrorKind, DestinationId, Record, Sink, SinkError, Tested,
};
use futures_util::{FutureExt, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::sample::sample;
use crate::catalog::{Catalog, CollectionConfig, Destination};
use crate::destination_type::{DestinationTypes, SettingFault};

/// How long a destination may take at most, whatever its own time-out is: somebody waits.
const LONGEST: Duration = Duration::from_secs(60);
/// How much longer than its time-out a sink gets, so that it can say itself what it waited for.
const GRACE: Duration = Duration::from_secs(1);
/// How many destinations are tested at the same time.
const MAX_AT_ONCE: usize = 16;

/// What a test of a destination came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestedDestination {
    pub(crate) id: DestinationId,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Whether it took the record.
    pub(crate) delivered: bool,
    /// The HTTP status of its answer, where there was one.
    pub(crate) status: Option<u16>,
    /// How long it took, in milliseconds; nothing if nothing was sent.
    pub(crate) latency_ms: Option<f64>,
    /// Why it did not take the record.
    pub(crate) error: Option<String>,
}

/// Returns the configuration of a collection as it is now.
pub(crate) async fn config_of(
    catalog: &Catalog,
    collection: &CollectionName,
) -> Result<CollectionConfig, CommandError> {
    let (catalog, name) = (catalog.clone(), collection.clone());
    // In a task of its own, so that the driver's future runs to its end whatever happens to this one.
    let found = tokio::spawn(async move { catalog.get(name.as_str()).await }).await;
    let unavailable = |message: String| CommandError::new(CommandErrorKind::Unavailable, message);
    match found {
        Ok(Ok(Some(entry))) if entry.deleting.is_none() => Ok(entry.config),
        Ok(Ok(_)) => Err(unavailable(
            "the collection is not configured any more".to_owned(),
        )),
        Ok(Err(error)) => Err(unavailable(error.to_string())),
        Err(died) => Err(unavailable(died.to_string())),
    }
}

/// Sends a sample to one destination, or to all at the same time; each once, without filters, for at most a minute. Returns what
/// came of it in the order of the configuration.
pub(crate) async fn test(
    config: &CollectionConfig,
    destination: Option<&DestinationId>,
    types: &DestinationTypes,
) -> Vec<TestedDestination> {
    let record = &sample(config);
    let is_meant = |tested: &&Destination| destination.is_none_or(|wanted| *wanted == tested.id);
    let tests = config.destinations.iter().filter(is_meant);
    let tests = tests.map(|tested| async move {
        match tested.sink(&config.collection_name, types) {
            Ok(sink) => send(tested, &*sink, Arc::clone(record)).await,
            Err(faults) => unusable(tested, &faults),
        }
    });
    // Put together here, since the stream's closures would be too general for the compiler.
    let tests: Vec<_> = tests.map(FutureExt::boxed).collect();
    stream::iter(tests).buffered(MAX_AT_ONCE).collect().await
}

async fn send(tested: &Destination, sink: &dyn Sink, record: Arc<Record>) -> TestedDestination {
    let patience = (sink.limits().timeout + GRACE).min(LONGEST);
    let began = Instant::now();
    let sending = AssertUnwindSafe(sink.test(record)).catch_unwind();
    let result = match timeout(patience, sending).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err(SinkError::unavailable("the sink panicked")),
        Err(_elapsed) => Err(SinkError::timeout(format!("no answer within {patience:?}"))),
    };
    let latency = began.elapsed();
    // To the microsecond.
    let latency_ms = Some((latency.as_secs_f64() * 1e6).round() / 1e3);
    match result {
        Ok(Tested { status, .. }) => TestedDestination {
            status,
            latency_ms,
            delivered: true,
            ..blank(tested)
        },
        Err(error) => TestedDestination {
            status: error.status(),
            latency_ms,
            error: Some(error.report()),
            ..blank(tested)
        },
    }
}

fn unusable(tested: &Destination, faults: &[SettingFault]) -> TestedDestination {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    TestedDestination {
        error: Some(format!("cannot be used here: {}", faults.join("; "))),
        ..blank(tested)
    }
}

fn blank(tested: &Destination) -> TestedDestination {
    TestedDestination {
        id: tested.id.clone(),
        kind: tested.kind.clone(),
        delivered: false,
        status: None,
        latency_ms: None,
        error: None,
    }
}
