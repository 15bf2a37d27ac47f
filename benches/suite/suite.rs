//! A run of the suite.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::Failure;
use crate::child::Child;
use crate::database::{Load, Mongo};
use crate::figure::Figure;
use crate::findings::{Report, Row};
use crate::role::{BareJob, ConduitJob, CursorJob, Images, Job, SinkKind, WriterJob};
use crate::settings::Settings;
use crate::state::Redis;

/// How often Conduit is asked what it has delivered.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often at most.
const ASKED: usize = 600;

/// The servers, the sizes, and what was found so far.
pub(crate) struct Suite {
    pub(crate) settings: Settings,
    pub(crate) mongo: Mongo,
    pub(crate) redis: Redis,
    inserts: tokio::sync::Mutex<HashMap<u64, Load>>,
    /// The `_id` of the next document that is written by a number.
    next_document: AtomicI64,
    report: Mutex<Report>,
}

/// What Conduit's process has taken so far.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    #[serde(default)]
    pub(crate) resident_bytes: u64,
    #[serde(default)]
    pub(crate) deliveries: u64,
}

/// A Conduit all of whose subscriptions stream.
pub(crate) struct Streaming {
    pub(crate) child: Child,
    /// How long that took.
    pub(crate) seconds: f64,
}

/// What a process did.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Work {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

impl Work {
    /// How many of so many records there were a second.
    pub(crate) fn rate(self, records: u64) -> f64 {
        float(records) / self.seconds
    }

    /// Microseconds of processor time for each of so many records.
    pub(crate) fn cpu_micros(self, records: u64) -> f64 {
        self.cpu_seconds * 1e6 / float(records)
    }
}

impl Suite {
    /// Connects to the servers that the environment names.
    pub(crate) async fn start(settings: Settings) -> Result<Self, Failure> {
        let report = Mutex::new(Report::new(&settings));
        Ok(Self {
            mongo: Mongo::connect().await?,
            redis: Redis::connect().await?,
            inserts: tokio::sync::Mutex::default(),
            next_document: AtomicI64::new(0),
            report,
            settings,
        })
    }

    /// Measures figure by figure; what was found is written even if one breaks.
    pub(crate) async fn run(self, figures: &[Figure]) -> Result<(), Failure> {
        let mut broken = Vec::new();
        for figure in figures {
            if let Err(failure) = figure.measure(&self).await {
                eprintln!("error: figure {}: {failure}", figure.name());
                broken.push(figure.name());
            }
        }
        self.mongo.drop().await?;
        let report = self.report.into_inner()?;
        report.finish()?;
        match broken.as_slice() {
            [] => Ok(()),
            broken => Err(format!("broken: {}", broken.join(", ")).into()),
        }
    }

    /// Adds what a figure found, and shows it.
    pub(crate) fn add(&self, row: Row) -> Result<(), Failure> {
        let mut report = self
            .report
            .lock()
            .map_err(|_| "the report was left half-written")?;
        report.add(row);
        Ok(())
    }

    /// So many inserts, which all figures that ask for as many read; they lie in the oplog together.
    pub(crate) async fn inserts(&self, records: u64) -> Result<Load, Failure> {
        let mut known = self.inserts.lock().await;
        if let Some(load) = known.get(&records) {
            return Ok(load.clone());
        }
        eprintln!("writing {records} documents of 500 bytes");
        let load = self.mongo.insert(&format!("inserts_{records}"), records).await?;
        known.insert(records, load.clone());
        Ok(load)
    }

    /// A job for Conduit: one destination for the changes of `load`.
    pub(crate) fn conduit_job(&self, load: &Load, images: Images, sink: SinkKind) -> ConduitJob {
        ConduitJob {
            mongodb: self.mongo.uri(),
            redis: self.redis.uri(),
            database: self.mongo.name(),
            collections: vec![load.collection.clone()],
            destinations: 1,
            images,
            start: Some(load.start),
            sink,
            watermark: false,
            deliveries: load.changes,
        }
    }

    /// A job for a bare cursor over the changes of `load`.
    pub(crate) fn cursor_job(&self, load: &Load, images: Images) -> CursorJob {
        CursorJob {
            mongodb: self.mongo.uri(),
            database: self.mongo.name(),
            images,
            start: load.start,
            events: load.changes,
        }
    }

    /// Has Conduit deliver everything, with a store that knows of nothing.
    pub(crate) async fn drain(&self, job: ConduitJob) -> Result<Work, Failure> {
        self.redis.flush().await?;
        let mut child = Child::start(&Job::Conduit(job)).await?;
        let work = child.ask("drain").await?;
        child.end().await?;
        Ok(work)
    }

    /// A job for Conduit that delivers what is written from now on.
    pub(crate) fn live_job(
        &self,
        collections: Vec<String>,
        destinations: usize,
        sink: SinkKind,
    ) -> ConduitJob {
        ConduitJob {
            mongodb: self.mongo.uri(),
            redis: self.redis.uri(),
            database: self.mongo.name(),
            collections,
            destinations,
            images: Images::Inserted,
            start: None,
            sink,
            watermark: false,
            deliveries: u64::MAX,
        }
    }

    /// Starts Conduit and waits until it streams; `None` if not all of it came to.
    pub(crate) async fn stream(&self, job: ConduitJob) -> Result<Option<Streaming>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            seconds: Option<f64>,
        }
        self.redis.flush().await?;
        let mut child = Child::start(&Job::Conduit(job)).await?;
        let answer: Answer = child.ask("stream").await?;
        Ok(answer.seconds.map(|seconds| Streaming { child, seconds }))
    }

    /// Waits until Conduit has delivered so many records.
    pub(crate) async fn delivered(&self, conduit: &mut Child, records: u64) -> Result<(), Failure> {
        let mut delivered = 0;
        for _ in 0..ASKED {
            delivered = conduit.ask::<Usage>("usage").await?.deliveries;
            if delivered >= records {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Err(format!("{delivered} of {records} records were delivered").into())
    }

    /// Starts a process that writes so many documents when it is told to, in turn to each collection.
    pub(crate) async fn writer(
        &self,
        collections: Vec<String>,
        a_second: u64,
        documents: u64,
    ) -> Result<Child, Failure> {
        let count = i64::try_from(documents)?;
        Child::start(&Job::Writer(WriterJob {
            mongodb: self.mongo.uri(),
            database: self.mongo.name(),
            collections,
            a_second,
            documents,
            first: self.next_document.fetch_add(count, Ordering::Relaxed),
        }))
        .await
    }

    /// Does the bare work.
    pub(crate) async fn bare(&self, job: BareJob) -> Result<Work, Failure> {
        self.redis.flush().await?;
        let mut child = Child::start(&Job::Bare(job)).await?;
        let work = child.ask("go").await?;
        child.end().await?;
        Ok(work)
    }

    /// Reads with a bare cursor.
    pub(crate) async fn read(&self, job: CursorJob) -> Result<Work, Failure> {
        let cursor = Some(job);
        self.bare(BareJob {
            cursor,
            ..BareJob::default()
        })
        .await
    }

    /// Says what a round found, since the next one takes a while.
    pub(crate) fn note(&self, figure: &str, round: usize, found: &str) {
        eprintln!("  {figure} {}/{}: {found}", round + 1, self.settings.rounds);
    }
}

/// The value of a variable that `make bench` sets.
pub(crate) fn required(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| format!("{name} is not set; the suite is run by `make bench`").into())
}

/// A count as a number to divide.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}
