//! Puts the parts together and runs them until a signal.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Subcommand;
use conduit_core::{Conduit, Handle, Settings, StateError, StateErrorKind, StateStore};
use conduit_mongo::{CollectionAdmin, MongoWatcher};
use conduit_sinks::http::HttpClient;
use conduit_state::{EmbeddedSettings, EmbeddedStore, Idempotency, RedisSettings, RedisStore};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::api::{App, Probes, Tokens, api_routes, finish_deletion, worker_routes};
use crate::bulletin::Bulletin;
use crate::catalog::Catalog;
use crate::dev_mongod::DevMongod;
use crate::environment::{Environment, Role, StateChoice};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::{logging, worker::Worker};

/// How long MongoDB may take to name a primary before a request is answered with 503.
const SERVER_SELECTION: Duration = Duration::from_secs(5);
/// How long one attempt to initiate the replica set may take.
const REPLICA_SET_PATIENCE: Duration = Duration::from_secs(10);
/// How soon after the end of its MongoDB a signal counts as the reason of both.
const SIGNAL_GRACE: Duration = Duration::from_secs(1);
/// How long open requests may take at the end.
const HTTP_DRAIN: Duration = Duration::from_secs(5);

/// What the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Control plane and worker in one process (the default)
    Run,
    /// The control plane alone
    Api,
    /// The worker alone
    Worker,
    /// A one-machine trial that needs nothing configured
    Dev,
}

impl From<Command> for Role {
    fn from(command: Command) -> Self {
        match command {
            Command::Run => Self::Run,
            Command::Api => Self::Api,
            Command::Worker => Self::Worker,
            Command::Dev => Self::Dev,
        }
    }
}

/// Runs the server until a signal ends it.
///
/// Returns 0 after a graceful stop and 1 after a line `FATAL: ...` on stderr.
#[must_use]
pub fn serve(command: Command) -> ExitCode {
    match try_serve(command.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("FATAL: {message}");
            ExitCode::from(1)
        }
    }
}

fn try_serve(role: Role) -> Result<(), String> {
    let environment = Environment::read(role)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    runtime.block_on(run(environment))
}

async fn run(environment: Environment) -> Result<(), String> {
    // Everything that can be wrong with the settings is found before anything is started or logged.
    let (store, redis) = open_state(&environment).await?;
    logging::start(&environment)?;
    let shutdown = watch_signals()?;
    let mut mongod = match environment.mongodb_uri {
        None => Some(DevMongod::start()?),
        Some(_) => None,
    };
    let uri = mongod
        .as_ref()
        .map(DevMongod::uri)
        .or(environment.mongodb_uri.as_deref())
        .unwrap_or_default()
        .to_owned();
    let database = open_database(&environment, &uri).await?;
    let server = Server::build(environment, &database, uri, store, redis).await?;
    let finished = {
        let mongod_ended = async {
            let Some(mongod) = &mut mongod else {
                return std::future::pending().await;
            };
            let ended = mongod.ended().await;
            // Ctrl-C at a terminal reaches it too; then its end is no failure.
            match tokio::time::timeout(SIGNAL_GRACE, raised(shutdown.clone())).await {
                Ok(()) => std::future::pending().await,
                Err(_elapsed) => ended,
            }
        };
        tokio::select! {
            finished = server.run(shutdown.clone()) => finished,
            ended = mongod_ended => Err(ended),
        }
    };
    if let Some(mongod) = mongod.filter(|_| finished.is_ok()) {
        mongod.stop(&database).await;
    }
    finished
}

async fn open_state(
    environment: &Environment,
) -> Result<(Arc<dyn StateStore>, Option<Arc<RedisStore>>), String> {
    let fail = |error: StateError| format!("Failed to create {}: {error}", environment.role.subject());
    let idempotency = match environment.idempotency_keys {
        true => Idempotency::Keys {
            max_keys: environment.max_keys,
        },
        false => Idempotency::Watermark,
    };
    match &environment.state {
        StateChoice::Redis(uri) => {
            let settings = RedisSettings {
                idempotency,
                ..RedisSettings::default()
            };
            let store = Arc::new(RedisStore::connect(uri, settings).map_err(fail)?);
            Ok((Arc::clone(&store) as Arc<dyn StateStore>, Some(store)))
        }
        StateChoice::Embedded(path) => {
            let store = EmbeddedStore::open(path, EmbeddedSettings { idempotency })
                .await
                .map_err(fail)?;
            Ok((Arc::new(store), None))
        }
    }
}

