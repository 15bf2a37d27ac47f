//! Documents of updates, which are looked up by the stream and not by the server.

use bson::{Bson, Decimal128, Document, doc};
use conduit_core::{BatchLimits, WatchTarget};
use mongodb::Collection;

use crate::scene::{LIMITS, Scene, json, lines, target};

/// Has the server note every operation on the scene's database from now on.
async fn profile(scene: &Scene) {
    let command = doc! { "profile": 2 };
    scene.database.run_command(command).await.unwrap();
}

/// How many finds there were on a collection since `profile`.
async fn finds(scene: &Scene, name: &str) -> u64 {
    let namespace = format!("{}.{name}", scene.database.name());
    let filter = doc! { "ns": namespace, "command.find": name };
    let profile = scene.collection("system.profile");
    profile.count_documents(filter).await.unwrap()
}

async fn insert(documents: &Collection<Document>, count: i32) {
    let all = (0..count).map(|id| doc! { "_id": id });
    documents.insert_many(all).await.unwrap();
}

async fn update(documents: &Collection<Document>, id: impl Into<Bson>, n: i32) {
    let change = doc! { "$set": { "n": n } };
    let result = documents.update_one(doc! { "_id": id.into() }, change).await;
    assert_eq!(result.unwrap().modified_count, 1);
}

#[tokio::test]
async fn many_updates_take_few_finds() {
    let scene = Scene::new().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        insert(&scene.collection(name), 300).await;
    }
    let start = scene.now().await;
    for name in names {
        let all = scene.collection(name);
        all.update_many(doc! {}, doc! { "$set": { "n": name } })
            .await
            .unwrap();
    }
    profile(&scene).await;
    let records = scene.open(&names.map(target), &start).await.records(1800).await;
    for (index, record) in records.iter().enumerate() {
        let (name, id) = (names[index / 300], index % 300);
        assert_eq!(record.collection().as_str(), name);
        assert_eq!(
            json(record)["newImage"],
            serde_json::json!({ "_id": id, "n": name })
        );
    }
    let mut all = 0;
    for name in names {
        all += finds(&scene, name).await;
    }
    assert!((6..=8).contains(&all), "{all} finds");
    scene.drop().await;
}

#[tokio::test]
async fn many_updates_of_a_document_take_one_find() {
    let scene = Scene::new().await;
    let orders = scene.collection("orders");
    insert(&orders, 2).await;
    let start = scene.now().await;
    for n in 1..=200 {
        update(&orders, n % 2, n).await;
    }
    profile(&scene).await;
    let records = scene.read(&target("orders"), &start, 200).await;
    for (n, record) in (1..=200).zip(&records) {
        let last = if n % 2 == 0 { 200 } else { 199 };
        assert_eq!(
            json(record)["newImage"],
            serde_json::json!({ "_id": n % 2, "n": last })
        );
    }
    assert_eq!(finds(&scene, "orders").await, 1);
    scene.drop().await;
}

#[tokio::test]
async fn an_image_is_never_older_than_its_change() {
    let scene = Scene::new().await;
    let orders = scene.collection("orders");
    insert(&orders, 1).await;
    let mut reading = scene.open(&[target("orders")], &scene.now().await).await;
    for n in 1..=100 {
        update(&orders, 0, n).await;
        let records = reading.records(1).await;
        assert_eq!(json(&records[0])["newImage"]["n"], n);
    }
    scene.drop().await;
}

