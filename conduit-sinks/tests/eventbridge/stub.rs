//! A stub of EventBridge's API over HTTP, which does what AWS does and no emulator: it counts sizes, and fails as told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_testkit::receiver::{Answer, Received, Receiver};
use serde_json::{Value, json};

/// What the stub does with `PutEvents`, once the call itself is valid.
#[derive(Clone, Default)]
pub(crate) enum Puts {
    /// Accepts every entry that is valid.
    #[default]
    Accept,
    /// Refuses the entries for which the function names a code, and accepts the others.
    RefuseEntries(fn(&Value) -> Option<&'static str>),
    /// Refuses the entry whose record has this event id.
    RefuseRecord(String),
    /// Answers the call so, and accepts nothing.
    Whole(Answer),
    /// Accepts, and answers with these instead.
    Lie(Answer),
    /// Accepts, and answers late.
    Slow(Duration),
    /// Accepts so many calls, and then answers so.
    AcceptThen(usize, Answer),
}

/// What the stub says of the bus.
#[derive(Clone, Default)]
pub(crate) enum Describes {
    #[default]
    Exists,
    With(Answer),
}

#[derive(Default)]
struct State {
    puts: Puts,
    describes: Describes,
    max_bytes: usize,
    accepted: Vec<Value>,
    sizes: Vec<usize>,
}

/// A running stub.
pub(crate) struct Stub {
    pub(crate) receiver: Receiver,
    state: Arc<Mutex<State>>,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        let receiver = Receiver::start().await;
        let state = Arc::new(Mutex::new(State {
            max_bytes: 262_144,
            ..State::default()
        }));
        let shared = state.clone();
        receiver.answer_with(move |request| shared.lock().unwrap().answer(request));
        Self { receiver, state }
    }

    pub(crate) fn url(&self) -> String {
        self.receiver.url()
    }

    pub(crate) fn put(&self, puts: Puts) {
        self.state.lock().unwrap().puts = puts;
    }

    pub(crate) fn describe(&self, describes: Describes) {
        self.state.lock().unwrap().describes = describes;
    }

    /// Takes calls of at most so many bytes, as AWS counts.
    pub(crate) fn limit(&self, max_bytes: usize) {
        self.state.lock().unwrap().max_bytes = max_bytes;
    }

    /// The entries that were accepted, in order.
    pub(crate) fn accepted(&self) -> Vec<Value> {
        self.state.lock().unwrap().accepted.clone()
    }

    /// The event ids of the records that were accepted, in order.
    pub(crate) fn accepted_ids(&self) -> Vec<String> {
        self.accepted().iter().map(event_id).collect()
    }

    /// The sizes of the calls to `PutEvents`, as AWS counts.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.state.lock().unwrap().sizes.clone()
    }

    /// How many calls of this operation came.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        let target = format!("AWSEvents.{operation}");
        let received = self.receiver.received();
        received
            .iter()
            .filter(|request| request.header("x-amz-target") == Some(&target))
            .count()
    }
}

impl State {
    fn answer(&mut self, request: &Received) -> Answer {
        match request.header("x-amz-target") {
            Some("AWSEvents.DescribeEventBus") => match &self.describes {
                Describes::Exists => well(&json!({"Name": "orders"})),
                Describes::With(answer) => answer.clone(),
            },
            Some("AWSEvents.PutEvents") => self.put_events(request.json()["Entries"].as_array().unwrap()),
            other => refusal(400, "UnknownOperationException", &format!("{other:?}")),
        }
    }

    fn put_events(&mut self, entries: &[Value]) -> Answer {
        let size = entries.iter().map(size).sum();
        self.sizes.push(size);
        if entries.is_empty() || entries.len() > 10 {
            return refusal(400, "ValidationException", "1 to 10 entries");
        }
        if size > self.max_bytes {
            return refusal(
                400,
                "ValidationException",
                "Total size of the entries in the request is over the limit.",
            );
        }
        match self.puts.clone() {
            Puts::Whole(answer) => answer,
            Puts::AcceptThen(0, answer) => answer,
            Puts::AcceptThen(left, answer) => {
                self.puts = Puts::AcceptThen(left - 1, answer);
                self.accept(entries, |_| None)
            }
            Puts::Lie(answer) => {
                self.accept(entries, |_| None);
                answer
            }
            Puts::Slow(wait) => Answer::after(wait, self.accept(entries, |_| None)),
            Puts::Accept => self.accept(entries, |_| None),
            Puts::RefuseEntries(code) => self.accept(entries, code),
            Puts::RefuseRecord(id) => self.accept(entries, |entry| {
                (event_id(entry) == id).then_some("InvalidArgument")
            }),
        }
    }

    fn accept(&mut self, entries: &[Value], refuse: impl Fn(&Value) -> Option<&'static str>) -> Answer {
        let mut failed = 0;
        let results: Vec<Value> = entries
            .iter()
            .map(|entry| {
                if let Some(code) = refuse(entry).or_else(|| fault(entry)) {
                    failed += 1;
                    return json!({"ErrorCode": code, "ErrorMessage": "not this one"});
                }
                self.accepted.push(entry.clone());
                json!({"EventId": format!("id-{}", self.accepted.len())})
            })
            .collect();
        well(&json!({"FailedEntryCount": failed, "Entries": results}))
    }
}

/// What an entry counts towards the size of its call.
fn size(entry: &Value) -> usize {
    let length = |field: &str| entry[field].as_str().map_or(0, str::len);
    let time = if entry["Time"].is_null() { 0 } else { 14 };
    let resources = entry["Resources"].as_array().into_iter().flatten();
    let resources: usize = resources.map(|each| each.as_str().map_or(0, str::len)).sum();
    time + length("Source") + length("DetailType") + length("Detail") + resources
}

fn fault(entry: &Value) -> Option<&'static str> {
    let text = |field: &str| entry[field].as_str().unwrap_or_default();
    if text("Source").is_empty() || text("DetailType").is_empty() || text("Detail").is_empty() {
        return Some("InvalidArgument");
    }
    if text("Source").starts_with("aws.") {
        return Some("NotAuthorizedForSourceException");
    }
    let is_object = serde_json::from_str::<Value>(text("Detail")).is_ok_and(|detail| detail.is_object());
    (!is_object).then_some("MalformedDetail")
}

fn event_id(entry: &Value) -> String {
    let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    detail["eventID"].as_str().unwrap().to_owned()
}

/// An answer of AWS that all went well.
pub(crate) fn well(body: &Value) -> Answer {
    Answer::with_body(200, body.to_string())
}

/// An answer of AWS that a call is refused.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({"__type": format!("com.amazon.coral.service#{code}"), "message": message});
    Answer::with_body(status, body.to_string())
}