async fn open_database(environment: &Environment, uri: &str) -> Result<Database, String> {
    let subject = environment.role.subject();
    let mut options = ClientOptions::parse(uri).await.map_err(|error| {
        format!(
            "Failed to create {subject}: parse MongoDB URI: {}",
            conduit_mongo::describe(&error)
        )
    })?;
    options.app_name.get_or_insert_with(|| "conduit".to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION);
    let client = Client::with_options(options)
        .map_err(|error| format!("Failed to create {subject}: {}", conduit_mongo::describe(&error)))?;
    Ok(client.database(&environment.database))
}

/// Turns true at the first SIGTERM or SIGINT; the second ends the process at once.
fn watch_signals() -> Result<watch::Receiver<bool>, String> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let (sender, receiver) = watch::channel(false);
    // Lives as long as the process, which is its owner.
    tokio::spawn(async move {
        for signals in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if signals > 0 {
                tracing::warn!("a second signal: stopping at once; what is in flight comes again");
                std::process::exit(1);
            }
            tracing::info!("stopping: calls in hand may finish; a second signal stops at once");
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}

async fn raised(mut shutdown: watch::Receiver<bool>) {
    // The sender lives as long as the process.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// The parts of one process, ready to run.
struct Server {
    environment: Environment,
    uri: String,
    database: Database,
    store: Arc<dyn StateStore>,
    redis: Option<Arc<RedisStore>>,
    health: Health,
    app: App,
    worker: Option<(Conduit, Worker)>,
    listener: TcpListener,
    routes: Router,
}

impl Server {
    async fn build(
        environment: Environment,
        database: &Database,
        uri: String,
        store: Arc<dyn StateStore>,
        redis: Option<Arc<RedisStore>>,
    ) -> Result<Self, String> {
        let role = environment.role;
        let fail = |error: String| format!("Failed to create {}: {error}", role.subject());
        let metrics = Arc::new(Metrics::new().map_err(|error| fail(error.to_string()))?);
        let (catalog, bulletin, health) = (
            Catalog::new(database),
            Bulletin::new(redis.clone()),
            Health::new(),
        );
        let watcher = MongoWatcher::new(database.clone());
        let worker = if role.has_worker() {
            let settings = Settings {
                lease_time: environment.lease_time,
                shutdown_timeout: environment.shutdown_timeout,
                ..Settings::default()
            };
            let conduit = Conduit::builder(Arc::new(watcher.clone()), Arc::clone(&store))
                .settings(settings)
                .observer(metrics.clone())
                .build()
                .map_err(|error| fail(error.to_string()))?;
            let worker = Worker {
                catalog: catalog.clone(),
                store: Arc::clone(&store),
                bulletin: bulletin.clone(),
                handle: conduit.handle(),
                client: HttpClient::new().map_err(|error| fail(error.to_string()))?,
                sync_interval: environment.sync_interval,
            };
            Some((conduit, worker))
        } else {
            None
        };
        let engine: Option<(Handle, MongoWatcher)> =
            worker.as_ref().map(|(conduit, _)| (conduit.handle(), watcher));
        let probes = Probes {
            health: health.clone(),
            metrics,
            bulletin: bulletin.clone(),
            engine,
        };
        let app = App {
            role,
            catalog,
            admin: CollectionAdmin::new(database.clone()),
            store: Arc::clone(&store),
            bulletin,
            tokens: Tokens::new(
                environment.api_token.as_deref(),
                environment.read_token.as_deref(),
            ),
        };
        let (port, routes) = match role.has_api() {
            true => (environment.port, api_routes(app.clone(), probes)),
            false => (environment.worker_port, worker_routes(probes)),
        };
        let address = SocketAddr::new(environment.host, port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| fail(format!("listen on {address}: {error}")))?;
        let database = database.clone();
        Ok(Self {
            environment,
            uri,
            database,
            store,
            redis,
            health,
            app,
            worker,
            listener,
            routes,
        })
    }

    async fn run(self, shutdown: watch::Receiver<bool>) -> Result<(), String> {
        let address = self.listener.local_addr().map_err(|error| error.to_string())?;
        tracing::info!(role = ?self.environment.role, version = env!("CARGO_PKG_VERSION"), "listening on http://{address}");
        let serving = tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                axum::serve(self.listener, self.routes)
                    .with_graceful_shutdown(raised(shutdown))
                    .await
            }
        });
        let watching = tokio::spawn({
            let (health, database, store) = (
                self.health.clone(),
                self.database.clone(),
                Arc::clone(&self.store),
            );
            async move { health.watch(&database, &*store).await }
        });
        let engine = self
            .worker
            .map(|(conduit, worker)| run_engine(conduit, worker, shutdown.clone()));
        let preparing = prepare(self.app, self.redis, &self.uri);
        let failure = tokio::select! {
            prepared = preparing => match prepared {
                Ok(()) => {
                    self.health.prepared();
                    raised(shutdown.clone()).await;
                    None
                }
                Err(failure) => Some(failure),
            },
            () = raised(shutdown.clone()) => None,
        };
        if let Some(failure) = failure {
            return Err(failure);
        }
        if let Some(engine) = engine
            && let Err(error) = engine.await
        {
            tracing::error!(%error, "the worker died");
        }
        watching.abort();
        if tokio::time::timeout(HTTP_DRAIN, serving).await.is_err() {
            tracing::warn!("some requests were cut off");
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Runs the engine, feeds it the configuration, publishes its status; ends when the engine has stopped.
fn run_engine(conduit: Conduit, worker: Worker, shutdown: watch::Receiver<bool>) -> JoinHandle<()> {
    let worker = Arc::new(worker);
    tokio::spawn(async move {
        let following = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move { worker.follow().await }
        });
        let (stop_publishing, stopped) = oneshot::channel();
        let publishing = tokio::spawn(async move { worker.publish_status(stopped).await });
        conduit.run_until(raised(shutdown)).await;
        following.abort();
        let _ = stop_publishing.send(());
        if let Err(error) = publishing.await {
            tracing::error!(%error, "the task that publishes the status died");
        }
    })
}

