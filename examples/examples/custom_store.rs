//! A state store of your own: busy collections in a file each, all others in one, so that they do not wait for each other.
//!
//! `MONGODB_URI='mongodb://127.0.0.1:27017/?replicaSet=rs0' cargo run -p conduit-examples --example custom_store`
//!
//! prints the changes of `orders` and `customers` as lines of JSON. The store is `RoutedStore` of `examples/routed-store`: it
//! wraps stores that there are, in 160 lines, and passes the suite; docs/writing-a-state-store.md goes through it.

use std::env::var;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use conduit_core::{CollectionName, CollectionSpec, Conduit, StateStore};
use conduit_mongo::MongoWatcher;
use conduit_sinks::format::PayloadFormat;
use conduit_sinks::stdout::StdoutSink;
use conduit_state::{EmbeddedSettings, EmbeddedStore};
use routed_store::RoutedStore;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Standard output is for the records.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let client = mongodb::Client::with_uri_str(var("MONGODB_URI")?).await?;
    let database = client.database(&var("MONGODB_DATABASE").unwrap_or_else(|_| "test".to_owned()));
    let folder = PathBuf::from(var("STATE_FOLDER").unwrap_or_else(|_| ".".to_owned()));

    let orders = CollectionName::new("orders")?;
    let store = RoutedStore::new(file(folder.join("others.redb")).await?)
        .with_route(orders, file(folder.join("orders.redb")).await?);
    // The engine knows a store by its trait alone: whatever passes the suite can stand here.
    let mut conduit = Conduit::builder(Arc::new(MongoWatcher::new(database)), Arc::new(store));
    for name in ["orders", "customers"] {
        let sink = StdoutSink::new(PayloadFormat::Conduit)?;
        conduit = conduit.collection(CollectionSpec::named(name)?.to("terminal", sink)?);
    }
    let conduit = conduit.build()?;
    conduit
        .run_until(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

async fn file(path: PathBuf) -> Result<Arc<dyn StateStore>, Box<dyn Error>> {
    Ok(Arc::new(
        EmbeddedStore::open(path, EmbeddedSettings::default()).await?,
    ))
}
