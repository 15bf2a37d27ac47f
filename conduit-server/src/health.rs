//! Whether what the server depends on is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bson::doc;
use conduit_core::StateStore;
use conduit_mongo::describe;
use mongodb::Database;
use serde::Serialize;

/// How often dependencies are asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long one may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is known of a dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub(crate) enum Dependency {
    /// Not asked yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not, or cannot do what is needed.
    Down(String),
}

/// The newest knowledge of both dependencies, and whether start-up work is done. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) mongodb: Dependency,
    pub(crate) state_store: Dependency,
    pub(crate) is_prepared: bool,
}

impl Health {
    pub(crate) fn new() -> Self {
        let state = State {
            mongodb: Dependency::Unknown,
            state_store: Dependency::Unknown,
            is_prepared: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> State {
        self.state().clone()
    }

    /// Notes that the work of the start is done.
    pub(crate) fn prepared(&self) {
        self.state().is_prepared = true;
    }

    /// Why the server cannot do its work; empty when it can.
    pub(crate) fn obstacles(&self) -> Vec<String> {
        let state = self.snapshot();
        let mut obstacles = Vec::new();
        for (name, dependency) in [
            ("MongoDB", &state.mongodb),
            ("the state store", &state.state_store),
        ] {
            match dependency {
                Dependency::Up => {}
                Dependency::Unknown => obstacles.push(format!("{name} was not asked yet")),
                Dependency::Down(reason) => obstacles.push(format!("{name}: {reason}")),
            }
        }
        if obstacles.is_empty() && !state.is_prepared {
            obstacles.push("still starting".to_owned());
        }
        obstacles
    }

    /// Asks both dependencies again and again, and logs when one comes or goes, and when all that is needed is there.
    pub(crate) async fn watch(&self, database: &Database, store: &dyn StateStore) {
        let mut was_ready = false;
        loop {
            let (mongodb, state_store) = tokio::join!(ask_mongodb(database), ask_store(store));
            let old = self.snapshot();
            report("MongoDB", &old.mongodb, &mongodb);
            report("the state store", &old.state_store, &state_store);
            {
                let mut state = self.state();
                state.mongodb = mongodb;
                state.state_store = state_store;
            }
            let is_ready = self.obstacles().is_empty();
            if is_ready && !was_ready {
                tracing::info!("ready");
            }
            was_ready = is_ready;
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

fn report(name: &str, old: &Dependency, new: &Dependency) {
    match (old, new) {
        (Dependency::Up | Dependency::Unknown, Dependency::Down(reason)) => {
            tracing::warn!(reason, "{name} cannot be used; trying again");
        }
        (Dependency::Down(_), Dependency::Up) => tracing::info!("{name} is there again"),
        _ => {}
    }
}

async fn ask_mongodb(database: &Database) -> Dependency {
    let database = database.clone();
    // In a task of its own: a driver's future is never dropped midway.
    let asking = tokio::spawn(async move { database.run_command(doc! { "hello": 1 }).await });
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(Ok(hello)))
            if hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|text| text == "isdbgrid") =>
        {
            Dependency::Up
        }
        // Started with a replica set's name: the API initiates it, or whoever runs it has yet to.
        Ok(Ok(Ok(hello))) if hello.get_bool("isreplicaset").unwrap_or(false) => {
            Dependency::Down("its replica set is not initiated yet".to_owned())
        }
        Ok(Ok(Ok(_))) => Dependency::Down(
            "it is a standalone server: change streams need a replica set (start mongod with --replSet rs0)"
                .to_owned(),
        ),
        Ok(Ok(Err(error))) => Dependency::Down(describe(&error)),
        Ok(Err(_)) | Err(_) => Dependency::Down(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn ask_store(store: &dyn StateStore) -> Dependency {
    match tokio::time::timeout(PATIENCE, store.ping()).await {
        Ok(Ok(())) => Dependency::Up,
        Ok(Err(error)) => Dependency::Down(error.to_string()),
        Err(_) => Dependency::Down(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
