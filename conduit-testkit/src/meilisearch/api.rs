//! The requests that the stub understands, and its answers.

use serde_json::{Map, Value, json};

use super::store::{Index, Store};
use super::{API_KEY, Work};
use crate::receiver::{Answer, Received};

/// How many documents are listed if the request does not say.
const DEFAULT_LIMIT: usize = 20;

/// Does what a request asks for.
pub(super) fn served(store: &mut Store, request: &Received, max_payload: Option<usize>) -> Answer {
    match request.header("authorization") {
        None => return refusal(401, "missing_authorization_header", "auth"),
        Some(sent) if sent.strip_prefix("Bearer ") != Some(API_KEY) => {
            return refusal(403, "invalid_api_key", "auth");
        }
        Some(_) => {}
    }
    if max_payload.is_some_and(|max| request.body().len() > max) {
        return refusal(413, "payload_too_large", "invalid_request");
    }
    store.advance();
    let target = request.target();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let answer = match (request.method(), &*path) {
        ("GET", ["tasks", uid]) => task(store, uid),
        ("POST", ["indexes"]) => create(store, request.json()),
        ("GET", ["indexes", name]) => of_index(store, name, |index| {
            json!({
                "uid": name, "primaryKey": index.primary_key,
                "createdAt": index.created_at, "updatedAt": index.created_at,
            })
        }),
        ("DELETE", ["indexes", name]) => enqueued(store, name, Work::DeleteIndex),
        ("GET", ["indexes", name, "settings"]) => {
            of_index(store, name, |index| Value::Object(index.settings.clone()))
        }
        ("PATCH", ["indexes", name, "settings"]) => settings(store, name, request.json()),
        ("GET", ["indexes", name, "documents"]) => of_index(store, name, |index| page(index, query)),
        ("POST", ["indexes", name, "documents"]) => put(store, name, query, request),
        ("POST", ["indexes", name, "documents", "delete-batch"]) => {
            match serde_json::from_slice::<Vec<String>>(request.body()) {
                Ok(ids) => enqueued(store, name, Work::Delete(ids)),
                Err(_) => refusal(400, "malformed_payload", "invalid_request"),
            }
        }
        _ => Answer::Status(404),
    };
    store.advance();
    answer
}

fn task(store: &Store, uid: &str) -> Answer {
    let Ok(uid) = uid.parse::<usize>() else {
        return refusal(400, "invalid_task_uids", "invalid_request");
    };
    match store.tasks.get(uid).filter(|task| !task.is_forgotten) {
        Some(task) => ok(&task.shown(uid)),
        None => refusal(404, "task_not_found", "invalid_request"),
    }
}

fn of_index(store: &Store, name: &str, show: impl Fn(&Index) -> Value) -> Answer {
    match store.indexes.get(name) {
        Some(index) => ok(&show(index)),
        None => refusal(404, "index_not_found", "invalid_request"),
    }
}

fn page(index: &Index, query: &str) -> Value {
    let asked = |name: &str| {
        let values = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut value = values.filter(|(own, _)| *own == name).map(|(_, value)| value);
        value.next()?.parse::<usize>().ok()
    };
    let (offset, limit) = (
        asked("offset").unwrap_or(0),
        asked("limit").unwrap_or(DEFAULT_LIMIT),
    );
    let results: Vec<&Value> = index.documents.values().skip(offset).take(limit).collect();
    json!({ "results": results, "offset": offset, "limit": limit, "total": index.documents.len() })
}

fn create(store: &mut Store, body: &Value) -> Answer {
    let Some(name) = body["uid"].as_str() else {
        return refusal(400, "missing_index_uid", "invalid_request");
    };
    let primary_key = body["primaryKey"].as_str().map(str::to_owned);
    enqueued(store, name, Work::CreateIndex(primary_key))
}

fn settings(store: &mut Store, name: &str, body: &Value) -> Answer {
    let known = [
        "rankingRules",
        "searchableAttributes",
        "sortableAttributes",
        "synonyms",
        "embedders",
    ];
    let Value::Object(given) = body else {
        return refusal(400, "malformed_payload", "invalid_request");
    };
    if given.keys().any(|name| !known.contains(&&**name)) {
        return refusal(400, "bad_request", "invalid_request");
    }
    if given.get("rankingRules").is_some_and(|rules| !rules.is_array()) {
        return refusal(400, "invalid_settings_ranking_rules", "invalid_request");
    }
    enqueued(store, name, Work::Settings(given.clone()))
}

fn put(store: &mut Store, name: &str, query: &str, request: &Received) -> Answer {
    let primary_key = query.strip_prefix("primaryKey=").map(str::to_owned);
    match serde_json::from_slice::<Vec<Map<String, Value>>>(request.body()) {
        Ok(documents) => {
            let documents = documents.into_iter().map(Value::Object).collect();
            let work = Work::Put {
                documents,
                primary_key,
            };
            enqueued(store, name, work)
        }
        Err(_) => refusal(400, "malformed_payload", "invalid_request"),
    }
}

fn enqueued(store: &mut Store, index: &str, work: Work) -> Answer {
    let kind = work.kind();
    let uid = store.enqueue(index, work);
    let body = json!({
        "taskUid": uid, "indexUid": index, "status": "enqueued", "type": kind,
        "enqueuedAt": "2026-10-23T18:04:07.402Z",
    });
    Answer::with_body(202, body.to_string())
}

fn ok(body: &Value) -> Answer {
    Answer::with_body(200, body.to_string())
}

/// Makes an error as Meilisearch answers it, by its `code` and `type` (`class`). The server's own message can quote what
/// was sent, so this one holds `s3cret-contents`, which a sink must not show.
#[must_use]
pub fn refusal(status: u16, code: &str, class: &str) -> Answer {
    let body = json!({
        "message": "Unexpected value: s3cret-contents",
        "code": code,
        "type": class,
        "link": format!("https://docs.meilisearch.com/errors#{code}"),
    });
    Answer::with_body(status, body.to_string())
}
