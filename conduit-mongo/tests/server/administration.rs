//! Collections, their indexes and images, and the replica set.

use std::error::Error;
use std::time::Duration;

use bson::{Document, doc};
use conduit_core::CollectionName;
use conduit_mongo::{
    AdminErrorKind, CollectionAdmin, CollectionLayout, Origin, ReplicaSetState, ServerVersion, StoredImages,
    initiate_replica_set,
};
use conduit_testkit::servers::{MongoServer, Topology};
use mongodb::Client;

use crate::scene::{PATIENCE, Scene, with_both_images};

fn admin(scene: &Scene) -> CollectionAdmin {
    CollectionAdmin::new(scene.database.clone())
}

fn spec(name: &str) -> CollectionLayout {
    CollectionLayout::new(CollectionName::new(name).unwrap())
}

fn keyed(fields: &[&str]) -> CollectionLayout {
    CollectionLayout {
        key_fields: fields.iter().map(|&field| field.into()).collect(),
        ..spec("users")
    }
}

fn expiring(field: &str) -> CollectionLayout {
    CollectionLayout {
        ttl_attribute: Some(field.into()),
        ..spec("users")
    }
}

/// Name, key and options of every index but that of `_id`.
async fn indexes(scene: &Scene) -> Vec<String> {
    let reply = scene
        .database
        .run_command(doc! { "listIndexes": "users" })
        .await
        .unwrap();
    let batch = reply
        .get_document("cursor")
        .unwrap()
        .get_array("firstBatch")
        .unwrap();
    let text = |index: &Document| {
        let unique = if index.get_bool("unique").unwrap_or(false) {
            " unique"
        } else {
            ""
        };
        let expires = index
            .get("expireAfterSeconds")
            .map_or_else(String::new, |after| format!(" expires {after}"));
        format!(
            "{} {}{unique}{expires}",
            index.get_str("name").unwrap(),
            index.get_document("key").unwrap()
        )
    };
    let mut lines: Vec<_> = batch
        .iter()
        .map(|index| text(index.as_document().unwrap()))
        .collect();
    lines.retain(|line| !line.starts_with("_id_"));
    lines.sort();
    lines
}

async fn stores_images(scene: &Scene) -> bool {
    let command = doc! { "listCollections": 1, "filter": { "name": "users" } };
    let reply = scene.database.run_command(command).await.unwrap();
    let batch = reply
        .get_document("cursor")
        .unwrap()
        .get_array("firstBatch")
        .unwrap();
    let options = batch[0].as_document().unwrap().get_document("options").unwrap();
    options
        .get_document("changeStreamPreAndPostImages")
        .is_ok_and(|images| images.get_bool("enabled").unwrap())
}

#[tokio::test]
async fn a_collection_is_created_with_all_that_it_needs() {
    let scene = Scene::new().await;
    let whole = CollectionLayout {
        ttl_attribute: Some("expires".into()),
        images: StoredImages::On,
        ..keyed(&["id", "email"])
    };
    assert_eq!(
        admin(&scene).create_or_adopt(&whole).await.unwrap(),
        Origin::Created
    );
    let expected = [
        r#"conduit_key { "id": 1, "email": 1 } unique"#,
        r#"conduit_ttl { "expires": 1 } expires 0"#,
    ];
    assert_eq!(indexes(&scene).await, expected);
    assert!(stores_images(&scene).await);
    // Once more changes nothing.
    assert_eq!(
        admin(&scene).create_or_adopt(&whole).await.unwrap(),
        Origin::Adopted
    );
    assert_eq!(indexes(&scene).await, expected);
    scene.drop().await;
}

