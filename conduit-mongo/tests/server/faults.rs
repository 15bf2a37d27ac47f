//! A fault of administration changes nothing.

use bson::{Bson, Document, doc};
use conduit_core::CollectionName;
use conduit_mongo::{
    AdminError, AdminErrorKind, AdminField, CollectionAdmin, CollectionLayout, Origin, StoredImages,
};

use crate::scene::Scene;

/// A key, an expiry and images.
fn whole() -> CollectionLayout {
    CollectionLayout {
        key_fields: vec!["id".into()],
        ttl_attribute: Some("exp".into()),
        images: StoredImages::On,
        ..CollectionLayout::new(CollectionName::new("users").unwrap())
    }
}

fn expiring(field: &str) -> CollectionLayout {
    CollectionLayout {
        key_fields: Vec::new(),
        ttl_attribute: Some(field.into()),
        images: StoredImages::Keep,
        ..whole()
    }
}

fn index(name: &str, field: &str) -> Document {
    doc! { "name": name, "key": { field: 1 } }
}

async fn make(scene: &Scene, indexes: &[Document]) {
    let command = doc! { "createIndexes": "users", "indexes": indexes.to_vec() };
    scene.database.run_command(command).await.unwrap();
}

async fn first_batch(scene: &Scene, command: Document) -> Vec<Document> {
    let reply = scene.database.run_command(command).await.unwrap();
    let batch = reply.get_document("cursor").unwrap().get_array("firstBatch");
    let documents = batch.unwrap().iter();
    documents
        .map(|found| found.as_document().unwrap().clone())
        .collect()
}

/// All that MongoDB tells of the collection: its options without turned off images, and its indexes by name.
async fn everything(scene: &Scene) -> Vec<Document> {
    let mut all = first_batch(scene, doc! { "listCollections": 1 }).await;
    for collection in &mut all {
        let options = collection.get_document_mut("options").unwrap();
        let off = Bson::from(doc! { "enabled": false });
        if options.get("changeStreamPreAndPostImages") == Some(&off) {
            options.remove("changeStreamPreAndPostImages");
        }
    }
    if !all.is_empty() {
        let mut indexes = first_batch(scene, doc! { "listIndexes": "users" }).await;
        indexes.sort_by_key(|index| index.get_str("name").unwrap().to_owned());
        all.extend(indexes);
    }
    all
}

/// Asks for `layout`, expects to be refused, and that all is as it was.
async fn refused(scene: &Scene, layout: &CollectionLayout) -> AdminError {
    let before = everything(scene).await;
    let admin = CollectionAdmin::new(scene.database.clone());
    let error = admin.create_or_adopt(layout).await.err().unwrap();
    assert_eq!(everything(scene).await, before, "{error:?}");
    assert!(!error.message().contains("undone"), "{error}");
    error
}

fn fault(error: &AdminError) -> (AdminErrorKind, Option<AdminField>) {
    (error.kind(), error.field())
}

/// The expiry of `t1` was dropped before it was found that there can be none of `exp`.
#[tokio::test]
async fn an_expiry_that_cannot_be_changed_stays() {
    let scene = Scene::new().await;
    let admin = CollectionAdmin::new(scene.database.clone());
    admin.create_or_adopt(&expiring("t1")).await.unwrap();
    make(&scene, &[index("mine", "exp")]).await;
    let error = refused(&scene, &expiring("exp")).await;
    let expected = (AdminErrorKind::Conflict, Some(AdminField::TimeToLive));
    assert_eq!(fault(&error), expected);
    assert!(error.message().contains("mine"), "{error}");
    scene.drop().await;
}

/// The key's index and images stayed when the expiry turned out to be impossible.
#[tokio::test]
async fn a_conflict_over_the_expiry_makes_no_key_and_turns_on_no_images() {
    let scene = Scene::new().await;
    make(&scene, &[index("mine", "exp")]).await;
    let error = refused(&scene, &whole()).await;
    let expected = (AdminErrorKind::Conflict, Some(AdminField::TimeToLive));
    assert_eq!(fault(&error), expected);
    scene.drop().await;
}

#[tokio::test]
async fn a_capped_collection_is_refused_for_its_expiry() {
    let scene = Scene::new().await;
    let capped = doc! { "create": "users", "capped": true, "size": 4096 };
    scene.database.run_command(capped).await.unwrap();
    let error = refused(&scene, &whole()).await;
    let expected = (AdminErrorKind::NotSupported, Some(AdminField::TimeToLive));
    assert_eq!(fault(&error), expected);
    scene.drop().await;
}

