//! The limits: what the database, the wire and the store can do, with nothing else around.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bson::raw::{RawArrayBuf, cstr};
use bson::{Timestamp, doc, rawdoc};
use bytes::Bytes;
use futures_util::{StreamExt, future};
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mongodb::{Client, Database};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::Role;
use super::job::{BareJob, CursorJob, Images, PostJob, SetJob};
use crate::{Failure, clock};

/// Conduit's own.
const BATCH_SIZE: u32 = 3000;
const AWAIT_TIME: Duration = Duration::from_millis(500);
/// How many keys are set in one round trip.
const KEYS_A_TRIP: u64 = 1000;
const DAY_SECONDS: u64 = 86_400;

/// A cursor, a loop of requests and a loop of `SET`s, beside each other.
pub(super) struct Bare {
    cursor: Option<(Database, CursorJob)>,
    posts: Option<(HttpClient<HttpConnector, Full<Bytes>>, PostJob)>,
    sets: Option<(MultiplexedConnection, SetJob)>,
}

impl Bare {
    /// Connects what can be.
    pub(super) async fn new(job: BareJob) -> Result<Self, Failure> {
        let cursor = match job.cursor {
            Some(job) => {
                let database = Client::with_uri_str(&job.mongodb).await?.database(&job.database);
                database.run_command(doc! { "ping": 1 }).await?;
                Some((database, job))
            }
            None => None,
        };
        let posts = job.posts.map(|job| {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            (HttpClient::builder(TokioExecutor::new()).build(connector), job)
        });
        let sets = match job.sets {
            Some(job) => {
                let client = redis::Client::open(job.redis.as_str())?;
                Some((client.get_multiplexed_async_connection().await?, job))
            }
            None => None,
        };
        Ok(Self { cursor, posts, sets })
    }

    /// Does all of it; it is done when the last of the three is.
    async fn go(&mut self) -> Result<Value, Failure> {
        let (began, cpu) = (clock::now(), clock::cpu());
        let mut tasks: Vec<JoinHandle<Result<(), Failure>>> = Vec::new();
        let client = self
            .cursor
            .as_ref()
            .map(|(database, _)| database.client().clone());
        if let Some((database, job)) = self.cursor.take() {
            tasks.push(tokio::spawn(read(database, job)));
        }
        if let Some((connection, job)) = self.sets.take() {
            tasks.push(tokio::spawn(set(connection, job)));
        }
        if let Some((client, job)) = self.posts.take() {
            let (left, template) = (Arc::new(AtomicU64::new(job.requests)), Template::of(&job)?);
            for _ in 0..job.in_flight {
                tasks.push(tokio::spawn(post(
                    client.clone(),
                    template.clone(),
                    Arc::clone(&left),
                )));
            }
        }
        for outcome in future::join_all(tasks).await {
            outcome??;
        }
        let (took, cpu) = (clock::now() - began, clock::cpu() - cpu);
        if let Some(client) = client {
            // The server would keep the cursor for minutes.
            client.shutdown().await;
        }
        Ok(json!({ "seconds": took.as_secs_f64(), "cpu_seconds": cpu.as_secs_f64() }))
    }
}

#[async_trait]
impl Role for Bare {
    async fn answer(&mut self, word: &str) -> Result<Value, Failure> {
        match word {
            "go" => self.go().await,
            other => Err(format!("the limit does not know {other:?}").into()),
        }
    }
}

/// Reads the database's stream to the last event and looks at nothing but their number.
async fn read(database: Database, job: CursorJob) -> Result<(), Failure> {
    let (time, increment) = job.start;
    let mut stage = rawdoc! { "startAtOperationTime": Timestamp { time, increment } };
    match job.images {
        Images::Inserted => {}
        Images::LookedUp => stage.append(cstr!("fullDocument"), "updateLookup"),
        Images::Stored => {
            stage.append(cstr!("fullDocument"), "whenAvailable");
            stage.append(cstr!("fullDocumentBeforeChange"), "whenAvailable");
        }
    }
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(rawdoc! { "$changeStream": stage });
    let command = rawdoc! {
        "aggregate": 1,
        "pipeline": pipeline,
        "cursor": { "batchSize": i64::from(BATCH_SIZE) },
        "readConcern": { "level": "majority" },
    };
    let mut cursor = database
        .run_raw_cursor_command(command)
        .batch_size(BATCH_SIZE)
        .max_time(AWAIT_TIME)
        .batch()
        .await?;
    let mut events = 0;
    while events < job.events {
        let batch = cursor
            .next()
            .await
            .ok_or("the server closed the change stream")??;
        events += batch.doc_slices()?.into_iter().count() as u64;
    }
    Ok(())
}

/// What every request is made of: a record's headers and as many bytes.
#[derive(Clone)]
struct Template {
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Template {
    fn of(job: &PostJob) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "application/json".parse()?);
        headers.insert(USER_AGENT, "conduit/0.0.0".parse()?);
        headers.insert("webhook-id", "0123456789abcdef0123456789abcdef".parse()?);
        headers.insert("webhook-timestamp", "1700000000".parse()?);
        Ok(Self {
            uri: job.url.parse()?,
            headers,
            body: vec![b' '; job.body_bytes].into(),
        })
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// Posts one request after the other while there are any left.
async fn post(
    client: HttpClient<HttpConnector, Full<Bytes>>,
    template: Template,
    left: Arc<AtomicU64>,
) -> Result<(), Failure> {
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
    {
        let response = client.request(template.request()).await?;
        if !response.status().is_success() {
            return Err(format!("the receiver answered {}", response.status()).into());
        }
        response.into_body().collect().await?;
    }
    Ok(())
}

/// Sets keys as long as those that Conduit remembers delivered records by.
async fn set(mut connection: MultiplexedConnection, job: SetJob) -> Result<(), Failure> {
    let mut done = 0;
    while done < job.keys {
        let trip = KEYS_A_TRIP.min(job.keys - done);
        let mut pipeline = redis::pipe();
        for number in done..done + trip {
            let key = format!("bench:processed:orders:INSERT:1700000000000-{number:032}-destination-0");
            pipeline.set_ex(key, 0, DAY_SECONDS).ignore();
        }
        let () = pipeline.query_async(&mut connection).await?;
        done += trip;
    }
    Ok(())
}
