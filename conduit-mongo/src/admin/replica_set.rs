//! Initiates a replica set that was never initiated.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::options::{ClientOptions, ServerAddress};
use mongodb::{Client, Database};
use tokio::time::{Instant, sleep};

use super::error::{AdminError, AdminErrorKind};
use crate::server_error::{code, code_of};

const POLL: Duration = Duration::from_millis(100);

/// What a server turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReplicaSetState {
    /// It was started with a replica set name and never initiated; now it is, and takes writes.
    Initiated,
    /// It is a member of a replica set that was initiated before.
    Ready,
    /// It is a `mongos`.
    Sharded,
    /// It was started without a replica set name, and has no change streams.
    Standalone,
}

/// Initiates the replica set of the server that `uri` names, if it was never initiated.
///
/// Connects directly, and makes the server the only member under the host and port that stand in `uri`. The
/// replica set's name is that of `uri`, or the one the server was started with. Waits at most `timeout` until
/// it takes writes. Can be repeated. Where `uri` names several hosts the first is asked, and never initiated.
///
/// # Errors
/// `InvalidInput` if `uri` is no connection string; `Unavailable` otherwise, also if a set of several hosts
/// was never initiated.
pub async fn initiate_replica_set(uri: &str, timeout: Duration) -> Result<ReplicaSetState, AdminError> {
    let deadline = Instant::now() + timeout;
    let mut options = ClientOptions::parse(uri).await.map_err(|_| {
        // The driver's text may repeat parts of the string.
        AdminError::new(
            AdminErrorKind::InvalidInput,
            "the mongodb connection string cannot be read",
        )
    })?;
    let Some(host) = options.hosts.first().cloned() else {
        return Err(AdminError::new(
            AdminErrorKind::InvalidInput,
            "the connection string names no host",
        ));
    };
    let is_alone = options.hosts.len() == 1;
    let name = options.repl_set_name.take();
    options.hosts.truncate(1);
    options.direct_connection = Some(true);
    options.load_balanced = None;
    let least = Duration::from_millis(500);
    options.server_selection_timeout.get_or_insert(timeout.max(least));
    let client =
        Client::with_options(options).map_err(|error| AdminError::of(&error, "use the connection string"))?;
    let admin = client.database("admin");
    let state = initiate(&admin, &host, name, is_alone, deadline).await;
    client.shutdown().await;
    state
}

async fn initiate(
    admin: &Database,
    host: &ServerAddress,
    name: Option<String>,
    is_alone: bool,
    deadline: Instant,
) -> Result<ReplicaSetState, AdminError> {
    let hello = run(admin, doc! { "hello": 1 }, "ask the server what it is").await?;
    if hello.contains_key("setName") {
        return Ok(ReplicaSetState::Ready);
    }
    if hello.get_str("msg").is_ok_and(|text| text == "isdbgrid") {
        return Ok(ReplicaSetState::Sharded);
    }
    // Only a server that was started with a name and never initiated says so.
    if !hello.get_bool("isreplicaset").unwrap_or(false) {
        return Ok(ReplicaSetState::Standalone);
    }
    match admin.run_command(doc! { "replSetGetStatus": 1 }).await {
        Err(error) if code_of(&error) == Some(code::NOT_YET_INITIALIZED) => {}
        Err(error) => return Err(AdminError::of(&error, "ask for the replica set's state")),
        // Initiated by somebody else meanwhile, or not yet loaded at the server's start.
        Ok(_) => return wait_for_primary(admin, deadline, ReplicaSetState::Ready).await,
    }
    if !is_alone {
        let message = "the replica set was never initiated, and has several members to be initiated with";
        return Err(AdminError::new(AdminErrorKind::Unavailable, message));
    }
    let name = match name {
        Some(name) => name,
        None => started_with(admin).await?,
    };
    let member = doc! { "_id": 0, "host": host.to_string() };
    let command = doc! { "replSetInitiate": { "_id": name, "members": [member] } };
    match admin.run_command(command).await {
        Err(error) if code_of(&error) != Some(code::ALREADY_INITIALIZED) => {
            Err(AdminError::of(&error, "initiate the replica set"))
        }
        _ => wait_for_primary(admin, deadline, ReplicaSetState::Initiated).await,
    }
}

async fn started_with(admin: &Database) -> Result<String, AdminError> {
    let reply = run(
        admin,
        doc! { "getCmdLineOpts": 1 },
        "ask for the replica set's name",
    )
    .await?;
    let parsed = reply
        .get_document("parsed")
        .and_then(|parsed| parsed.get_document("replication"));
    let name = parsed.and_then(|options| options.get_str("replSetName").or(options.get_str("replSet")));
    name.map(str::to_owned).map_err(|_| {
        AdminError::new(
            AdminErrorKind::Unavailable,
            "the server does not tell the name of its replica set",
        )
    })
}

async fn wait_for_primary(
    admin: &Database,
    deadline: Instant,
    state: ReplicaSetState,
) -> Result<ReplicaSetState, AdminError> {
    loop {
        let hello = run(admin, doc! { "hello": 1 }, "wait for a primary").await?;
        // Who joins a replica set as a secondary is ready too.
        if hello.contains_key("primary") || hello.get_bool("isWritablePrimary").unwrap_or(false) {
            return Ok(state);
        }
        if Instant::now() >= deadline {
            return Err(AdminError::new(
                AdminErrorKind::Unavailable,
                "the replica set has no primary yet",
            ));
        }
        sleep(POLL).await;
    }
}

async fn run(admin: &Database, command: Document, doing: &str) -> Result<Document, AdminError> {
    admin
        .run_command(command)
        .await
        .map_err(|error| AdminError::of(&error, doing))
}
