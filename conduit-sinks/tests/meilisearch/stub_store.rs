//! What a Meilisearch server keeps: indexes with their documents, and tasks, as its documentation describes them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// A refusal, by code and type.
pub(crate) type Code = (&'static str, &'static str);

/// Says why a document is refused, if it is.
type Judge = Box<dyn Fn(&Value) -> Option<Code> + Send>;

/// What a task does.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Put {
        documents: Vec<Value>,
        primary_key: Option<String>,
    },
    Delete(Vec<String>),
    CreateIndex(Option<String>),
    DeleteIndex,
    Settings(Map<String, Value>),
}

#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) index: String,
    pub(crate) work: Work,
    /// `None` until it has ended; `Ok` if it succeeded.
    pub(crate) end: Option<Result<(), Code>>,
    pub(crate) is_canceled: bool,
    pub(crate) is_forgotten: bool,
    enqueued: Instant,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) primary_key: Option<String>,
    pub(crate) created_at: String,
    pub(crate) settings: Map<String, Value>,
    pub(crate) documents: BTreeMap<String, Value>,
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) indexes: BTreeMap<String, Index>,
    pub(crate) tasks: Vec<Task>,
    /// How many of them have ended: always the first.
    ended: usize,
    /// Every document that a task put, in order.
    pub(crate) applied: Vec<Value>,
    /// Only tasks below this one are worked on, if it is set.
    pub(crate) held_from: Option<usize>,
    /// How long a task of documents takes.
    pub(crate) delay: Duration,
    /// Refuses documents.
    pub(crate) judge: Option<Judge>,
    /// Makes tasks of documents fail.
    pub(crate) fail_task: Option<Box<dyn Fn() -> Option<Code> + Send>>,
    /// How the next tasks of documents end, instead of being worked on.
    pub(crate) next_ends: Vec<Option<Code>>,
}

impl Store {
    pub(crate) fn enqueue(&mut self, index: &str, work: Work) -> usize {
        self.tasks.push(Task {
            index: index.to_owned(),
            work,
            end: None,
            is_canceled: false,
            is_forgotten: false,
            enqueued: Instant::now(),
        });
        self.tasks.len() - 1
    }

    /// Does what is due, in order.
    pub(crate) fn advance(&mut self) {
        while let Some(task) = self.tasks.get(self.ended).cloned() {
            let uid = self.ended;
            if task.is_canceled {
                self.ended += 1;
                continue;
            }
            let is_of_documents = matches!(task.work, Work::Put { .. } | Work::Delete(_));
            let is_early = is_of_documents && task.enqueued.elapsed() < self.delay;
            if is_early || self.held_from.is_some_and(|from| uid >= from) {
                return;
            }
            let forced = match &self.fail_task {
                _ if !is_of_documents => None,
                _ if !self.next_ends.is_empty() => self.next_ends.remove(0),
                Some(fail) => fail(),
                None => None,
            };
            let end = match forced {
                Some(code) => Err(code),
                None => self.work(&task),
            };
            self.tasks[uid].end = Some(end);
            self.ended += 1;
        }
    }

    /// Does one task, whole or not at all.
    fn work(&mut self, task: &Task) -> Result<(), Code> {
        const NOT_FOUND: Code = ("index_not_found", "invalid_request");
        match &task.work {
            Work::CreateIndex(primary_key) => {
                if self.indexes.contains_key(&task.index) {
                    return Err(("index_already_exists", "invalid_request"));
                }
                let index = self.new_index(primary_key.clone());
                self.indexes.insert(task.index.clone(), index);
            }
            Work::DeleteIndex => {
                self.indexes.remove(&task.index).ok_or(NOT_FOUND)?;
            }
            Work::Settings(settings) => {
                let mut index = self.index_or_new(&task.index);
                index.settings.extend(settings.clone());
                self.indexes.insert(task.index.clone(), index);
            }
            Work::Delete(ids) => {
                let index = self.indexes.get_mut(&task.index).ok_or(NOT_FOUND)?;
                index.documents.retain(|id, _| !ids.contains(id));
            }
            Work::Put {
                documents,
                primary_key,
            } => {
                let mut index = self.index_or_new(&task.index);
                match (&index.primary_key, primary_key) {
                    (Some(own), Some(given)) if own != given => {
                        return Err(("index_primary_key_already_exists", "invalid_request"));
                    }
                    (None, Some(given)) => index.primary_key = Some(given.clone()),
                    (None, None) => index.primary_key = Some(inferred(documents)?),
                    _ => {}
                }
                let key = index.primary_key.clone().unwrap_or_default();
                for document in documents {
                    let id = self.judged(document, &key, &index)?;
                    index.documents.insert(id, document.clone());
                }
                self.applied.extend(documents.iter().cloned());
                self.indexes.insert(task.index.clone(), index);
            }
        }
        Ok(())
    }

