use std::sync::Arc;

use conduit_testkit::receiver::{Answer, Received, Receiver};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::program::Cli;

fn dry_run(version: Option<i64>) -> Value {
    json!({
        "action": if version.is_some() { "change" } else { "create" }, "version": version, "config": {},
        "changes": [{"field": "old_image", "from": false, "to": true}], "steps": [], "consequences": [],
        "needs_discard": false,
    })
}

fn answer(code: u16, body: &Value) -> Answer {
    Answer::with_body(code, body.to_string())
}

/// An API with the collections `a` and `b`, at version 7, of which `b` is changed by somebody else after the plan.
fn changed_meanwhile(request: &Received) -> Answer {
    let target = request.target();
    let problem = |status: u16, code: &str| {
        answer(
            status,
            &json!({"status": status, "code": code, "detail": "another version is stored"}),
        )
    };
    match (request.method(), target.as_str()) {
        ("GET", "/api/collections") => {
            answer(200, &json!([{"collection_name": "a"}, {"collection_name": "b"}]))
        }
        ("PUT", target) if target.contains("dry_run=true") => answer(200, &dry_run(Some(7))),
        ("POST", target) if target.contains("dry_run=true") => answer(200, &dry_run(None)),
        ("PUT", "/api/collections/a") => answer(200, &json!({})),
        ("PUT", _) => problem(412, "precondition_failed"),
        _ => problem(500, "not_expected"),
    }
}

fn sent<'a>(received: &'a [Arc<Received>], method: &str) -> Vec<(String, Option<&'a str>)> {
    let ours = received.iter().filter(|request| request.method() == method);
    ours.filter(|request| !request.target().contains("dry_run"))
        .map(|request| (request.target(), request.header("if-match")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_wrote_since_the_plan_is_not_overwritten() {
    let receiver = Receiver::start().await;
    receiver.answer_with(changed_meanwhile);
    let folder = TempDir::new().unwrap();
    let cli = Cli::at(&format!("http://{}", receiver.address()), folder.path());
    cli.write(
        "all.yaml",
        "collections: [{collection_name: a}, {collection_name: b}, {collection_name: c}]",
    );
    let run = cli.run(&["apply", "-f", "all.yaml", "--yes"]).await;
    assert_eq!(run.code, 1);
    assert!(run.out.ends_with("a: changed\n"), "{}", run.out);
    let wanted = "conduit: b failed (done: a; not tried: c): another version is stored\n";
    assert!(run.err.starts_with(wanted), "{}", run.err);
    assert!(run.err.contains("was not overwritten"), "{}", run.err);
    let received = receiver.received();
    let puts = [
        ("/api/collections/a".to_owned(), Some("\"7\"")),
        ("/api/collections/b".to_owned(), Some("\"7\"")),
    ];
    assert_eq!(sent(&received, "PUT"), puts);
    assert_eq!(sent(&received, "POST"), []);

    let run = cli.run(&["apply", "-f", "all.yaml", "--yes", "--json"]).await;
    let told: Value = serde_json::from_str(&run.out).unwrap();
    let outcomes: Vec<&Value> = (0..3)
        .map(|index| &told["collections"][index]["outcome"])
        .collect();
    assert_eq!(outcomes, [&json!("done"), &json!("failed"), &json!("not_tried")]);
}
