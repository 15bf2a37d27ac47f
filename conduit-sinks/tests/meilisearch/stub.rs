//! A server that behaves as Meilisearch's documentation says, and that tests can make fail.

use std::sync::{Arc, Mutex, MutexGuard};

use conduit_testkit::receiver::{Answer, Received, Receiver};
use serde_json::{Map, Value, json};

use crate::stub_store::{Code, Store, Task, Work};

/// The API key of every stub.
pub(crate) const KEY: &str = "t0ken-of-the-sink";

/// Answers a request in the server's place, if it returns something.
type Fault = Box<dyn Fn(&Received) -> Option<(When, Answer)> + Send>;

/// Whether a request whose answer is spoiled has done its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    /// The server has not seen it.
    Before,
    /// It has done its work, and nobody hears of it.
    After,
}

pub(crate) struct Stub {
    pub(crate) receiver: Receiver,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    fault: Mutex<Option<Fault>>,
    max_payload: Mutex<Option<usize>>,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        let receiver = Receiver::start().await;
        let shared = Arc::new(Shared::default());
        let server = Arc::clone(&shared);
        receiver.answer_with(move |request| server.answer(request));
        Self { receiver, shared }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.shared.store.lock().unwrap()
    }

    /// Stops working on tasks: all that come from now on stay enqueued.
    pub(crate) fn hold(&self) {
        let mut store = self.store();
        store.held_from = Some(store.tasks.len());
    }

    /// Works on everything again.
    pub(crate) fn release(&self) {
        self.store().held_from = None;
    }

    /// Refuses the documents that `judge` has a code for.
    pub(crate) fn refuse(&self, judge: impl Fn(&Value) -> Option<Code> + Send + 'static) {
        self.store().judge = Some(Box::new(judge));
    }

    /// Lets `fault` answer requests.
    pub(crate) fn spoil(&self, fault: impl Fn(&Received) -> Option<(When, Answer)> + Send + 'static) {
        *self.shared.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// Takes all faults back.
    pub(crate) fn recover(&self) {
        *self.shared.fault.lock().unwrap() = None;
        let mut store = self.store();
        store.judge = None;
        store.held_from = None;
        store.delay = std::time::Duration::ZERO;
    }

    pub(crate) fn set_max_payload(&self, bytes: usize) {
        *self.shared.max_payload.lock().unwrap() = Some(bytes);
    }

    /// The tasks that came so far.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        self.store().tasks.clone()
    }

    /// How many tasks of documents came so far.
    pub(crate) fn document_tasks(&self) -> usize {
        let is_of_documents = |task: &&Task| matches!(task.work, Work::Put { .. } | Work::Delete(_));
        self.tasks().iter().filter(is_of_documents).count()
    }

    /// Waits until so many tasks of documents have come.
    pub(crate) async fn wait_for_document_tasks(&self, count: usize) {
        let is_of_documents = |target: String| target.contains("/documents");
        self.receiver
            .wait_until(|received| {
                let posts = received.iter().filter(|request| request.method() == "POST");
                posts.filter(|request| is_of_documents(request.target())).count() >= count
            })
            .await;
    }
}

impl Shared {
    fn answer(&self, request: &Received) -> Answer {
        let fault = self.fault.lock().unwrap();
        match fault.as_ref().and_then(|fault| fault(request)) {
            Some((When::Before, answer)) => answer,
            Some((When::After, answer)) => {
                self.served(request);
                answer
            }
            None => self.served(request),
        }
    }

    fn served(&self, request: &Received) -> Answer {
        match request.header("authorization") {
            None => return refusal(401, "missing_authorization_header", "auth"),
            Some(sent) if sent != format!("Bearer {KEY}") => return refusal(403, "invalid_api_key", "auth"),
            Some(_) => {}
        }
        let max_payload = *self.max_payload.lock().unwrap();
        if max_payload.is_some_and(|max| request.body().len() > max) {
            return refusal(413, "payload_too_large", "invalid_request");
        }
        let mut store = self.store.lock().unwrap();
        store.advance();
        let target = request.target();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let answer = match (request.method(), &*path) {
            ("GET", ["tasks", uid]) => task(&store, uid),
            ("POST", ["indexes"]) => create(&mut store, request.json()),
            ("GET", ["indexes", name]) => index(&store, name),
            ("DELETE", ["indexes", name]) => enqueued(&mut store, name, Work::DeleteIndex),
            ("GET", ["indexes", name, "settings"]) => match store.indexes.get(*name) {
                Some(index) => ok(&Value::Object(index.settings.clone())),
                None => refusal(404, "index_not_found", "invalid_request"),
            },
            ("PATCH", ["indexes", name, "settings"]) => settings(&mut store, name, request.json()),
            ("GET", ["indexes", name, "documents"]) => match store.indexes.get(*name) {
                Some(index) => {
                    let documents: Vec<&Value> = index.documents.values().collect();
                    ok(&json!({ "results": documents, "offset": 0, "limit": 1000, "total": documents.len() }))
                }
                None => refusal(404, "index_not_found", "invalid_request"),
            },
            ("POST", ["indexes", name, "documents"]) => put(&mut store, name, query, request),
            ("POST", ["indexes", name, "documents", "delete-batch"]) => {
                match serde_json::from_slice::<Vec<String>>(request.body()) {
                    Ok(ids) => enqueued(&mut store, name, Work::Delete(ids)),
                    Err(_) => refusal(400, "malformed_payload", "invalid_request"),
                }
            }
            _ => Answer::Status(404),
        };
        store.advance();
        answer
    }
}

fn task(store: &Store, uid: &str) -> Answer {
    let uid: usize = uid.parse().unwrap();
    match store.tasks.get(uid).filter(|task| !task.is_forgotten) {
        Some(task) => ok(&task.shown(uid)),
        None => refusal(404, "task_not_found", "invalid_request"),
    }
}

fn index(store: &Store, name: &str) -> Answer {
    match store.indexes.get(name) {
        Some(index) => ok(&json!({
            "uid": name, "primaryKey": index.primary_key, "createdAt": index.created_at, "updatedAt": index.created_at,
        })),
        None => refusal(404, "index_not_found", "invalid_request"),
    }
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
    let given: Map<String, Value> = given.clone();
    enqueued(store, name, Work::Settings(given))
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
    let uid = store.enqueue(index, work);
    let body = json!({
        "taskUid": uid, "indexUid": index, "status": "enqueued", "type": store.tasks[uid].kind(),
        "enqueuedAt": "2026-10-23T18:04:07.402Z",
    });
    Answer::with_body(202, body.to_string())
}

fn ok(body: &Value) -> Answer {
    Answer::with_body(200, body.to_string())
}

/// An error as Meilisearch answers it. Its own message can quote what was sent, so this one does.
pub(crate) fn refusal(status: u16, code: &str, class: &str) -> Answer {
    let body = json!({
        "message": "Unexpected value: s3cret-contents",
        "code": code,
        "type": class,
        "link": format!("https://docs.meilisearch.com/errors#{code}"),
    });
    Answer::with_body(status, body.to_string())
}