    fn index_or_new(&self, name: &str) -> Index {
        self.indexes
            .get(name)
            .cloned()
            .unwrap_or_else(|| self.new_index(None))
    }

    fn new_index(&self, primary_key: Option<String>) -> Index {
        Index {
            primary_key,
            created_at: format!("2026-10-23T18:04:07.{:09}Z", self.tasks.len()),
            ..Index::default()
        }
    }

    /// Returns the document's id, if it can be one of the index.
    fn judged(&self, document: &Value, key: &str, index: &Index) -> Result<String, Code> {
        let id = match &document[key] {
            Value::String(id) => id.clone(),
            Value::Number(id) if id.is_i64() || id.is_u64() => id.to_string(),
            Value::Null => return Err(("missing_document_id", "invalid_request")),
            _ => return Err(("invalid_document_id", "invalid_request")),
        };
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > 511 || !id.bytes().all(is_allowed) {
            return Err(("invalid_document_id", "invalid_request"));
        }
        let sorts_by_place = index.settings.get("sortableAttributes") == Some(&json!(["_geo"]));
        let place = &document["_geo"];
        if sorts_by_place && !place.is_null() && !(place["lat"].is_number() && place["lng"].is_number()) {
            return Err(("invalid_document_geo_field", "invalid_request"));
        }
        match self.judge.as_ref().and_then(|judge| judge(document)) {
            Some(code) => Err(code),
            None => Ok(id),
        }
    }
}

impl Task {
    /// The task as `GET /tasks/{uid}` shows it. It never says which document was refused.
    pub(crate) fn shown(&self, uid: usize) -> Value {
        let status = match &self.end {
            _ if self.is_canceled => "canceled",
            None => "enqueued",
            Some(Ok(())) => "succeeded",
            Some(Err(_)) => "failed",
        };
        let error = match self.end {
            Some(Err((code, class))) => json!({
                "message": "something about a document: s3cret-contents",
                "code": code,
                "type": class,
                "link": format!("https://docs.meilisearch.com/errors#{code}"),
            }),
            _ => Value::Null,
        };
        json!({
            "uid": uid, "batchUid": uid, "indexUid": self.index, "status": status, "type": self.kind(),
            "canceledBy": null, "details": null, "error": error, "duration": null,
            "enqueuedAt": "2026-10-23T18:04:07.402Z", "startedAt": null, "finishedAt": null,
        })
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.work {
            Work::Put { .. } => "documentAdditionOrUpdate",
            Work::Delete(_) => "documentDeletion",
            Work::CreateIndex(_) => "indexCreation",
            Work::DeleteIndex => "indexDeletion",
            Work::Settings(_) => "settingsUpdate",
        }
    }
}

/// The primary key of an index that has none yet: the one field of the first document whose name ends with `id`.
fn inferred(documents: &[Value]) -> Result<String, Code> {
    let fields = documents.first().and_then(Value::as_object);
    let names: Vec<&String> = fields
        .into_iter()
        .flat_map(Map::keys)
        .filter(|name| name.to_lowercase().ends_with("id"))
        .collect();
    match &*names {
        [] => Err(("index_primary_key_no_candidate_found", "invalid_request")),
        [name] => Ok((*name).clone()),
        _ => Err(("index_primary_key_multiple_candidates_found", "invalid_request")),
    }
}
