//! What a Meilisearch server keeps: indexes with their documents, and tasks, as its documentation describes them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{ErrorCode, Task, Work};

/// The longest id of a document, in bytes.
const MAX_ID: usize = 511;

/// Says why a document is refused, if it is.
pub(super) type Judge = Box<dyn Fn(&Value) -> Option<ErrorCode> + Send>;

/// Says why the next task of documents fails, if it does.
pub(super) type TaskFault = Box<dyn FnMut() -> Option<ErrorCode> + Send>;

/// An index.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Index {
    /// The field that holds a document's id; `None` until a document or the index's creation says which.
    pub primary_key: Option<String>,
    /// When it was created, in RFC 3339; different for each index that there ever was.
    pub created_at: String,
    /// What it was given.
    pub settings: Map<String, Value>,
    /// Its documents, by id.
    pub documents: BTreeMap<String, Value>,
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) indexes: BTreeMap<String, Index>,
    pub(super) tasks: Vec<Task>,
    /// How many of them have ended: always the first.
    ended: usize,
    /// Only tasks below this one are worked on, if it is set.
    pub(super) held_from: Option<usize>,
    /// How long a task of documents takes.
    pub(super) delay: Duration,
    /// Refuses documents.
    pub(super) judge: Option<Judge>,
    /// Makes tasks of documents fail.
    pub(super) task_fault: Option<TaskFault>,
    /// How the next tasks of documents end, instead of being worked on; `None` does work on it.
    pub(super) next_ends: VecDeque<Option<ErrorCode>>,
}

impl Store {
    pub(super) fn enqueue(&mut self, index: &str, work: Work) -> usize {
        self.tasks.push(Task::new(index, work));
        self.tasks.len() - 1
    }

    /// Does what is due, in order.
    pub(super) fn advance(&mut self) {
        // Taken out meanwhile, so that the work of a task needs no copy.
        let mut tasks = std::mem::take(&mut self.tasks);
        while let Some(task) = tasks.get_mut(self.ended) {
            if task.is_canceled {
                self.ended += 1;
                continue;
            }
            let is_early = task.work.is_of_documents() && task.enqueued.elapsed() < self.delay;
            if is_early || self.held_from.is_some_and(|from| self.ended >= from) {
                break;
            }
            let end = match self.forced_end(task) {
                Some(code) => Err(code),
                None => self.work(task),
            };
            task.end = Some(end);
            self.ended += 1;
        }
        self.tasks = tasks;
    }

    fn forced_end(&mut self, task: &Task) -> Option<ErrorCode> {
        if !task.work.is_of_documents() {
            return None;
        }
        match self.next_ends.pop_front() {
            Some(end) => end,
            None => self.task_fault.as_mut()?(),
        }
    }

    /// Does one task, whole or not at all.
    fn work(&mut self, task: &Task) -> Result<(), ErrorCode> {
        const NOT_FOUND: ErrorCode = ("index_not_found", "invalid_request");
        match &task.work {
            Work::CreateIndex(primary_key) => {
                if self.indexes.contains_key(&task.index) {
                    return Err(("index_already_exists", "invalid_request"));
                }
                let mut index = self.new_index();
                index.primary_key.clone_from(primary_key);
                self.indexes.insert(task.index.clone(), index);
            }
            Work::DeleteIndex => {
                self.indexes.remove(&task.index).ok_or(NOT_FOUND)?;
            }
            Work::Settings(settings) => {
                let new = self.new_index();
                let index = self.indexes.entry(task.index.clone()).or_insert(new);
                index.settings.extend(settings.clone());
            }
            Work::Delete(ids) => {
                let index = self.indexes.get_mut(&task.index).ok_or(NOT_FOUND)?;
                for id in ids {
                    index.documents.remove(id);
                }
            }
            Work::Put {
                documents,
                primary_key,
            } => self.put(&task.index, documents, primary_key.as_deref())?,
        }
        Ok(())
    }

