use bson::{Document, doc};
use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::json;

use super::examined::Examined;
use crate::harness::{World, insert, streaming};

#[tokio::test(flavor = "multi_thread")]
async fn images_and_indexes_that_somebody_took_away_are_to_be_made_again() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let server = world.start("run").await;
    let mut body = streaming("orders", &receiver);
    body["old_image"] = json!(true);
    body["primary_key"] = json!("number");
    server.api.create(body).await;

    // Images.
    let off = doc! { "collMod": "orders", "changeStreamPreAndPostImages": { "enabled": false } };
    world.database.run_command(off).await.unwrap();
    let examined = Examined::of(&world, &[]).await;
    examined.expect(
        "collection orders",
        "failed",
        "curl -X PATCH \"$CONDUIT_URL/api/collections/orders\"",
    );
    examined.expect(
        "collection orders",
        "failed",
        "\"collMod\":\"orders\",\"changeStreamPreAndPostImages\":{\"enabled\":true}",
    );

    // The cure is one.
    server.api.patch("orders", json!({})).await;
    assert_eq!(
        Examined::of(&world, &[]).await.check("collection orders")["verdict"],
        "ok"
    );

    // An index.
    world
        .collection("orders")
        .drop_index("conduit_key")
        .await
        .unwrap();
    let examined = Examined::of(&world, &[]).await;
    examined.expect("collection orders", "failed", "\"createIndexes\":\"orders\"");

    // The whole collection.
    world.collection("orders").drop().await.unwrap();
    let examined = Examined::of(&world, &[]).await;
    examined.expect("collection orders", "failed", "curl -X PATCH");
    assert!(
        examined.check("collection orders")["found"]
            .as_str()
            .unwrap()
            .contains("not there")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_holds_and_a_missing_worker_are_said() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let server = world.start("run").await;
    let mut body = streaming("orders", &receiver);
    body["destinations"][0]["max_retries"] = json!(0);
    body["destinations"][0]["bearer_token"] = json!("t0ken-of-the-destination");
    server.api.create(body).await;

    // A record that is refused for ever is a dead letter.
    receiver.answer_with(|_| Answer::Status(422));
    insert(&world.collection("orders"), "a", 1).await;
    server
        .api
        .until_status("orders", "d", |d| d["dlq_length"] == 1)
        .await;
    let examined = Examined::of(&world, &[]).await;
    examined.expect("dead letters", "warning", "conduit dlq redrive orders");

    // A destination that fails as a whole is held.
    receiver.answer_with(|_| Answer::Status(503));
    let more: Vec<Document> = (0..50).map(|id| doc! { "_id": id }).collect();
    world.collection("orders").insert_many(more).await.unwrap();
    server
        .api
        .until_status("orders", "d", |d| d["state"] == "holding")
        .await;
    let examined = Examined::of(&world, &[]).await;
    examined.expect("stream orders/d", "failed", "Mend the destination");

    // A secret that lies in the database as it is, is said and not shown.
    examined.expect("secrets", "warning", "Set CONDUIT_SECRET_KEY");
    assert!(!examined.text.contains("t0ken-of-the-destination"));

    // Nobody works.
    assert!(server.stop().await.success());
    let examined = Examined::of(&world, &[]).await;
    examined.expect("workers", "warning", "conduit-server worker");
    examined.expect("dead letters", "warning", "conduit dlq list orders");
}