/// Does the work of the start, asking until the servers are there: checks Redis, initiates the replica set, finishes
/// deletions that were cut short.
async fn prepare(app: App, redis: Option<Arc<RedisStore>>, uri: &str) -> Result<(), String> {
    if let Some(redis) = redis {
        let check = || redis.check();
        let mut wait = Duration::from_millis(100);
        while let Err(error) = check().await {
            if error.kind() == StateErrorKind::Invalid {
                return Err(format!("Failed to create {}: {error}", app.role.subject()));
            }
            pause(&mut wait).await;
        }
    }
    if !app.role.has_api() {
        return Ok(());
    }
    let mut wait = Duration::from_millis(100);
    while let Err(error) = conduit_mongo::initiate_replica_set(uri, REPLICA_SET_PATIENCE).await {
        tracing::debug!(%error, "the replica set is not ready");
        pause(&mut wait).await;
    }
    let mut wait = Duration::from_millis(100);
    while !finish_deletions(&app).await {
        pause(&mut wait).await;
    }
    Ok(())
}

async fn pause(wait: &mut Duration) {
    tokio::time::sleep(*wait).await;
    *wait = (*wait * 2).min(Duration::from_secs(5));
}

async fn finish_deletions(app: &App) -> bool {
    let Ok(entries) = app.catalog.list().await else {
        return false;
    };
    for entry in entries {
        let Some(deletion) = entry.deleting else { continue };
        let name = &entry.config.collection_name;
        if finish_deletion(app, name, deletion).await.is_err() {
            return false;
        }
        tracing::info!(collection = %name, "finished a deletion that was cut short");
    }
    true
}
