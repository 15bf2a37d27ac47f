use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::time::timeout;

use super::program::Cli;
use super::stub::{Asked, Stub};
use crate::harness::PATIENCE;

/// A tail that runs, and what it says.
struct Tail {
    process: tokio::process::Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

fn start(stub: &Stub, args: &[&str]) -> (Tail, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut process = Cli::at(&stub.url(), folder.path()).command(args).spawn().unwrap();
    let out = BufReader::new(process.stdout.take().unwrap()).lines();
    let err = BufReader::new(process.stderr.take().unwrap()).lines();
    (Tail { process, out, err }, folder)
}

impl Tail {
    async fn line(&mut self) -> String {
        timeout(PATIENCE, self.out.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }

    async fn error(&mut self) -> String {
        timeout(PATIENCE, self.err.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }
}

async fn send(asked: &mut Asked, kind: &str, data: &Value) {
    asked.write(&format!("event: {kind}\ndata: {data}\n\n")).await;
}

fn record(id: i64, outcome: &str) -> Value {
    json!({
        "time": "2026-01-01T00:00:00.000Z", "destination": "d", "outcome": outcome, "attempt": 1, "error": null,
        "record": {"eventID": "e", "recordType": "INSERT", "keys": {"_id": id}, "newImage": {"_id": id, "a": "\u{1b}[2J"}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_shown_as_they_come_and_over_a_new_connection_when_one_breaks() {
    let stub = Stub::start().await;
    let args = [
        "tail",
        "orders",
        "--event-types",
        "INSERT,MODIFY",
        "--destination",
        "d",
    ];
    let (mut tail, _folder) = start(&stub, &args);
    let mut asked = stub.asked().await;
    assert_eq!(
        asked.line,
        "GET /api/collections/orders/tail?event_types=INSERT%2CMODIFY&destination=d HTTP/1.1"
    );
    asked.begin_events().await;
    send(&mut asked, "open", &json!({"collection_name": "orders"})).await;
    send(&mut asked, "record", &record(1, "delivered")).await;
    // The connection goes on: the line is there before it ends. What could steer a terminal is shown as its escape.
    let wanted = r#"2026-01-01T00:00:00.000Z  d  delivered    INSERT {"_id":1} {"_id":1,"a":"\u001b[2J"}"#;
    assert_eq!(tail.line().await, wanted);
    asked.write(": \n\n").await;
    send(&mut asked, "missed", &json!({"count": 3})).await;
    assert_eq!(
        tail.error().await,
        "conduit: 3 records were not shown: they came too fast"
    );
    // It breaks in the middle of an event, which is not shown.
    asked.write("event: record\ndata: {\"ti").await;
    drop(asked);
    let told = tail.error().await;
    let wanted = "connecting again in 1 s: what happens meanwhile is not shown";
    assert!(told.starts_with("conduit: ") && told.ends_with(wanted), "{told}");

    let mut asked = stub.asked().await;
    asked.begin_events().await;
    send(&mut asked, "open", &json!({"collection_name": "orders"})).await;
    assert_eq!(tail.error().await, "conduit: connected again");
    send(&mut asked, "record", &record(2, "filtered")).await;
    assert!(tail.line().await.contains(r#"filtered     INSERT {"_id":2}"#));
    drop(asked);
    // Once the collection is gone there is nothing to wait for.
    tail.error().await;
    let problem =
        json!({"status": 404, "code": "collection_not_found", "detail": "no collection is configured"});
    stub.asked().await.answer(404, &problem.to_string()).await;
    assert_eq!(tail.error().await, "conduit: no collection is configured");
    assert_eq!(tail.process.wait().await.unwrap().code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_get_a_line_of_json_for_each_event() {
    let stub = Stub::start().await;
    let (mut tail, _folder) = start(&stub, &["tail", "orders", "--json"]);
    let mut asked = stub.asked().await;
    asked.begin_events().await;
    send(&mut asked, "open", &json!({"collection_name": "orders"})).await;
    send(&mut asked, "record", &record(1, "delivered")).await;
    let line: Value = serde_json::from_str(&tail.line().await).unwrap();
    assert_eq!(line, record(1, "delivered"));
    send(&mut asked, "missed", &json!({"count": 3})).await;
    assert_eq!(tail.line().await, r#"{"missed":3}"#);
}
