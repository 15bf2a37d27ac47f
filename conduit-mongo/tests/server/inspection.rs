//! What is asked without changing anything.

use bson::doc;
use conduit_core::CollectionName;
use conduit_mongo::{CollectionAdmin, CollectionLayout, DeploymentKind, StoredImages, observe_deployment};
use conduit_testkit::servers::shared_mongodb_uri;

use crate::scene::{PATIENCE, Scene};

fn layout(key_fields: &[&str], images: StoredImages) -> CollectionLayout {
    CollectionLayout {
        key_fields: key_fields.iter().map(|&field| field.to_owned()).collect(),
        images,
        ..CollectionLayout::new(CollectionName::new("users").unwrap())
    }
}

#[tokio::test]
async fn what_would_be_changed_is_told_and_not_done() {
    let scene = Scene::new().await;
    let admin = CollectionAdmin::new(scene.database.clone());
    let (plain, wanted) = (layout(&[], StoredImages::Keep), layout(&["id"], StoredImages::On));
    assert_eq!(admin.differences(&wanted).await.unwrap(), None);
    admin.create_or_adopt(&plain).await.unwrap();
    let told = admin.differences(&wanted).await.unwrap().unwrap();
    let whats: Vec<&str> = told.iter().map(|difference| difference.what.as_str()).collect();
    assert_eq!(
        whats,
        [
            "make the index conduit_key of users over id",
            "turn on stored images of users"
        ]
    );
    assert_eq!(admin.differences(&wanted).await.unwrap().unwrap(), told);
    // The commands are all that is left to do.
    for difference in told {
        scene.database.run_command(difference.command).await.unwrap();
    }
    assert_eq!(admin.differences(&wanted).await.unwrap(), Some(Vec::new()));
}

#[tokio::test]
async fn a_deployment_its_history_and_rights_are_asked_for() {
    let scene = Scene::new().await;
    let admin = CollectionAdmin::new(scene.database.clone());
    let deployment = observe_deployment(shared_mongodb_uri().await, PATIENCE)
        .await
        .unwrap();
    assert_eq!(deployment.kind, DeploymentKind::ReplicaSet);
    assert!(deployment.primary.is_some() && deployment.arbiters.is_empty());
    let health = admin.set_health().await.unwrap();
    assert_eq!(
        (health.data_bearing, health.healthy, health.write_majority),
        (1, 1, 1)
    );
    scene
        .database
        .run_command(doc! { "create": "users" })
        .await
        .unwrap();
    let now = admin.operation_time().await.unwrap();
    let history = admin.history().await.unwrap();
    assert!(history.oldest <= now && history.newest >= now);
    assert!(history.bytes.is_some() && history.max_bytes.is_some());
    admin.try_change_stream().await.unwrap();
    assert_eq!(admin.privileges().await.unwrap().user(), None);
}
