//! The process that runs Conduit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bson::doc;
use conduit_core::{
    ClusterTime, CollectionName, CollectionSpec, Conduit, DestinationId, Handle, Images as TargetImages,
    Sink, SubscriptionPhase, SubscriptionSpec, WatchTarget,
};
use conduit_mongo::MongoWatcher;
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::{HttpBatch, HttpClient, HttpConfig, HttpSink};
use conduit_state::{Idempotency, RedisSettings, RedisStore};
use mongodb::Client;
use mongodb::options::ClientOptions;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Role;
use super::job::{ConduitJob, Images, SinkKind};
use crate::counting_sink::{CountingSink, Deliveries, NullSink};
use crate::memory::resident_bytes;
use crate::{Failure, clock};

/// How many connections change streams may use, as in the server.
const MAX_STREAM_CONNECTIONS: u32 = 10_000;
/// How often it is looked whether all subscriptions stream.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long it may take until all do.
const LONGEST_START: Duration = Duration::from_secs(90);

/// Conduit as a host would run it, with its deliveries counted.
pub(super) struct ConduitProcess {
    conduit: Option<Conduit>,
    client: Client,
    handle: Handle,
    watcher: MongoWatcher,
    deliveries: Arc<Deliveries>,
    expected: u64,
    running: Option<Running>,
}

struct Running {
    task: JoinHandle<Result<(), conduit_core::EngineDied>>,
    stop: oneshot::Sender<()>,
}

impl ConduitProcess {
    pub(super) async fn new(job: ConduitJob) -> Result<Self, Failure> {
        let mut options = ClientOptions::parse(&job.mongodb).await?;
        options.max_pool_size = Some(MAX_STREAM_CONNECTIONS);
        let client = Client::with_options(options)?;
        let database = client.database(&job.database);
        // Connecting is no part of what is measured, here as in the limits.
        database.run_command(doc! { "ping": 1 }).await?;
        let watcher = MongoWatcher::new(database);
        let idempotency = if job.watermark {
            Idempotency::Watermark
        } else {
            Idempotency::default()
        };
        let settings = RedisSettings {
            idempotency,
            ..RedisSettings::default()
        };
        let store = RedisStore::connect(&job.redis, settings)?;
        let deliveries = Arc::new(Deliveries::expecting(job.deliveries));
        let http = HttpClient::new(EgressPolicy::Any)?;
        let mut builder = Conduit::builder(Arc::new(watcher.clone()), Arc::new(store));
        for name in &job.collections {
            builder = builder.collection(collection(&job, name, &http, &deliveries)?);
        }
        let conduit = builder.build()?;
        Ok(Self {
            handle: conduit.handle(),
            conduit: Some(conduit),
            client,
            watcher,
            deliveries,
            expected: job.deliveries,
            running: None,
        })
    }

    fn start(&mut self) -> Result<(), Failure> {
        let conduit = self.conduit.take().ok_or("it was started before")?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(conduit.run_until(async {
            let _ = stopped.await;
        }));
        self.running = Some(Running { task, stop });
        Ok(())
    }

    /// Stops as a host does: everything settled is committed.
    async fn stop(&mut self) -> Result<(), Failure> {
        let running = self.running.take().ok_or("it is not running")?;
        let _ = running.stop.send(());
        running.task.await??;
        self.watcher.closed().await;
        Ok(())
    }

    /// From the start to the last delivery; the processor time is that of everything, the stop with its last commit too.
    async fn drain(&mut self) -> Result<Value, Failure> {
        let (began, cpu) = (clock::now(), clock::cpu());
        self.start()?;
        self.deliveries.all().await;
        let took = clock::now() - began;
        self.stop().await?;
        let cpu = clock::cpu() - cpu;
        self.client.clone().shutdown().await;
        let delivered = self.deliveries.count();
        if delivered != self.expected {
            return Err(format!("{delivered} deliveries instead of {}", self.expected).into());
        }
        Ok(json!({ "seconds": took.as_secs_f64(), "cpu_seconds": cpu.as_secs_f64() }))
    }

    async fn stream(&mut self) -> Result<Value, Failure> {
        let began = clock::now();
        self.start()?;
        while !self.all_stream() {
            if clock::now() - began > LONGEST_START {
                return Ok(json!({ "seconds": Value::Null }));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(json!({ "seconds": (clock::now() - began).as_secs_f64() }))
    }

    fn all_stream(&self) -> bool {
        let collections = self.handle.status();
        let mut all = collections.iter().flat_map(|collection| &collection.destinations);
        !collections.is_empty() && all.all(|status| status.phase == SubscriptionPhase::Streaming)
    }
}

#[async_trait]
impl Role for ConduitProcess {
    async fn answer(&mut self, word: &str) -> Result<Value, Failure> {
        match word {
            "drain" => self.drain().await,
            "stream" => self.stream().await,
            "usage" => Ok(json!({
                "cpu_seconds": clock::cpu().as_secs_f64(),
                "resident_bytes": resident_bytes()?,
                "deliveries": self.deliveries.count(),
                "open_streams": self.watcher.open_streams(),
            })),
            "stop" => {
                self.stop().await?;
                self.client.clone().shutdown().await;
                Ok(Value::Null)
            }
            other => Err(format!("conduit does not know {other:?}").into()),
        }
    }
}

fn collection(
    job: &ConduitJob,
    name: &str,
    client: &HttpClient,
    deliveries: &Arc<Deliveries>,
) -> Result<CollectionSpec, Failure> {
    let images = match job.images {
        Images::Inserted | Images::LookedUp => TargetImages::New,
        Images::Stored => TargetImages::NewAndOld,
    };
    let target = WatchTarget {
        images,
        ..WatchTarget::new(CollectionName::new(name)?)
    };
    let mut spec = CollectionSpec::new(target);
    for number in 0..job.destinations {
        let id = DestinationId::new(format!("destination-{number}"))?;
        let sink = CountingSink::new(sink(&job.sink, client)?, Arc::clone(deliveries));
        let mut subscription = SubscriptionSpec::new(id, sink);
        if let Some((t, i)) = job.start {
            subscription = subscription.with_start(ClusterTime::new(t, i));
        }
        spec = spec.with_subscription(subscription);
    }
    Ok(spec)
}

fn sink(kind: &SinkKind, client: &HttpClient) -> Result<Box<dyn Sink>, Failure> {
    let config = match kind {
        SinkKind::Null => return Ok(Box::new(NullSink)),
        SinkKind::Post(url) => HttpConfig::new(url),
        SinkKind::PostBatches(url) => HttpConfig::new(url).with_batch(HttpBatch::default()),
    };
    Ok(Box::new(HttpSink::with_client(config, client.clone())?))
}
