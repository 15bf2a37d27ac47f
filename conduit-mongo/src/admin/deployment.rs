//! What a deployment is, and how its replica set does: asked without changing anything.

use std::time::Duration;

use bson::{Bson, Document, doc};
use mongodb::options::{ClientOptions, ServerAddress};
use mongodb::{Client, Database};

use super::collection_admin::CollectionAdmin;
use super::error::{AdminError, AdminErrorKind};

/// What kind of deployment answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DeploymentKind {
    /// A server without a replica set, which has no change streams.
    Standalone,
    /// A server that was started with a replica set's name and never initiated.
    Uninitiated,
    /// A member of a replica set.
    ReplicaSet,
    /// A `mongos`.
    Sharded,
}

/// What one server says of its deployment.
#[derive(Clone, PartialEq, Debug)]
pub struct Deployment {
    /// The server that answered, `host:port`.
    pub server: String,
    /// What it is.
    pub kind: DeploymentKind,
    /// The replica set's primary, `host:port`, if it has one.
    pub primary: Option<String>,
    /// The members that vote and keep no data.
    pub arbiters: Vec<String>,
    /// The server's clock, in milliseconds since the epoch.
    pub clock_millis: Option<i64>,
}

/// How the members of a replica set do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SetHealth {
    /// Voting members that keep data.
    pub data_bearing: usize,
    /// How many of these are up and have caught up with the primary's history, or are about to.
    pub healthy: usize,
    /// How many of these a write must reach before it counts as done by a majority, which change streams wait for.
    pub write_majority: usize,
}

/// Asks the servers of a connection string, one after the other and each directly, until one says what it is. No replica
/// set needs to be initiated for it, nor have a primary.
///
/// # Errors
/// `InvalidInput` if `uri` is no connection string; else what the last server said, or that none answered within `timeout`,
/// which is for each of them.
pub async fn observe_deployment(uri: &str, timeout: Duration) -> Result<Deployment, AdminError> {
    let options = ClientOptions::parse(uri).await.map_err(|_| {
        // The driver's text may repeat parts of the string.
        let message = "the mongodb connection string cannot be read, or its name cannot be resolved";
        AdminError::new(AdminErrorKind::InvalidInput, message)
    })?;
    let mut last = AdminError::new(
        AdminErrorKind::InvalidInput,
        "the connection string names no host",
    );
    for host in &options.hosts {
        match observe(host, options.clone(), timeout).await {
            Ok(deployment) => return Ok(deployment),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn observe(
    host: &ServerAddress,
    mut options: ClientOptions,
    timeout: Duration,
) -> Result<Deployment, AdminError> {
    options.hosts = vec![host.clone()];
    options.repl_set_name = None;
    options.direct_connection = Some(true);
    options.load_balanced = None;
    options.server_selection_timeout = Some(timeout);
    options.connect_timeout = Some(timeout);
    let client =
        Client::with_options(options).map_err(|error| AdminError::of(&error, "use the connection string"))?;
    let hello = client.database("admin").run_command(doc! { "hello": 1 }).await;
    client.shutdown().await;
    let hello = hello.map_err(|error| AdminError::of(&error, &format!("ask {host} what it is")))?;
    Ok(Deployment::of(host, &hello))
}

impl Deployment {
    fn of(host: &ServerAddress, hello: &Document) -> Self {
        let kind = if hello.contains_key("setName") {
            DeploymentKind::ReplicaSet
        } else if hello.get_str("msg").is_ok_and(|text| text == "isdbgrid") {
            DeploymentKind::Sharded
        } else if hello.get_bool("isreplicaset").unwrap_or(false) {
            DeploymentKind::Uninitiated
        } else {
            DeploymentKind::Standalone
        };
        let arbiters = hello.get_array("arbiters").map(Vec::as_slice).unwrap_or_default();
        Self {
            server: host.to_string(),
            kind,
            primary: hello.get_str("primary").ok().map(str::to_owned),
            arbiters: arbiters
                .iter()
                .filter_map(Bson::as_str)
                .map(str::to_owned)
                .collect(),
            clock_millis: hello
                .get_datetime("localTime")
                .ok()
                .map(|time| time.timestamp_millis()),
        }
    }
}

impl CollectionAdmin {
    /// Asks how the members of the replica set do.
    ///
    /// # Errors
    /// `NotSupported` by a server that is no member of one, else `Unavailable`; denied without the role `clusterMonitor`.
    pub async fn set_health(&self) -> Result<SetHealth, AdminError> {
        let status = ask(
            &self.admin_database(),
            doc! { "replSetGetStatus": 1 },
            "ask for the replica set's state",
        )
        .await?;
        Ok(SetHealth::of(&status))
    }
}

impl SetHealth {
    fn of(status: &Document) -> Self {
        /// States in which a member counts towards a majority: primary, secondary.
        const SERVING: [i32; 2] = [1, 2];
        const ARBITER: i32 = 7;
        let members = status.get_array("members").map(Vec::as_slice).unwrap_or_default();
        let states: Vec<i32> = members
            .iter()
            .filter_map(|member| member.as_document()?.get_i32("state").ok())
            .filter(|state| *state != ARBITER)
            .collect();
        let count = |name: &str| {
            status
                .get_i32(name)
                .ok()
                .and_then(|count| usize::try_from(count).ok())
        };
        let data_bearing = count("writableVotingMembersCount").unwrap_or(states.len());
        Self {
            data_bearing,
            healthy: states.iter().filter(|state| SERVING.contains(state)).count(),
            write_majority: count("writeMajorityCount").unwrap_or(data_bearing / 2 + 1),
        }
    }
}

pub(super) async fn ask(database: &Database, command: Document, doing: &str) -> Result<Document, AdminError> {
    database
        .run_command(command)
        .await
        .map_err(|error| AdminError::of(&error, doing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(hello: Document) -> DeploymentKind {
        Deployment::of(&ServerAddress::default(), &hello).kind
    }

    #[test]
    fn a_server_is_known_by_what_it_says_of_itself() {
        assert_eq!(kind(doc! {}), DeploymentKind::Standalone);
        assert_eq!(kind(doc! { "isreplicaset": true }), DeploymentKind::Uninitiated);
        assert_eq!(kind(doc! { "setName": "rs0" }), DeploymentKind::ReplicaSet);
        assert_eq!(kind(doc! { "msg": "isdbgrid" }), DeploymentKind::Sharded);
    }

    #[test]
    fn an_arbiter_is_no_help_to_a_majority() {
        let state = |state: i32| doc! { "state": state };
        let health = SetHealth::of(&doc! {
            "writableVotingMembersCount": 2, "writeMajorityCount": 2, "members": [state(1), state(8), state(7)],
        });
        let expected = SetHealth {
            data_bearing: 2,
            healthy: 1,
            write_majority: 2,
        };
        assert_eq!(health, expected);
    }
}
