//! Conduit inside a program of your own: the changes of one collection go to an HTTP endpoint.
//!
//! `MONGODB_URI='mongodb://127.0.0.1:27017/?replicaSet=rs0' ENDPOINT=http://127.0.0.1:9000/ cargo run -p conduit-examples --example embed`
//!
//! Its state is in `embed.redb`: stopped and started again, it goes on where it stood.

use std::env::var;
use std::error::Error;
use std::sync::Arc;

use conduit_core::{CollectionSpec, Conduit};
use conduit_mongo::MongoWatcher;
use conduit_sinks::http::{HttpConfig, HttpSink};
use conduit_state::{EmbeddedSettings, EmbeddedStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let client = mongodb::Client::with_uri_str(var("MONGODB_URI")?).await?;
    let database = client.database(&var("MONGODB_DATABASE").unwrap_or_else(|_| "test".to_owned()));
    let collection = var("COLLECTION").unwrap_or_else(|_| "orders".to_owned());
    let state = var("STATE").unwrap_or_else(|_| "embed.redb".to_owned());

    let watcher = Arc::new(MongoWatcher::new(database));
    let store = Arc::new(EmbeddedStore::open(&state, EmbeddedSettings::default()).await?);
    let sink = HttpSink::new(HttpConfig::new(var("ENDPOINT")?))?;
    let conduit = Conduit::builder(watcher, store)
        .collection(CollectionSpec::named(&collection)?.to("webhook", sink)?)
        .build()?;
    // Ctrl-C lets calls in hand finish and commits what was delivered: nothing comes twice.
    conduit
        .run_until(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