    fn put(&mut self, name: &str, documents: &[Value], given: Option<&str>) -> Result<(), ErrorCode> {
        let new = self.new_index();
        let index = self.indexes.get(name).unwrap_or(&new);
        let key = match (&index.primary_key, given) {
            (Some(own), Some(given)) if own != given => {
                return Err(("index_primary_key_already_exists", "invalid_request"));
            }
            (Some(own), _) => own.clone(),
            (None, Some(given)) => given.to_owned(),
            (None, None) => inferred(documents)?,
        };
        // All are looked at before the first is put.
        let judged = documents
            .iter()
            .map(|document| self.judged(document, &key, index));
        let ids: Vec<String> = judged.collect::<Result<_, _>>()?;
        let index = self.indexes.entry(name.to_owned()).or_insert(new);
        index.primary_key = Some(key);
        index
            .documents
            .extend(ids.into_iter().zip(documents.iter().cloned()));
        Ok(())
    }

    fn new_index(&self) -> Index {
        Index {
            created_at: format!("2026-10-23T18:04:07.{:09}Z", self.ended),
            ..Index::default()
        }
    }

    /// Returns the document's id, if it can be one of the index.
    fn judged(&self, document: &Value, key: &str, index: &Index) -> Result<String, ErrorCode> {
        let id = match &document[key] {
            Value::String(id) => id.clone(),
            Value::Number(id) if id.is_i64() || id.is_u64() => id.to_string(),
            Value::Null => return Err(("missing_document_id", "invalid_request")),
            _ => return Err(("invalid_document_id", "invalid_request")),
        };
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(is_allowed) {
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

/// The primary key of an index that has none yet: the one field of the first document whose name ends with `id`.
fn inferred(documents: &[Value]) -> Result<String, ErrorCode> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn put(documents: &Value) -> Work {
        Work::Put {
            documents: documents.as_array().unwrap().clone(),
            primary_key: Some("id".to_owned()),
        }
    }

    fn done(store: &mut Store, work: Work) -> Result<(), ErrorCode> {
        let uid = store.enqueue("orders", work);
        store.advance();
        store.tasks[uid].end.unwrap()
    }

    fn documents(store: &Store) -> Value {
        json!(store.indexes["orders"].documents)
    }

    #[test]
    fn a_task_is_done_whole_or_not_at_all() {
        let mut store = Store::default();
        let bad = json!([{"id": 1}, {"id": "a b"}]);
        assert_eq!(
            done(&mut store, put(&bad)),
            Err(("invalid_document_id", "invalid_request"))
        );
        assert!(store.indexes.is_empty(), "not even the index is made");
        done(&mut store, put(&json!([{"id": 1, "a": 1, "b": 1}, {"id": "x"}]))).unwrap();
        done(&mut store, put(&json!([{"id": 1, "a": 2}, {"id": 1, "c": 3}]))).unwrap();
        // The last one of an id counts, and nothing of the one before is left.
        assert_eq!(
            documents(&store),
            json!({"1": {"id": 1, "c": 3}, "x": {"id": "x"}})
        );
        done(
            &mut store,
            Work::Delete(vec!["1".to_owned(), "unknown".to_owned()]),
        )
        .unwrap();
        assert_eq!(documents(&store), json!({"x": {"id": "x"}}));
    }

    #[test]
    fn ids_are_what_the_documentation_says() {
        let mut store = Store::default();
        for (id, is_taken) in [
            (json!("aZ-_9"), true),
            (json!(-7), true),
            (json!("x".repeat(MAX_ID)), true),
            (json!("x".repeat(MAX_ID + 1)), false),
            (json!(""), false),
            (json!("a.b"), false),
            (json!("ä"), false),
            (json!(1.5), false),
            (json!({}), false),
            (Value::Null, false),
        ] {
            let end = done(&mut store, put(&json!([{ "id": id }])));
            assert_eq!(end.is_ok(), is_taken, "{id}");
        }
    }

    #[test]
    fn tasks_are_done_in_order_and_a_held_one_holds_what_follows() {
        let mut store = Store {
            held_from: Some(1),
            next_ends: [None, Some(("internal", "internal"))].into(),
            ..Store::default()
        };
        for n in 0..3 {
            store.enqueue("orders", put(&json!([{ "id": n }])));
        }
        store.advance();
        assert_eq!(documents(&store), json!({"0": {"id": 0}}));
        store.held_from = None;
        store.tasks[2].is_canceled = true;
        store.advance();
        assert_eq!(documents(&store), json!({"0": {"id": 0}}));
        assert_eq!(store.tasks[1].end, Some(Err(("internal", "internal"))));
        assert_eq!(store.tasks[2].shown(2)["status"], "canceled");
    }
}
