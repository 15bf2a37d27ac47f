//! The clients of MongoDB.

use std::collections::HashSet;
use std::time::Duration;

use conduit_mongo::describe;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};

use crate::environment::Environment;

/// How long MongoDB may take to name a primary before a request is answered with 503.
const SERVER_SELECTION: Duration = Duration::from_secs(2);
/// How many connections requests, configuration and health may use at once.
const MAX_CONNECTIONS: u32 = 100;
/// How many connections change streams may use at once: each holds one while it waits for changes, so this is how many can
/// be open. Connections are made when they are needed.
const MAX_STREAM_CONNECTIONS: u32 = 10_000;

/// What is said of a URI instead of an error that would quote it.
const UNQUOTED: &str = "a server must be a host or host:port; in user name and password, all but letters, digits and - . _ ~ \
                        must be percent-encoded";

/// The same database through two clients, so that waiting change streams never keep a request from a connection.
#[derive(Clone, Debug)]
pub(crate) struct MongoClients {
    /// For everything but change streams.
    pub(crate) database: Database,
    /// For change streams alone.
    pub(crate) streams: Database,
}

impl MongoClients {
    /// Makes the clients; nothing is connected yet.
    ///
    /// # Errors
    /// If the URI is wrong, as the line that follows `FATAL: `.
    pub(crate) async fn open(environment: &Environment, uri: &str) -> Result<Self, String> {
        let subject = environment.role.subject();
        let options = ClientOptions::parse(uri).await.map_err(|error| {
            let fault = fault_of(uri, describe(&error));
            format!("Failed to create {subject}: parse MongoDB URI: {fault}")
        })?;
        let connect = |max_connections| {
            let client = Client::with_options(with_defaults(options.clone(), max_connections));
            client
                .map(|client| client.database(&environment.database))
                .map_err(|error| format!("Failed to create {subject}: {}", describe(&error)))
        };
        Ok(Self {
            database: connect(MAX_CONNECTIONS)?,
            streams: connect(MAX_STREAM_CONNECTIONS)?,
        })
    }
}

/// What is wrong with a URI, unless the message repeats what may be a password: with a character in it that is not escaped it
/// is taken for a port or an option.
fn fault_of(uri: &str, message: String) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_scheme, rest)| rest);
    let doubtful = match rest.rsplit_once('@') {
        Some((credentials, _)) => credentials,
        None => rest.split(['/', '?']).next().unwrap_or_default(),
    };
    let words = |text: &str| -> HashSet<String> {
        let text = text.to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric());
        words.map(str::to_owned).filter(|word| !word.is_empty()).collect()
    };
    match words(doubtful).is_disjoint(&words(&message)) {
        true => message,
        false => UNQUOTED.to_owned(),
    }
}

/// What the URI says, with our defaults, and with room for `max_connections` at least.
fn with_defaults(mut options: ClientOptions, max_connections: u32) -> ClientOptions {
    options.app_name.get_or_insert_with(|| "conduit".to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_SELECTION);
    options.max_pool_size = options.max_pool_size.max(Some(max_connections));
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn with_uri(query: &str) -> ClientOptions {
        let options = ClientOptions::parse(format!("mongodb://a/?{query}"))
            .await
            .unwrap();
        with_defaults(options, MAX_STREAM_CONNECTIONS)
    }

    #[tokio::test]
    async fn a_pool_is_never_smaller_than_what_streams_need() {
        for (query, wanted) in [
            ("", 10_000),
            ("maxPoolSize=5", 10_000),
            ("maxPoolSize=20000", 20_000),
        ] {
            assert_eq!(with_uri(query).await.max_pool_size, Some(wanted), "{query:?}");
        }
    }

    #[tokio::test]
    async fn what_the_uri_says_stays() {
        let options = with_uri("serverSelectionTimeoutMS=7000&appName=mine").await;
        assert_eq!(options.server_selection_timeout, Some(Duration::from_secs(7)));
        assert_eq!(options.app_name.as_deref(), Some("mine"));
        assert_eq!(
            with_uri("").await.server_selection_timeout,
            Some(SERVER_SELECTION)
        );
    }

    #[tokio::test]
    async fn a_fault_of_the_uri_is_told_without_what_may_be_a_password() {
        let fault = async |uri: &str| {
            let error = ClientOptions::parse(uri).await.expect_err(uri);
            fault_of(uri, describe(&error))
        };
        for uri in [
            "mongodb://u:hunter2?x@h",
            "mongodb://u:hunter2",
            "mongodb://u:hunter2,x",
            "mongodb://u:12?hunter2@h/db",
            "mongodb://u:hunter2@h:hunter2",
            "mongodb://u:x=hunter2&y?z@h",
            "mongodb://[hunter2",
            "mongodb+srv://u:hunter2",
            "mongodb://u:hunter2@@h",
            "mongodb://u:hunter2/x@h",
            "mongodb://u:hunter2@h:x",
        ] {
            let message = fault(uri).await;
            assert!(
                !message.contains("hunter2") && !message.is_empty(),
                "{uri}: {message}"
            );
        }
        assert!(fault("mongodb://u:hunter2@h/?tls=maybe").await.contains("`tls`"));
        assert!(fault("mongodb://h/?oops=1").await.contains("oops"));
    }
}
