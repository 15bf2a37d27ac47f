use bson::doc;
use conduit_testkit::receiver::{Answer, Receiver};
use serde_json::json;

use super::program::Cli;
use crate::harness::{Server, World, insert};

/// A server, and a file `conduit.yaml` with a collection that has two destinations.
async fn scene(receiver: &Receiver) -> (World, Server, Cli) {
    let world = World::new().await;
    let server = world
        .start_with(
            "run",
            &[("CONDUIT_FILE_DIR", world.folder.path().to_str().unwrap())],
        )
        .await;
    let cli = Cli::of(&server, world.folder.path());
    cli.write("conduit.yaml", &file(receiver));
    (world, server, cli)
}

fn file(receiver: &Receiver) -> String {
    format!(
        "\
collections:
  - collection_name: orders
    stream_enabled: true
    ttl_attribute: expires
    destinations:
      - id: hook
        type: http
        endpoint: {}
        bearer_token: first-secret
        max_retries: 0
        filter_criteria:
          new_image:
            value: [{{numeric: [\">=\", -1.50]}}]
      - {{id: lines, type: file, path: lines.ndjson, event_types: [DELETE, INSERT]}}
  - collection_name: users
",
        receiver.url()
    )
}

/// The version of a stored configuration, which every write moves.
async fn version(world: &World, name: &str) -> i64 {
    let catalog = world.collection("config.collections");
    let entry = catalog.find_one(doc! {"_id": name}).await.unwrap().unwrap();
    entry.get_i64("version").unwrap()
}

const CREATION: &str = r#"orders: create
    + stream_enabled: true
    + old_image: false
    + ttl_attribute: "expires"
    + deletion_protection: true
    + image_format: "json"
    + destinations[hook]: {id: "hook", type: "http", event_types: ["INSERT", "MODIFY", "REMOVE"], filter_criteria: {new_image: {value: [{numeric: [">=", -1.5]}]}}, max_retries: 0, format: "conduit", endpoint: "ENDPOINT", bearer_token: ********, timeout: "30s"}
    + destinations[lines]: {id: "lines", type: "file", event_types: ["INSERT", "REMOVE"], max_retries: 5, format: "conduit", path: "lines.ndjson"}
  MongoDB: create the collection orders
  MongoDB: make the index conduit_ttl of orders over expires
  => MongoDB deletes documents whose expires is a date in the past, also those that are there already
  => hook: starts now: it gets what is written from now on
  => lines: starts now: it gets what is written from now on
users: create
    + stream_enabled: false
    + old_image: false
    + deletion_protection: true
    + image_format: "json"
  MongoDB: create the collection users
Plan: 2 to create, 0 to change, 0 to delete, 0 unchanged.
"#;

const NOTHING: &str = "\
orders: unchanged
users: unchanged
Plan: 0 to create, 0 to change, 0 to delete, 2 unchanged.
";

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_applied_twice_changes_nothing_the_second_time() {
    let receiver = Receiver::start().await;
    let (world, server, cli) = scene(&receiver).await;
    let plan = CREATION.replace("ENDPOINT", &format!("{}/", receiver.url()));
    // Looked at only, nothing is there afterwards.
    assert_eq!(cli.out(&["apply", "-f", "conduit.yaml", "--dry-run"]).await, plan);
    assert_eq!(server.api.get("/api/collections").await, json!([]));
    assert!(
        !world
            .database
            .list_collection_names()
            .await
            .unwrap()
            .contains(&"orders".to_owned())
    );
    assert_eq!(server.api.get("/api/collections").await, json!([]));

    // A script is not asked.
    let out = cli.out(&["apply", "-f", "conduit.yaml"]).await;
    assert_eq!(out, format!("{plan}orders: created\nusers: created\n"));
    let versions = (version(&world, "orders").await, version(&world, "users").await);
    assert_eq!(cli.out(&["apply", "-f", "conduit.yaml", "--yes"]).await, NOTHING);
    assert_eq!(
        versions,
        (version(&world, "orders").await, version(&world, "users").await)
    );

    insert(&world.collection("orders"), "a", 7).await;
    let received = receiver.wait_for(1).await;

    assert_eq!(received[0].header("authorization"), Some("Bearer first-secret"));
    server.kill().await;
}

/// The file's text with some of it replaced, and what the plan has to say of it.
const EDITS: [(&str, &str, &str); 9] = [
    (
        "first-secret",
        "second-secret",
        "    ~ destinations[hook].bearer_token: ******** -> another secret\n  \
         => hook: keeps its position and 0 waiting records\n",
    ),
    (
        "      - id: hook\n        type: http\n",
        "      - {id: more, type: stdout}\n      - id: hook\n        type: http\n",
        "    + destinations[more]: {id: \"more\", type: \"stdout\", event_types: [\"INSERT\", \"MODIFY\", \"REMOVE\"], \
         max_retries: 5, format: \"conduit\"}\n  => more: starts now: it gets what is written from now on\n",
    ),
    (
        "path: lines.ndjson",
        "path: other.ndjson",
        "    ~ destinations[lines].path: \"lines.ndjson\" -> \"other.ndjson\"\n  \
         => lines: keeps its position; 0 waiting records and what follows go to the new target\n",
    ),
    (
        "max_retries: 0",
        "max_retries: 3",
        "    ~ destinations[hook].max_retries: 0 -> 3\n  => hook: keeps its position and 0 waiting records\n",
    ),
    (
        "    stream_enabled: true\n",
        "",
        "    ~ stream_enabled: true -> false\n  \
         => hook: loses its position and 0 waiting records; 1 dead records are kept\n  \
         => lines: loses its position and 0 waiting records; 0 dead records are kept\n",
    ),
    (
        "ttl_attribute: expires",
        "ttl_attribute: ends",
        "    ~ ttl_attribute: \"expires\" -> \"ends\"\n  MongoDB: drop the index conduit_ttl of orders\n  \
         MongoDB: make the index conduit_ttl of orders over ends\n  \
         => MongoDB deletes documents whose ends is a date in the past, also those that are there already\n",
    ),
    (
        "    ttl_attribute: expires\n",
        "    ttl_attribute: expires\n    deletion_protection: false\n    old_image: true\n",
        "    ~ old_image: false -> true\n    ~ deletion_protection: true -> false\n  \
         MongoDB: turn on stored images of orders\n  \
         => records of changes from now on have old images; earlier ones have none\n  \
         => the collection can be deleted from now on\n",
    ),
    (
        "      - {id: lines, type: file, path: lines.ndjson, event_types: [DELETE, INSERT]}\n",
        "",
        "    - destinations[lines]: {id: \"lines\", type: \"file\", event_types: [\"INSERT\", \"REMOVE\"], max_retries: 5, \
         format: \"conduit\", path: \"lines.ndjson\"}\n  \
         => lines: is removed and loses its position; none of its records waits or is dead\n",
    ),
    (
        "id: hook\n",
        "id: web\n",
        "  => web: starts now: it gets what is written from now on\n  \
         => hook: is removed and loses its position: 0 waiting and 1 dead records vanish\n  \
         undelivered records would vanish: needs --discard\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_shows_exactly_its_consequence() {
    let receiver = Receiver::start().await;
    receiver.answer_with(|_| Answer::Status(400));
    let (world, server, cli) = scene(&receiver).await;
    cli.out(&["apply", "-f", "conduit.yaml", "--yes"]).await;
    insert(&world.collection("orders"), "a", 7).await;
    server
        .api
        .until_status("orders", "hook", |status| status["dlq_length"] == 1)
        .await;
    let whole = file(&receiver);
    for (before, after, consequence) in EDITS {
        assert!(whole.contains(before), "{before}");
        cli.write("edited.yaml", &whole.replacen(before, after, 1));
        let out = cli.out(&["apply", "-f", "edited.yaml", "--dry-run"]).await;
        // Of a destination that goes with another coming the fields are those of the others above.
        let shown: String = match consequence.starts_with("  =>") {
            true => out
                .split_inclusive('\n')
                .filter(|line| !line.starts_with("    "))
                .collect(),
            false => out,
        };
        let wanted = format!(
            "orders: change\n{consequence}users: unchanged\nPlan: 0 to create, 1 to change, 0 to delete, 1 unchanged.\n"
        );
        assert_eq!(shown, wanted);
    }
    // None of that was done.
    assert_eq!(cli.out(&["apply", "-f", "conduit.yaml", "--yes"]).await, NOTHING);

    // What would vanish is not let vanish but on demand.
    cli.write("edited.yaml", &whole.replacen("id: hook\n", "id: web\n", 1));
    let refused = cli.run(&["apply", "-f", "edited.yaml", "--yes"]).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("or repeat with --discard"),
        "{}",
        refused.err
    );
    let out = cli
        .out(&["apply", "-f", "edited.yaml", "--yes", "--discard"])
        .await;
    assert!(out.ends_with("orders: changed\n"), "{out}");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_if_a_part_of_it_would_be_refused() {
    let receiver = Receiver::start().await;
    let (_world, server, cli) = scene(&receiver).await;
    cli.out(&["apply", "-f", "conduit.yaml", "--yes"]).await;
    cli.write(
        "bad.yaml",
        "\
collections:
  - collection_name: fine
  - collection_name: users
    primary_key: id
  - collection_name: orders
    destinations:
      - type: htpt
      - type: http
        endpoint: ftp://nowhere
",
    );
    let run = cli.run(&["apply", "-f", "bad.yaml", "--yes"]).await;
    assert_eq!(run.code, 1);
    let wanted = "\
users: refused
  primary_key and sort_key cannot be changed: create another collection (bad.yaml, line 3)
orders: refused
  the server finds 2 faults (bad.yaml, line 5)
    line 7: destinations[0].type: unknown type \"htpt\": this server has \"http\", \"eventbridge\", \"meilisearch\", \"stdout\", \
\"file\"
    line 9: destinations[1].endpoint: must be an http or https URL
Plan: 1 to create, 0 to change, 0 to delete, 0 unchanged, 2 refused.
";
    assert!(run.out.ends_with(wanted), "{}", run.out);
    let wanted = "conduit: 2 of the collections cannot be as the files say; nothing was changed\n";
    assert_eq!(run.err, wanted);
    server.api.expect(404, "GET", "/api/collections/fine", None).await;

    // For scripts, the same in JSON.
    let run = cli.run(&["apply", "-f", "bad.yaml", "--yes", "--json"]).await;
    let plan: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let of = |index: usize| &plan["collections"][index];
    assert_eq!(
        (run.code, &of(0)["action"], &of(0)["outcome"]),
        (1, &json!("create"), &json!(null))
    );
    assert_eq!(of(2)["errors"][1]["field"], "destinations[1].endpoint");
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_no_file_goes_only_if_told_and_never_its_documents() {
    let receiver = Receiver::start().await;
    let (world, server, cli) = scene(&receiver).await;
    cli.out(&["apply", "-f", "conduit.yaml", "--yes"]).await;
    insert(&world.collection("orders"), "a", 7).await;
    cli.write("users.yaml", "collections: [{collection_name: users}]");
    let out = cli.out(&["apply", "-f", "users.yaml", "--yes"]).await;
    assert!(
        out.starts_with("users: unchanged\nPlan: 0 to create, 0 to change, 0 to delete, 1 "),
        "{out}"
    );

    let protected = cli.run(&["apply", "-f", "users.yaml", "--yes", "--prune"]).await;
    assert_eq!(protected.code, 1);
    let wanted = "deletion protection is on, and the collection is in no file";
    assert!(protected.out.contains(wanted), "{}", protected.out);
    server.api.get("/api/collections/orders").await;

    server
        .api
        .patch("orders", json!({"deletion_protection": false}))
        .await;
    let out = cli.out(&["apply", "-f", "users.yaml", "--yes", "--prune"]).await;
    let wanted = "\
users: unchanged
orders: delete
  => its documents stay in MongoDB
  => hook: loses its position; none of its records waits or is dead
  => lines: loses its position; none of its records waits or is dead
Plan: 0 to create, 0 to change, 1 to delete, 1 unchanged.
orders: deleted
";
    assert_eq!(out, wanted);
    server
        .api
        .expect(404, "GET", "/api/collections/orders", None)
        .await;
    assert_eq!(
        world.collection("orders").count_documents(doc! {}).await.unwrap(),
        1
    );
    server.kill().await;
}