#[tokio::test]
async fn documents_with_the_same_key_change_nothing() {
    let scene = Scene::new().await;
    let twice = [doc! { "id": 1 }, doc! { "id": 1 }];
    scene.collection("users").insert_many(twice).await.unwrap();
    let error = refused(&scene, &whole()).await;
    assert_eq!(fault(&error), (AdminErrorKind::Conflict, Some(AdminField::Key)));
    scene.drop().await;
}

/// An index of another key has to make room first, and comes back.
#[tokio::test]
async fn a_key_that_cannot_be_changed_stays_with_the_options_that_it_had() {
    let scene = Scene::new().await;
    let own = doc! { "name": "conduit_key", "key": { "email": 1 }, "unique": true, "hidden": true };
    make(&scene, &[own]).await;
    let twice = [doc! { "id": 1, "email": 1 }, doc! { "id": 1, "email": 2 }];
    scene.collection("users").insert_many(twice).await.unwrap();
    let error = refused(&scene, &whole()).await;
    assert_eq!(fault(&error), (AdminErrorKind::Conflict, Some(AdminField::Key)));
    scene.drop().await;
}

/// What only the server knows is found late: all that came before is undone.
#[tokio::test]
async fn what_was_done_before_the_server_refused_is_undone() {
    let scene = Scene::new().await;
    make(&scene, &[index("mine", "x")]).await;
    for field in ["_id", "$exp"] {
        let layout = CollectionLayout {
            ttl_attribute: Some(field.into()),
            ..whole()
        };
        let error = refused(&scene, &layout).await;
        assert_eq!(error.field(), Some(AdminField::TimeToLive), "{error:?}");
    }
    scene.drop().await;
}

#[tokio::test]
async fn an_expiry_comes_back_when_the_server_refuses_the_next_one() {
    let scene = Scene::new().await;
    let own = doc! { "name": "conduit_ttl", "key": { "t1": 1 }, "expireAfterSeconds": 60 };
    make(&scene, &[own]).await;
    let layout = CollectionLayout {
        ttl_attribute: Some("$exp".into()),
        ..whole()
    };
    let error = refused(&scene, &layout).await;
    let expected = (AdminErrorKind::InvalidInput, Some(AdminField::TimeToLive));
    assert_eq!(fault(&error), expected);
    scene.drop().await;
}

#[tokio::test]
async fn a_collection_that_was_created_goes_again() {
    let scene = Scene::new().await;
    let layout = CollectionLayout {
        ttl_attribute: Some("$exp".into()),
        ..whole()
    };
    let error = refused(&scene, &layout).await;
    assert_eq!(error.field(), Some(AdminField::TimeToLive), "{error:?}");
    // Nothing stands in the way of the right one.
    let admin = CollectionAdmin::new(scene.database.clone());
    assert_eq!(admin.create_or_adopt(&whole()).await.unwrap(), Origin::Created);
    scene.drop().await;
}

#[tokio::test]
async fn a_key_of_the_id_needs_no_index() {
    let scene = Scene::new().await;
    let layout = CollectionLayout {
        key_fields: vec!["_id".into()],
        ttl_attribute: None,
        ..whole()
    };
    let admin = CollectionAdmin::new(scene.database.clone());
    for origin in [Origin::Created, Origin::Adopted] {
        assert_eq!(admin.create_or_adopt(&layout).await.unwrap(), origin);
        assert_eq!(
            everything(&scene).await.len(),
            2,
            "the collection and the index of _id"
        );
    }
    scene.drop().await;
}

#[tokio::test]
async fn a_view_and_a_name_that_is_not_taken_are_faults_of_the_name() {
    let scene = Scene::new().await;
    let view = doc! { "create": "view", "viewOn": "x", "pipeline": [] };
    scene.database.run_command(view).await.unwrap();
    let admin = CollectionAdmin::new(scene.database.clone());
    for name in ["view", "a$b"] {
        let layout = CollectionLayout {
            name: CollectionName::new(name).unwrap(),
            ..whole()
        };
        let error = admin.create_or_adopt(&layout).await.err().unwrap();
        assert_eq!(error.field(), Some(AdminField::Name), "{error:?}");
    }
    scene.drop().await;
}