#[tokio::test]
async fn documents_that_are_gone_leave_their_images_out_whatever_else_is_found() {
    let scene = Scene::new().await;
    let orders = scene.collection("orders");
    insert(&orders, 4).await;
    insert(&scene.collection("dropped"), 1).await;
    insert(&scene.collection("renamed"), 1).await;
    let start = scene.now().await;
    for id in 0..4 {
        update(&orders, id, 1).await;
    }
    update(&scene.collection("dropped"), 0, 1).await;
    update(&scene.collection("renamed"), 0, 1).await;
    orders.delete_one(doc! { "_id": 1 }).await.unwrap();
    scene.collection("dropped").drop().await.unwrap();
    let name = |name: &str| format!("{}.{name}", scene.database.name());
    let rename = doc! { "renameCollection": name("renamed"), "to": name("else") };
    let admin = scene.database.client().database("admin");
    admin.run_command(rename).await.unwrap();
    // The same document to MongoDB, whose `_id` is of another type.
    orders.delete_one(doc! { "_id": 2 }).await.unwrap();
    orders.insert_one(doc! { "_id": 2.0 }).await.unwrap();
    let targets = ["orders", "dropped", "renamed"].map(target);
    let records = scene.open(&targets, &start).await.records(9).await;
    assert_eq!(
        lines(&records),
        [
            r#"MODIFY {"_id":0} new {"_id":0,"n":1} old -"#,
            r#"MODIFY {"_id":1} new - old -"#,
            r#"MODIFY {"_id":2} new {"_id":2.0} old -"#,
            r#"MODIFY {"_id":3} new {"_id":3,"n":1} old -"#,
            r#"MODIFY {"_id":0} new - old -"#,
            r#"MODIFY {"_id":0} new - old -"#,
            r#"REMOVE {"_id":1} new - old -"#,
            r#"REMOVE {"_id":2} new - old -"#,
            r#"INSERT {"_id":2.0} new {"_id":2.0} old -"#,
        ]
    );
    scene.drop().await;
}

#[tokio::test]
async fn documents_are_found_by_ids_of_every_type() {
    let scene = Scene::new().await;
    let orders = scene.collection("orders");
    let decimal: Decimal128 = "1.50".parse().unwrap();
    let ids: [Bson; 11] = [
        7.into(),
        8i64.into(),
        2.5.into(),
        decimal.into(),
        f64::NAN.into(),
        "x".into(),
        true.into(),
        Bson::Null,
        Bson::MinKey,
        doc! { "a": { "b": 1 } }.into(),
        bson::oid::ObjectId::new().into(),
    ];
    for id in &ids {
        orders.insert_one(doc! { "_id": id }).await.unwrap();
    }
    let start = scene.now().await;
    for id in &ids {
        update(&orders, id.clone(), 1).await;
    }
    let records = scene.read(&target("orders"), &start, ids.len()).await;
    for record in &records {
        assert_eq!(json(record)["newImage"]["n"], 1, "{}", json(record));
    }
    scene.drop().await;
}

/// More than are held at a time: they come in portions, between which a stream can be closed and opened again.
#[tokio::test]
async fn large_documents_come_one_after_the_other_in_their_order() {
    let scene = Scene::new().await;
    let orders = scene.collection("orders");
    let pad = "x".repeat(6 << 20);
    for id in 0..14 {
        orders.insert_one(doc! { "_id": id, "pad": &pad }).await.unwrap();
    }
    insert(&scene.collection("small"), 1).await;
    let start = scene.now().await;
    // The ids are found in their order, and so not those of the first updates first.
    let ids = [13, 3, 12, 2, 0, 11, 1, 4, 10, 9, 5, 8, 6, 7, 13, 3];
    for (n, id) in (0..).zip(ids) {
        update(&orders, id, n).await;
        update(&scene.collection("small"), 0, n).await;
    }
    let targets: [WatchTarget; 2] = ["orders", "small"].map(target);
    let one = BatchLimits {
        max_records: 3,
        max_bytes: 64 << 20,
        ..LIMITS
    };
    let mut reading = scene.open(&targets, &start).await;
    let mut seen = 0;
    while seen < 2 * ids.len() {
        let batch = reading.stream.next_batch(one).await.unwrap();
        for record in &batch.records {
            let image = json(record)["newImage"].clone();
            if seen % 2 == 0 {
                assert_eq!(image["_id"], ids[seen / 2]);
                let last = ids.iter().rposition(|id| *id == ids[seen / 2]).unwrap();
                assert_eq!(image["n"], last);
            } else {
                assert_eq!(record.collection().as_str(), "small");
                assert_eq!(image["n"], 15);
            }
            seen += 1;
        }
        assert!(
            !batch.reached_end || seen == 2 * ids.len(),
            "the end is not after {seen}"
        );
        if seen == 9 {
            reading = scene.open(&targets, &batch.position).await;
        }
    }
    scene.drop().await;
}
