//! Puts the parts together and runs them until a signal.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Subcommand;
use conduit_core::{Conduit, EngineDied, Settings, StateError, StateErrorKind, StateStore};
use conduit_mongo::{CollectionAdmin, MongoWatcher};
use conduit_sinks::http::HttpClient;
use conduit_state::{EmbeddedSettings, EmbeddedStore, Idempotency, RedisSettings, RedisStore};
use mongodb::Database;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::api::{App, Engine, Idle, Probes, Tokens, Writing, api_routes, worker_routes};
use crate::bulletin::Bulletin;
use crate::caretaker::{Caretaker, pause};
use crate::catalog::Catalog;
use crate::destination_type::{DestinationTypes, Reach};
use crate::dev_mongod::DevMongod;
use crate::doctor::{Live, Subject};
use crate::environment::{Environment, Role, StateChoice};
use crate::health::Health;
use crate::healthcheck;
use crate::history::History;
use crate::host::Host;
use crate::listening;
use crate::logging;
use crate::metrics::Metrics;
use crate::mongo_clients::MongoClients;
use crate::observers::Observers;
use crate::tail::Tails;
use crate::worker::{Marks, Unusable, Worker};

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
    /// Asks the server of this machine or container whether it lives; exits with 0 or 1
    Healthcheck,
}

pub(crate) fn serve(host: Host, command: Command) -> ExitCode {
    let role = match command {
        Command::Run => Role::Run,
        Command::Api => Role::Api,
        Command::Worker => Role::Worker,
        Command::Dev => Role::Dev,
        Command::Healthcheck => return exit_code(healthcheck::ask()),
    };
    exit_code(try_serve(host, role).map_err(|message| format!("FATAL: {message}")))
}

fn exit_code(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("{line}");
            ExitCode::from(1)
        }
    }
}

fn try_serve(host: Host, role: Role) -> Result<(), String> {
    let environment = Environment::read(role)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    runtime.block_on(run(host, environment))
}

async fn run(host: Host, environment: Environment) -> Result<(), String> {
    // Everything that can be wrong with the settings is found before anything is started or logged.
    let (store, redis) = open_state(&environment).await?;
    logging::start(&environment)?;
    let shutdown = watch_signals()?;
    let mut mongod = match environment.mongodb_uri {
        None => Some(DevMongod::start().await?),
        Some(_) => None,
    };
    let uri = mongod
        .as_ref()
        .map(DevMongod::uri)
        .or(environment.mongodb_uri.as_deref())
        .unwrap_or_default()
        .to_owned();
    let clients = MongoClients::open(&environment, &uri).await?;
    let server = Server::build(host, environment, &clients, uri, (store, redis), shutdown.clone()).await?;
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
        mongod.stop(&clients.database).await;
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
    database: Database,
    store: Arc<dyn StateStore>,
    redis: Option<Arc<RedisStore>>,
    health: Health,
    history: History,
    caretaker: Option<Caretaker>,
    worker: Option<(Conduit, Worker)>,
    listener: TcpListener,
    routes: Router,
}

