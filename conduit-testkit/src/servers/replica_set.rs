//! Starts a replica set of three members for tests.

use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use mongodb::options::ClientOptions;
use tokio::time::{Instant, sleep};

use super::mongo::REPLICA_SET;
use super::{MongoServer, Topology};

const MEMBERS: usize = 3;
const ELECTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an election, or a member's catching up, may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Three mongods of one replica set, each a [`MongoServer`]. A primary that is gone is replaced after about 3 seconds.
#[derive(Debug)]
pub struct MongoReplicaSet {
    members: Vec<MongoServer>,
}

impl MongoReplicaSet {
    /// Starts and initiates the set and waits until all members serve.
    ///
    /// # Panics
    /// As [`MongoServer::start`].
    pub async fn start() -> Self {
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            members.push(MongoServer::start_as(Topology::Uninitiated).await);
        }
        let hosts = members.iter().enumerate().map(|(number, member)| {
            let id = i32::try_from(number).unwrap_or_default();
            doc! { "_id": id, "host": format!("127.0.0.1:{}", member.port()) }
        });
        let config = doc! {
            "_id": REPLICA_SET,
            "members": hosts.collect::<Vec<Document>>(),
            "settings": {
                "electionTimeoutMillis": i32::try_from(ELECTION_TIMEOUT.as_millis()).unwrap_or(i32::MAX),
                "heartbeatIntervalMillis": 500,
            },
        };
        let set = Self { members };
        let initiated = set.ask(0, doc! { "replSetInitiate": config }).await;
        initiated.unwrap_or_else(|error| panic!("the replica set cannot be initiated: {error}"));
        for member in 0..MEMBERS {
            set.until_serves(member).await;
        }
        set.primary().await;
        set
    }

    /// Returns the connection string, which names all members.
    #[must_use]
    pub fn uri(&self) -> String {
        let hosts = self
            .members
            .iter()
            .map(|member| format!("127.0.0.1:{}", member.port()));
        let hosts: Vec<String> = hosts.collect();
        format!("mongodb://{}/?replicaSet={REPLICA_SET}", hosts.join(","))
    }

    /// Waits until there is a primary and returns which member it is.
    ///
    /// # Panics
    /// If there is none within 90 seconds.
    pub async fn primary(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for member in 0..MEMBERS {
                let hello = self.ask(member, doc! { "hello": 1 }).await;
                if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
                    return member;
                }
            }
            assert!(Instant::now() < deadline, "no primary within {PATIENCE:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Makes the primary step down at once, so that another member is elected.
    ///
    /// # Errors
    /// If it refuses, or ceased to be the primary meanwhile.
    ///
    /// # Panics
    /// As [`Self::primary`].
    pub async fn step_down(&self) -> Result<(), Error> {
        let primary = self.primary().await;
        let command = doc! { "replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 2, "force": true };
        self.ask(primary, command).await.map(|_| ())
    }

    /// Kills a member with SIGKILL and waits until it is gone. The data stays.
    pub fn kill(&mut self, member: usize) {
        self.members[member].kill();
    }

    /// Starts a member again and waits until it is primary or secondary, and so has caught up.
    ///
    /// # Panics
    /// If it does not within 90 seconds.
    pub async fn restart(&mut self, member: usize) {
        self.members[member].restart().await;
        self.until_serves(member).await;
    }

    async fn until_serves(&self, member: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(hello) = self.ask(member, doc! { "hello": 1 }).await {
                let is = |field| hello.get_bool(field).unwrap_or(false);
                if is("isWritablePrimary") || is("secondary") {
                    return;
                }
            }
            assert!(
                Instant::now() < deadline,
                "member {member} does not serve within {PATIENCE:?}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn ask(&self, member: usize, command: Document) -> Result<Document, Error> {
        let port = self.members[member].port();
        let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        let mut options = ClientOptions::parse(uri).await?;
        options.server_selection_timeout = Some(Duration::from_secs(1));
        let admin = Client::with_options(options)?.database("admin");
        admin.run_command(command).await
    }
}
