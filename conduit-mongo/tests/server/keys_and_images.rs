//! Key schemas: the key's fields, and changes of them.

use bson::doc;
use conduit_core::{Images, WatchTarget};

use crate::scene::{Scene, lines, target, with_keys};

#[tokio::test]
async fn keys_are_the_key_schemas_fields_and_old_images_are_not_shown() {
    let scene = Scene::new().await;
    let users = scene.collection_with_images("users").await;
    let start = scene.now().await;
    users
        .insert_one(doc! { "_id": 1, "id": "U1", "email": "a" })
        .await
        .unwrap();
    users
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "name": "x" } })
        .await
        .unwrap();
    users.delete_one(doc! { "_id": 1 }).await.unwrap();
    users
        .insert_one(doc! { "_id": 2, "id": "U1", "email": "a" })
        .await
        .unwrap();
    let records = scene.read(&with_keys("users", &["id", "email"]), &start, 4).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"id":"U1","email":"a"} new {"_id":1,"id":"U1","email":"a"} old -"#,
            r#"MODIFY {"id":"U1","email":"a"} new {"_id":1,"id":"U1","email":"a","name":"x"} old -"#,
            r#"REMOVE {"id":"U1","email":"a"} new - old -"#,
            r#"INSERT {"id":"U1","email":"a"} new {"_id":2,"id":"U1","email":"a"} old -"#,
        ]
    );
    // Another document under the same key stays in order with the deleted one.
    assert!(records.iter().all(|record| record.key() == records[0].key()));
    scene.drop().await;
}

#[tokio::test]
async fn a_change_of_the_key_is_a_remove_and_an_insert() {
    let scene = Scene::new().await;
    let users = scene.collection_with_images("users").await;
    let start = scene.now().await;
    users.insert_one(doc! { "_id": 1, "id": 7 }).await.unwrap();
    users
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "id": 8 } })
        .await
        .unwrap();
    let both = WatchTarget {
        images: Images::NewAndOld,
        ..with_keys("users", &["id"])
    };
    let records = scene.read(&both, &start, 3).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"id":7} new {"_id":1,"id":7} old -"#,
            r#"REMOVE {"id":7} new - old {"_id":1,"id":7}"#,
            r#"INSERT {"id":8} new {"_id":1,"id":8} old -"#,
        ]
    );
    let [inserted, removed, renamed] = &records[..] else {
        panic!("three records")
    };
    assert_eq!(removed.key(), inserted.key());
    assert_ne!(renamed.key(), removed.key());
    assert_ne!(renamed.event_id(), removed.event_id());
    assert_eq!(renamed.time(), removed.time());
    assert_eq!(renamed.sequence().token(), removed.sequence().token());
    assert!(removed.sequence().as_str().ends_with("-0") && renamed.sequence().as_str().ends_with("-1"));
    scene.drop().await;
}

#[tokio::test]
async fn a_key_of_the_same_value_in_another_type_is_the_same_key() {
    let scene = Scene::new().await;
    let users = scene.collection_with_images("users").await;
    let start = scene.now().await;
    users.insert_one(doc! { "_id": 1, "id": 7 }).await.unwrap();
    users
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "id": 7.0 } })
        .await
        .unwrap();
    let records = scene.read(&with_keys("users", &["id"]), &start, 2).await;
    assert_eq!(
        lines(&records)[1],
        r#"MODIFY {"id":7.0} new {"_id":1,"id":7.0} old -"#
    );
    assert_eq!(records[0].key(), records[1].key());
    scene.drop().await;
}

#[tokio::test]
async fn without_the_needed_image_the_key_is_the_id() {
    let scene = Scene::new().await;
    let users = scene.collection("users");
    let start = scene.now().await;
    users.insert_one(doc! { "_id": 1, "id": 7 }).await.unwrap();
    users
        .update_one(doc! { "_id": 1 }, doc! { "$set": { "x": 7 } })
        .await
        .unwrap();
    users.delete_one(doc! { "_id": 1 }).await.unwrap();
    let records = scene.read(&with_keys("users", &["id"]), &start, 3).await;
    assert_eq!(
        lines(&records),
        [
            r#"INSERT {"id":7} new {"_id":1,"id":7} old -"#,
            r#"MODIFY {"_id":1} new - old -"#,
            r#"REMOVE {"_id":1} new - old -"#,
        ]
    );
    scene.drop().await;
}

#[tokio::test]
async fn a_change_makes_the_same_record_whatever_the_stream_was_opened_with() {
    let scene = Scene::new().await;
    let start = scene.now().await;
    scene.collection("a").insert_one(doc! { "_id": 1 }).await.unwrap();
    scene.collection("b").insert_one(doc! { "_id": 2 }).await.unwrap();
    let alone = scene.read(&target("b"), &start, 1).await;
    let together = scene
        .open(&[target("a"), target("b")], &start)
        .await
        .records(2)
        .await;
    let with_key = scene.read(&with_keys("b", &["_id"]), &start, 1).await;
    assert_eq!(alone[0].json(), together[1].json());
    assert_eq!(alone[0].json(), with_key[0].json());
    assert_eq!(alone[0].key(), together[1].key());
    scene.drop().await;
}
