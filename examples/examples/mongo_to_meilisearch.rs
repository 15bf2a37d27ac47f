//! A search index that follows a collection: put, changed and deleted documents are so in Meilisearch within moments.
//!
//! `MONGODB_URI='mongodb://127.0.0.1:27017/?replicaSet=rs0' MEILI_URL=http://127.0.0.1:7700 cargo run -p conduit-examples --example mongo_to_meilisearch`
//!
//! Follows `products` into an index of that name, searchable by name and description; MEILI_MASTER_KEY is its key, if it
//! has one. Only what changes from now on is sent: what the collection holds already, import first.

use std::env::var;
use std::error::Error;
use std::sync::Arc;

use conduit_core::{CollectionSpec, Conduit};
use conduit_mongo::MongoWatcher;
use conduit_sinks::meilisearch::{MeilisearchConfig, MeilisearchSink};
use conduit_state::{EmbeddedSettings, EmbeddedStore};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let client = mongodb::Client::with_uri_str(var("MONGODB_URI")?).await?;
    let database = client.database(&var("MONGODB_DATABASE").unwrap_or_else(|_| "test".to_owned()));
    let state = var("STATE").unwrap_or_else(|_| "meilisearch.redb".to_owned());

    let mut config = MeilisearchConfig::new(var("MEILI_URL")?, "products");
    if let Ok(key) = var("MEILI_MASTER_KEY") {
        config = config.with_bearer_token(key);
    }
    // The index is made with these if it is not there yet.
    if let Some(settings) = json!({ "searchableAttributes": ["name", "description"] }).as_object() {
        config = config.with_settings(settings.clone());
    }
    let sink = MeilisearchSink::new(config)?;

    let store = EmbeddedStore::open(&state, EmbeddedSettings::default()).await?;
    let conduit = Conduit::builder(Arc::new(MongoWatcher::new(database)), Arc::new(store))
        .collection(CollectionSpec::named("products")?.to("search", sink)?)
        .build()?;
    // A record counts as delivered when Meilisearch says that its task succeeded, not when it took it.
    conduit
        .run_until(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