impl Server {
    async fn build(
        host: Host,
        environment: Environment,
        clients: &MongoClients,
        uri: String,
        (store, redis): (Arc<dyn StateStore>, Option<Arc<RedisStore>>),
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, String> {
        let role = environment.role;
        let fail = |error: String| format!("Failed to create {}: {error}", role.subject());
        let metrics = Arc::new(Metrics::new().map_err(|error| fail(error.to_string()))?);
        let catalog = Catalog::new(&clients.database).with_secret_keys(environment.secret_keys.clone());
        let bulletin = Bulletin::new(redis.clone());
        let (health, history) = (Health::new(), History::default());
        let tails = Tails::new(shutdown);
        let client = HttpClient::new(environment.egress).map_err(|error| fail(error.to_string()))?;
        let mut types = DestinationTypes::built_in(Reach {
            client,
            egress: environment.egress,
            folder: environment.file_dir.clone(),
        });
        types = types.with_secrets(environment.secret_sources.clone());
        host.types.into_iter().for_each(|kind| types.add(kind));
        let watcher = MongoWatcher::new(clients.streams.clone());
        let worker = if role.has_worker() {
            let settings = Settings {
                lease_time: environment.lease_time,
                shutdown_timeout: environment.shutdown_timeout,
                ..Settings::default()
            };
            let conduit = Conduit::builder(Arc::new(watcher.clone()), Arc::clone(&store))
                .settings(settings)
                .observer(Arc::new(Observers {
                    metrics: Arc::clone(&metrics),
                    tails: tails.clone(),
                }))
                .build()
                .map_err(|error| fail(error.to_string()))?;
            let worker = Worker {
                catalog: catalog.clone(),
                store: Arc::clone(&store),
                bulletin: bulletin.clone(),
                handle: conduit.handle(),
                types: types.clone(),
                sync_interval: environment.sync_interval,
                marks: Marks::default(),
                unusable: Unusable::default(),
                history: history.clone(),
                tails: tails.clone(),
            };
            Some((conduit, worker))
        } else {
            None
        };
        let engine = worker.as_ref().map(|(conduit, worker)| Engine {
            handle: conduit.handle(),
            watcher,
            unusable: worker.unusable.clone(),
        });
        let probes = Probes {
            health: health.clone(),
            history: history.clone(),
            metrics,
            bulletin: bulletin.clone(),
            engine: engine.clone(),
            idle: role
                .has_api()
                .then(|| Idle::new(catalog.clone(), Arc::clone(&store))),
        };
        let subject = Subject {
            role,
            variables: Arc::new(crate::environment::variables()),
            mongodb_uri: Some(uri.clone()),
            types: types.clone(),
            live: Some(Live {
                store: Arc::clone(&store),
                bulletin: bulletin.clone(),
            }),
        };
        let app = App {
            role,
            catalog,
            types,
            admin: CollectionAdmin::new(clients.database.clone()),
            store: Arc::clone(&store),
            bulletin,
            tokens: Tokens::new(
                environment.api_token.as_deref(),
                environment.read_token.as_deref(),
            ),
            health: health.clone(),
            history: history.clone(),
            writing: Writing::default(),
            deletions: Arc::default(),
            watcher: MongoWatcher::new(clients.streams.clone()),
            engine: engine.map(|engine| engine.handle),
            subject,
            tails,
        };
        let (port, routes) = match role.has_api() {
            true => (environment.port, api_routes(app.clone(), probes)),
            false => (environment.worker_port, worker_routes(app.tokens.clone(), probes)),
        };
        let address = SocketAddr::new(environment.host, port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| fail(format!("listen on {address}: {error}")))?;
        Ok(Self {
            environment,
            database: clients.database.clone(),
            store,
            redis,
            health,
            history,
            caretaker: role.has_api().then(|| Caretaker::new(app, uri)),
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
                listening::serve(self.listener, self.routes, raised(shutdown)).await;
            }
        });
        let watching = tokio::spawn({
            let (health, history) = (self.health.clone(), self.history.clone());
            let (database, store) = (self.database.clone(), Arc::clone(&self.store));
            async move { tokio::join!(health.watch(&database, &*store), history.watch(&database)) }
        });
        let mut engine = self
            .worker
            .map(|(conduit, worker)| run_engine(conduit, worker, shutdown.clone()));
        let (caretaker, health) = (self.caretaker.as_ref(), &self.health);
        let working = async {
            if let Err(failure) = prepare(self.environment.role, self.redis, caretaker).await {
                return failure;
            }
            health.prepared();
            match caretaker {
                Some(caretaker) => caretaker.run().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = raised(shutdown.clone()) => {}
            failure = working => return Err(failure),
            failure = ended(&mut engine) => {
                // A signal ends the engine too, and may be seen later than the end.
                if !*shutdown.borrow() {
                    return Err(failure);
                }
                engine = None;
            }
        }
        if engine.is_some() {
            ended(&mut engine).await;
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
fn run_engine(
    conduit: Conduit,
    worker: Worker,
    shutdown: watch::Receiver<bool>,
) -> JoinHandle<Result<(), EngineDied>> {
    let worker = Arc::new(worker);
    tokio::spawn(async move {
        let working = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move {
                tokio::join!(
                    worker.follow(),
                    worker.run_errands(),
                    worker.keep_marks(),
                    worker.watch_history(),
                    worker.publish_records()
                )
            }
        });
        let (stop_publishing, stopped) = oneshot::channel();
        let publishing = tokio::spawn(async move { worker.publish_status(stopped).await });
        let ended = conduit.run_until(raised(shutdown)).await;
        working.abort();
        let _ = stop_publishing.send(());
        if let Err(error) = publishing.await {
            tracing::error!(%error, "the task that publishes the status died");
        }
        ended
    })
}

/// Waits for the engine's end and says what went wrong, if anything; never ends where there is no engine.
async fn ended(engine: &mut Option<JoinHandle<Result<(), EngineDied>>>) -> String {
    let Some(engine) = engine else {
        return std::future::pending().await;
    };
    match engine.await {
        Ok(Ok(())) => "the worker ended".to_owned(),
        Ok(Err(died)) => format!("the worker ended: {died}"),
        Err(died) => format!("the worker ended: {died}"),
    }
}

/// Does the work of the start, asking until the servers are there.
async fn prepare(
    role: Role,
    redis: Option<Arc<RedisStore>>,
    caretaker: Option<&Caretaker>,
) -> Result<(), String> {
    if let Some(redis) = redis {
        let check = || redis.check();
        let mut wait = Duration::from_millis(100);
        while let Err(error) = check().await {
            if error.kind() == StateErrorKind::Invalid {
                return Err(format!("Failed to create {}: {error}", role.subject()));
            }
            pause(&mut wait).await;
        }
    }
    if let Some(caretaker) = caretaker {
        caretaker.start().await;
    }
    Ok(())
}
