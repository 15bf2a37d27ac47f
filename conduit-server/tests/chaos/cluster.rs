//! Everything real: three mongods, a Redis that forgets nothing, an API, two workers, four destinations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::StatusCode;
use conduit_testkit::servers::{MongoReplicaSet, RedisServer, unique_database_name};
use mongodb::Database;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::account::{DeadLetter, Images};
use crate::causes::{Cause, Timeline};
use crate::destination::Destination;
use crate::harness::{Launch, PATIENCE, Server, signal};
use crate::mood::REQUEST_TIMEOUT;
use crate::schedule::Disturbance;
use crate::senders::Senders;
use crate::writers::KeyedBy;

pub(crate) const WORKERS: usize = 2;
/// Short, so that a run sees many take-overs.
pub(crate) const LEASE_TIME: Duration = Duration::from_secs(3);

/// A collection of the cluster.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) keyed_by: KeyedBy,
    pub(crate) images: Images,
    destinations: &'static [&'static str],
}

pub(crate) const COLLECTIONS: [Shape; 3] = [
    Shape {
        name: "plain",
        keyed_by: KeyedBy::DocumentId,
        images: Images::LookedUp,
        destinations: &["d"],
    },
    Shape {
        name: "keyed",
        keyed_by: KeyedBy::KeySchema,
        images: Images::OfTheChange,
        destinations: &["d"],
    },
    Shape {
        name: "twice",
        keyed_by: KeyedBy::DocumentId,
        images: Images::LookedUp,
        destinations: &["a", "b"],
    },
];

/// The processes, and what was done to them.
pub(crate) struct Cluster {
    launch: Launch,
    /// Held for its drop.
    pub(crate) folder: TempDir,
    mongodb: Mutex<MongoReplicaSet>,
    redis: Mutex<RedisServer>,
    pub(crate) api: Server,
    workers: [Mutex<Option<Server>>; WORKERS],
    senders: Senders,
    pub(crate) destinations: Vec<Destination>,
    pub(crate) database: Database,
    pub(crate) timeline: Timeline,
}

impl Cluster {
    pub(crate) async fn start(seed: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let state = folder.path().join("redis");
        std::fs::create_dir(&state).unwrap();
        let always = ["--appendonly", "yes", "--appendfsync", "always"];
        let redis = RedisServer::start_with(Some(&state), &always).await.unwrap();
        let mongodb = MongoReplicaSet::start().await;
        let uri = format!("{}&w=majority&serverSelectionTimeoutMS=5000", mongodb.uri());
        let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
        let launch = Launch {
            program: own_program(folder.path()),
            folder: folder.path().to_owned(),
            mongodb_uri: uri,
            database: unique_database_name(),
            redis_uri: redis.uri(),
        };
        let database = client.database(&launch.database);
        let senders = Senders::start();
        let mut destinations = Vec::new();
        for shape in &COLLECTIONS {
            for id in shape.destinations {
                let seed = seed.wrapping_add(destinations.len() as u64);
                destinations.push(Destination::start(shape.name, id, seed, senders.clone()).await);
            }
        }
        let api = launch.spawn("api", &[]);
        api.until_ready().await;
        let cluster = Self {
            launch,
            folder,
            mongodb: Mutex::new(mongodb),
            redis: Mutex::new(redis),
            api,
            workers: [const { Mutex::const_new(None) }; WORKERS],
            senders,
            destinations,
            database,
            timeline: Timeline::default(),
        };
        for worker in &cluster.workers {
            *worker.lock().await = Some(cluster.spawn_worker());
        }
        for worker in &cluster.workers {
            worker.lock().await.as_ref().unwrap().until_ready().await;
        }
        for shape in &COLLECTIONS {
            cluster.create(shape).await;
        }
        cluster
    }

    async fn create(&self, shape: &Shape) {
        let ours = self
            .destinations
            .iter()
            .filter(|one| one.collection == shape.name);
        let destinations = ours.map(|one| {
            json!({"id": one.id, "type": "http", "endpoint": one.url(),
                "timeout": format!("{}s", REQUEST_TIMEOUT.as_secs())})
        });
        let mut body = json!({"collection_name": shape.name, "stream_enabled": true,
            "destinations": destinations.collect::<Vec<Value>>()});
        if shape.keyed_by == KeyedBy::KeySchema {
            body["primary_key"] = json!("id");
        }
        body["old_image"] = json!(shape.images == Images::OfTheChange);
        self.api.api.create(body).await;
    }

    fn spawn_worker(&self) -> Server {
        let lease_time = format!("{}s", LEASE_TIME.as_secs());
        let variables = [("LEASE_TIME", &*lease_time), ("SYNC_INTERVAL", "2s")];
        let worker = self.launch.spawn("worker", &variables);
        self.senders.add(worker.pid());
        worker
    }