#[tokio::test]
async fn an_adopted_collection_keeps_its_documents_and_foreign_indexes() {
    let scene = Scene::new().await;
    let users = scene.collection("users");
    users.insert_one(doc! { "_id": 1, "id": 1 }).await.unwrap();
    let foreign = doc! { "createIndexes": "users", "indexes": [{ "name": "mine", "key": { "x": 1 } }] };
    scene.database.run_command(foreign).await.unwrap();
    assert_eq!(
        admin(&scene).create_or_adopt(&keyed(&["id"])).await.unwrap(),
        Origin::Adopted
    );
    assert_eq!(
        indexes(&scene).await,
        [r#"conduit_key { "id": 1 } unique"#, r#"mine { "x": 1 }"#]
    );
    assert_eq!(users.count_documents(doc! {}).await.unwrap(), 1);
    admin(&scene).create_or_adopt(&spec("users")).await.unwrap();
    assert_eq!(indexes(&scene).await, [r#"mine { "x": 1 }"#]);
    scene.drop().await;
}

#[tokio::test]
async fn a_foreign_index_that_does_the_same_serves_instead() {
    let scene = Scene::new().await;
    let foreign = doc! {
        "createIndexes": "users",
        "indexes": [
            { "name": "mine", "key": { "id": 1 }, "unique": true },
            { "name": "gone", "key": { "expires": 1 }, "expireAfterSeconds": 0 },
        ]
    };
    scene.database.run_command(foreign).await.unwrap();
    let before = indexes(&scene).await;
    let wanted = CollectionLayout {
        ttl_attribute: Some("expires".into()),
        ..keyed(&["id"])
    };
    admin(&scene).create_or_adopt(&wanted).await.unwrap();
    assert_eq!(indexes(&scene).await, before);
    scene.drop().await;
}

#[tokio::test]
async fn the_expiry_changes_and_goes_with_its_attribute() {
    let scene = Scene::new().await;
    let admin = admin(&scene);
    admin.create_or_adopt(&expiring("a")).await.unwrap();
    assert_eq!(indexes(&scene).await, [r#"conduit_ttl { "a": 1 } expires 0"#]);
    admin.create_or_adopt(&expiring("b")).await.unwrap();
    assert_eq!(indexes(&scene).await, [r#"conduit_ttl { "b": 1 } expires 0"#]);
    admin.create_or_adopt(&spec("users")).await.unwrap();
    assert!(indexes(&scene).await.is_empty());
    scene.drop().await;
}

#[tokio::test]
async fn images_are_turned_on_and_off_and_else_kept() {
    let scene = Scene::new().await;
    let admin = admin(&scene);
    let with = |images| CollectionLayout {
        images,
        ..spec("users")
    };
    for (images, expected) in [
        (StoredImages::Keep, false),
        (StoredImages::On, true),
        (StoredImages::Keep, true),
        (StoredImages::Off, false),
        (StoredImages::Off, false),
    ] {
        admin.create_or_adopt(&with(images)).await.unwrap();
        assert_eq!(stores_images(&scene).await, expected, "{images:?}");
    }
    admin.create_or_adopt(&with(StoredImages::On)).await.unwrap();
    let start = scene.now().await;
    scene
        .collection("users")
        .insert_one(doc! { "_id": 1 })
        .await
        .unwrap();
    scene
        .collection("users")
        .delete_one(doc! { "_id": 1 })
        .await
        .unwrap();
    let records = scene.read(&with_both_images("users"), &start, 2).await;
    assert!(records[1].old_image().is_some());
    scene.drop().await;
}

#[tokio::test]
async fn views_and_time_series_are_refused_by_name() {
    let scene = Scene::new().await;
    scene
        .database
        .run_command(doc! { "create": "users", "viewOn": "x", "pipeline": [] })
        .await
        .unwrap();
    let series = doc! { "create": "series", "timeseries": { "timeField": "t" } };
    scene.database.run_command(series).await.unwrap();
    for (name, reason) in [("users", "a view"), ("series", "a time series")] {
        let error = admin(&scene).create_or_adopt(&spec(name)).await.err().unwrap();
        assert_eq!(error.kind(), AdminErrorKind::NotSupported);
        assert!(error.message().contains(reason), "{error}");
    }
    scene.drop().await;
}

#[tokio::test]
async fn documents_with_the_same_key_are_a_conflict_that_tells_no_values() {
    let scene = Scene::new().await;
    let twice = [doc! { "id": "geheim" }, doc! { "id": "geheim" }];
    scene.collection("users").insert_many(twice).await.unwrap();
    let error = admin(&scene)
        .create_or_adopt(&keyed(&["id"]))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), AdminErrorKind::Conflict);
    assert!(
        error.message().contains("conduit_key") && error.source().is_some(),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
    scene.drop().await;
}

#[tokio::test]
async fn an_index_of_the_same_fields_with_other_options_is_a_conflict() {
    let scene = Scene::new().await;
    let foreign = doc! { "createIndexes": "users", "indexes": [{ "name": "mine", "key": { "expires": 1 } }] };
    scene.database.run_command(foreign).await.unwrap();
    let error = admin(&scene)
        .create_or_adopt(&expiring("expires"))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), AdminErrorKind::Conflict, "{error:?}");
    scene.drop().await;
}

#[tokio::test]
async fn a_name_that_mongodb_does_not_take_is_invalid_input() {
    let scene = Scene::new().await;
    let error = admin(&scene).create_or_adopt(&spec("a$b")).await.err().unwrap();
    assert_eq!(error.kind(), AdminErrorKind::InvalidInput, "{error:?}");
}

#[tokio::test]
async fn a_collection_is_dropped_also_when_it_is_not_there() {
    let scene = Scene::new().await;
    let name = CollectionName::new("users").unwrap();
    scene.collection("users").insert_one(doc! {}).await.unwrap();
    for _ in 0..2 {
        admin(&scene).drop(&name).await.unwrap();
        assert!(scene.database.list_collection_names().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_version_and_the_time_are_the_servers() {
    let scene = Scene::new().await;
    assert!(admin(&scene).server_version().await.unwrap() >= ServerVersion::new(4, 4, 0));
    let before = admin(&scene).operation_time().await.unwrap();
    scene.collection("users").insert_one(doc! {}).await.unwrap();
    assert!(admin(&scene).operation_time().await.unwrap() > before);
    scene.drop().await;
}

#[tokio::test]
async fn a_replica_set_that_was_never_initiated_is_initiated_once() {
    let server = MongoServer::start_as(Topology::Uninitiated).await;
    let state = initiate_replica_set(&server.uri(), PATIENCE).await.unwrap();
    assert_eq!(state, ReplicaSetState::Initiated);
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    client
        .database("test")
        .collection::<Document>("a")
        .insert_one(doc! {})
        .await
        .unwrap();
    let config = client
        .database("admin")
        .run_command(doc! { "replSetGetConfig": 1 })
        .await
        .unwrap();
    let members = config
        .get_document("config")
        .unwrap()
        .get_array("members")
        .unwrap();
    let host = members[0].as_document().unwrap().get_str("host").unwrap();
    assert_eq!(host, format!("127.0.0.1:{}", server.port()));
    let again = initiate_replica_set(&server.uri(), PATIENCE).await.unwrap();
    assert_eq!(again, ReplicaSetState::Ready);
}

#[tokio::test]
async fn a_standalone_server_stays_one() {
    let server = MongoServer::start_as(Topology::Standalone).await;
    let state = initiate_replica_set(&server.uri(), PATIENCE).await.unwrap();
    assert_eq!(state, ReplicaSetState::Standalone);
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let admin = CollectionAdmin::new(client.database("test"));
    assert_eq!(
        admin.operation_time().await.err().unwrap().kind(),
        AdminErrorKind::NotSupported
    );
}

#[tokio::test]
async fn without_a_server_administration_is_unavailable() {
    let uri = "mongodb://user:geheim@127.0.0.1:1/?serverSelectionTimeoutMS=200";
    let error = initiate_replica_set(uri, Duration::from_millis(200))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), AdminErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains("geheim"));
    let error = initiate_replica_set("mongodb:/geheim", PATIENCE)
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), AdminErrorKind::InvalidInput);
    assert!(!format!("{error:?}").contains("geheim"));
}

#[tokio::test]
async fn a_preview_tells_the_changes_and_makes_none() {
    let scene = Scene::new().await;
    let admin = admin(&scene);
    let layout = CollectionLayout {
        ttl_attribute: Some("ends".into()),
        ..keyed(&["id"])
    };
    let indexes_made = [
        "make the index conduit_key of users over id",
        "make the index conduit_ttl of users over ends",
    ];
    let created = [&["create the collection users"][..], &indexes_made].concat();
    assert_eq!(admin.preview(&layout).await.unwrap(), created);
    assert_eq!(
        scene.database.list_collection_names().await.unwrap(),
        Vec::<String>::new()
    );
    admin.create_or_adopt(&spec("users")).await.unwrap();
    assert_eq!(admin.preview(&layout).await.unwrap(), indexes_made);
    assert_eq!(indexes(&scene).await, Vec::<String>::new());
    admin.create_or_adopt(&layout).await.unwrap();
    assert_eq!(admin.preview(&layout).await.unwrap(), Vec::<String>::new());
}
