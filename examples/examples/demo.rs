//! The demonstration behind `make demo`: a receiver and a writer around a running Conduit.
//!
//! Configures a collection over the REST API, writes to it, and prints each record as it arrives. With `--once` it writes
//! one document's life (insert, update, delete), checks that every record came with its images, and exits.

use std::env::var;
use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use bson::{Document, doc};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const COLLECTION: &str = "demo_orders";
/// How long a record may take to arrive before the demonstration has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    let conduit = var("CONDUIT_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let database = var("MONGODB_DATABASE").unwrap_or_else(|_| "conduit".to_owned());
    let client = mongodb::Client::with_uri_str(var("MONGODB_URI")?).await?;
    let orders = client.database(&database).collection::<Document>(COLLECTION);

    let (endpoint, mut records) = start_receiver().await?;
    configure(&conduit, &endpoint).await?;
    println!("Collection {COLLECTION} is watched; its records go to {endpoint}");
    let result = tokio::select! {
        result = live(&orders, &mut records, once) => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let protection = json!({ "deletion_protection": false });
    call(
        &conduit,
        "PATCH",
        &format!("/api/collections/{COLLECTION}"),
        Some(&protection),
    )
    .await?;
    call(
        &conduit,
        "DELETE",
        &format!("/api/collections/{COLLECTION}"),
        None,
    )
    .await?;
    result
}

async fn start_receiver() -> Result<(String, mpsc::Receiver<Value>), Box<dyn Error>> {
    let (arrived, records) = mpsc::channel(1000);
    let receive = post(move |body: Bytes| async move {
        let Ok(record) = serde_json::from_slice::<Value>(&body) else {
            return StatusCode::BAD_REQUEST;
        };
        match arrived.send(record).await {
            Ok(()) => StatusCode::NO_CONTENT,
            Err(_closed) => StatusCode::SERVICE_UNAVAILABLE,
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}/", listener.local_addr()?);
    // Lives as long as the program.
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", receive)).await });
    Ok((endpoint, records))
}

async fn configure(conduit: &str, endpoint: &str) -> Result<(), Box<dyn Error>> {
    let destination = json!({ "id": "demo", "type": "http", "endpoint": endpoint });
    let collection = json!({
        "collection_name": COLLECTION, "stream_enabled": true, "old_image": true, "destinations": [destination],
    });
    let (status, answer) = call(conduit, "POST", "/api/collections", Some(&collection)).await?;
    match status {
        StatusCode::CREATED => Ok(()),
        // Left from a demonstration that was interrupted.
        StatusCode::CONFLICT => {
            let path = format!("/api/collections/{COLLECTION}?discard=true");
            let (status, answer) = call(conduit, "PUT", &path, Some(&collection)).await?;
            if status.is_success() {
                Ok(())
            } else {
                Err(format!("PUT answered {status}: {answer}").into())
            }
        }
        _ => Err(format!("POST /api/collections answered {status}: {answer}").into()),
    }
}

async fn call(
    conduit: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, String), Box<dyn Error>> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut request = axum::http::Request::builder()
        .method(method)
        .uri(format!("{conduit}{path}"))
        .header("content-type", "application/json");
    if let Ok(token) = var("CONDUIT_API_TOKEN") {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = client
        .request(request.body(Full::new(Bytes::from(body)))?)
        .await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

async fn live(
    orders: &mongodb::Collection<Document>,
    records: &mut mpsc::Receiver<Value>,
    once: bool,
) -> Result<(), Box<dyn Error>> {
    for number in 1.. {
        let id = format!("order-{number}");
        orders
            .insert_one(doc! { "_id": &id, "status": "new", "total": 12.5 * f64::from(number) })
            .await?;
        orders
            .update_one(doc! { "_id": &id }, doc! { "$set": { "status": "paid" } })
            .await?;
        orders.delete_one(doc! { "_id": &id }).await?;
        for (kind, new_status, old_status) in [
            ("INSERT", Some("new"), None),
            ("MODIFY", Some("paid"), Some("new")),
            ("REMOVE", None, Some("paid")),
        ] {
            let record = next(records, &id).await?;
            println!("{record}");
            let seen = (
                &record["recordType"],
                record["newImage"]["status"].as_str(),
                record["oldImage"]["status"].as_str(),
            );
            if seen != (&json!(kind), new_status, old_status) {
                return Err(format!(
                    "expected {kind} with images {new_status:?} and {old_status:?}, got {record}"
                )
                .into());
            }
        }
        if once {
            println!("All 3 records came, in order, with their images.");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Ok(())
}

/// The next record of this document; others may be left from an interrupted demonstration.
async fn next(records: &mut mpsc::Receiver<Value>, id: &str) -> Result<Value, Box<dyn Error>> {
    let wanted = async {
        while let Some(record) = records.recv().await {
            if record["keys"]["_id"] == id {
                return Some(record);
            }
        }
        None
    };
    let arrived = tokio::time::timeout(PATIENCE, wanted).await;
    let arrived = arrived.map_err(|_| format!("no record of {id} within {} s", PATIENCE.as_secs()))?;
    arrived.ok_or_else(|| "the receiver ended".into())
}
