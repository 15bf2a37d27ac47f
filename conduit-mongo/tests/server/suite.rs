//! The conformance suite of watchers, each test with a database of its own.

use std::sync::Arc;

use async_trait::async_trait;
use bson::doc;
use conduit_core::Watcher;
use conduit_testkit::watcher_suite::{Change, WatcherHarness};

use crate::scene::Scene;

struct Harness;

#[async_trait]
impl WatcherHarness for Harness {
    type Guard = Scene;

    /// With pre- and post-images, which the clauses of key schemas need. `users` is not there at first.
    async fn create(&self) -> (Scene, Arc<dyn Watcher>) {
        let scene = Scene::new().await;
        scene.collection_with_images("orders").await;
        let watcher = scene.watcher.clone();
        (scene, Arc::new(watcher))
    }

    async fn change(&self, scene: &Scene, change: &Change<'_>) -> Result<(), &'static str> {
        match *change {
            Change::Insert {
                collection,
                id,
                group,
                n,
                pad,
            } => {
                let document = doc! { "_id": id, "group": group, "n": n, "pad": "x".repeat(pad) };
                scene.collection(collection).insert_one(document).await.unwrap();
            }
            Change::Update {
                collection,
                id,
                group,
                n,
            } => {
                let update = doc! { "$set": { "group": group, "n": n } };
                let documents = scene.collection(collection);
                let result = documents.update_one(doc! { "_id": id }, update).await.unwrap();
                assert_eq!(result.modified_count, 1);
            }
            Change::Delete { collection, id } => {
                let documents = scene.collection(collection);
                let result = documents.delete_one(doc! { "_id": id }).await.unwrap();
                assert_eq!(result.deleted_count, 1);
            }
            Change::Drop { collection } => scene.collection(collection).drop().await.unwrap(),
            _ => return Err("the test does not know the change"),
        }
        Ok(())
    }

    async fn remove(&self, scene: Scene) {
        scene.drop().await;
    }

    fn skips(&self) -> &'static [(&'static str, &'static str)] {
        &[(
            "a_position_whose_history_is_gone_is_history_lost",
            "takes a server with a small oplog: positions::a_position_that_the_oplog_no_longer_holds_is_lost_history",
        )]
    }
}

conduit_testkit::watcher_suite!(Harness);