    /// Does what is to be done and waits until it is over. What it is done to is not touched by another meanwhile.
    pub(crate) async fn disturb(&self, what: &Disturbance) {
        match what {
            Disturbance::KillWorker { worker, down } => self.kill_worker(*worker, *down).await,
            Disturbance::KillAllWorkers { down } => {
                tokio::join!(self.kill_worker(0, *down), self.kill_worker(1, *down));
            }
            Disturbance::FreezeWorker { worker, frozen } => {
                let worker = self.workers[*worker].lock().await;
                let pid = worker.as_ref().unwrap().pid();
                self.freeze(pid, *frozen, Cause::WorkerFrozen, Some(pid)).await;
            }
            Disturbance::RestartWorker { worker } => {
                let mut worker = self.workers[*worker].lock().await;
                self.stop(worker.take().unwrap()).await;
                self.replace(&mut worker).await;
            }
            Disturbance::StepDown => {
                // Refused by one that is no primary any more: then there is an election all the same.
                let _ = self.mongodb.lock().await.step_down().await;
                self.mongodb.lock().await.primary().await;
            }
            Disturbance::KillPrimary { down } => {
                let mut mongodb = self.mongodb.lock().await;
                let primary = mongodb.primary().await;
                mongodb.kill(primary);
                sleep(*down).await;
                mongodb.restart(primary).await;
                mongodb.primary().await;
            }
            Disturbance::KillRedis { down } => {
                let mut redis = self.redis.lock().await;
                let from = Instant::now();
                redis.stop().await.unwrap();
                sleep(*down).await;
                redis.restart().await.unwrap();
                self.timeline
                    .add(Cause::CommitFailed, None, (from, Instant::now()));
            }
            Disturbance::FreezeRedis { frozen } => {
                let redis = self.redis.lock().await;
                let pid = redis.pid().unwrap();
                self.freeze(pid, *frozen, Cause::CommitFailed, None).await;
            }
            Disturbance::Receiver {
                destination,
                mood,
                lasts,
            } => {
                let upset: Vec<(&Destination, u64)> = self
                    .destinations
                    .iter()
                    .enumerate()
                    .filter(|(number, _)| destination.is_none_or(|one| one == *number))
                    .map(|(_, one)| (one, one.upset(mood.clone())))
                    .collect();
                sleep(*lasts).await;
                upset.into_iter().for_each(|(one, mood)| one.calm(mood));
            }
        }
        self.timeline.end();
    }

    async fn kill_worker(&self, worker: usize, down: Duration) {
        let mut worker = self.workers[worker].lock().await;
        let (from, killed) = (Instant::now(), worker.take().unwrap());
        let pid = killed.pid();
        killed.kill().await;
        self.timeline
            .add(Cause::WorkerKilled, Some(pid), (from, Instant::now()));
        sleep(down).await;
        self.replace(&mut worker).await;
    }

    async fn replace(&self, worker: &mut Option<Server>) {
        let fresh = worker.insert(self.spawn_worker());
        fresh.until_ready().await;
    }

    async fn freeze(&self, pid: u32, frozen: Duration, cause: Cause, process: Option<u32>) {
        let from = Instant::now();
        signal(pid, "STOP");
        sleep(frozen).await;
        let until = Instant::now();
        signal(pid, "CONT");
        self.timeline.add(cause, process, (from, until));
    }

    async fn stop(&self, worker: Server) {
        let (from, pid) = (Instant::now(), worker.pid());
        assert!(worker.stop().await.success());
        self.timeline
            .add(Cause::GracefulStop, Some(pid), (from, Instant::now()));
    }

    /// Stops all workers gracefully.
    pub(crate) async fn stop_workers(&self) {
        for worker in &self.workers {
            let worker = worker.lock().await.take();
            self.stop(worker.unwrap()).await;
        }
    }

    /// Asks the API until it answers: it may still look for the new primary.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.api.api.try_call("GET", path, None).await;
            match answer {
                Ok((StatusCode::OK, answer)) => return answer,
                other => assert!(Instant::now() < deadline, "GET {path}: {other:?}"),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn dead_letters(&self, collection: &str, destination: &str) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        let mut path = format!("/api/collections/{collection}/dlq?limit=100");
        loop {
            let page = self.get(&path).await;
            let items = page["items"].as_array().unwrap().iter();
            letters.extend(
                items
                    .filter(|item| item["destination"] == destination)
                    .map(DeadLetter::of),
            );
            let Some(cursor) = page["next_cursor"].as_str() else {
                return letters;
            };
            path = format!("/api/collections/{collection}/dlq?limit=100&cursor={cursor}");
        }
    }
}

/// A name of the program that no build takes away while it runs.
fn own_program(folder: &Path) -> PathBuf {
    let (built, own) = (
        env!("CARGO_BIN_EXE_conduit-server"),
        folder.join("conduit-server"),
    );
    if std::fs::hard_link(built, &own).is_err() {
        std::fs::copy(built, &own).unwrap();
    }
    own
}
