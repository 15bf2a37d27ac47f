//! What was written, as the database itself has it.

use std::collections::HashMap;
use std::time::Duration;

use bson::{Document, Timestamp, doc};
use mongodb::Database;
use mongodb::change_stream::event::{ChangeStreamEvent, OperationType};
use mongodb::error::Error;
use tokio::time::Instant;

use super::fleet::document_of;
use super::wants::Kind;
use super::writer::Notes;

/// How long reading it may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which write of which document each record is of, by its sequence number, of one collection.
pub(super) type Writes = HashMap<String, (usize, usize)>;

/// The cluster time of the server, now.
pub(super) async fn cluster_time(database: &Database) -> Result<Timestamp, Error> {
    let reply = database.run_command(doc! { "ping": 1 }).await?;
    Ok(reply.get_timestamp("operationTime").unwrap())
}

/// Reads all changes of the database from `since` on, and checks that they are those that the writers know of.
pub(super) async fn read(
    database: &Database,
    since: Timestamp,
    notes: &HashMap<String, Notes>,
) -> HashMap<String, Writes> {
    let mut missing: usize = notes.values().flatten().map(Vec::len).sum();
    let mut seen: HashMap<String, (Writes, Vec<usize>)> = HashMap::new();
    let mut stream = database.watch().start_at_operation_time(since).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while missing > 0 {
        assert!(
            Instant::now() < deadline,
            "{missing} changes are not in the history"
        );
        let event = stream.next_if_any().await.unwrap();
        let Some(event) = event else { continue };
        let name = event.ns.as_ref().and_then(|namespace| namespace.coll.clone());
        let Some((name, notes)) = name.and_then(|name| notes.get(&name).map(|notes| (name, notes))) else {
            continue;
        };
        let Some((kind, counter)) = kind_of(&event) else {
            continue;
        };
        let key = event.document_key.as_ref().unwrap();
        let document = document_of(key.get_str("_id").unwrap()).unwrap();
        let token = bson::serialize_to_document(&event.id).unwrap();
        let (writes, counts) = seen
            .entry(name)
            .or_insert_with(|| (Writes::new(), vec![0; notes.len()]));
        let number = counts[document];
        let note = &notes[document][number];
        assert_eq!(note.kind, kind, "write {number} of {key}");
        assert!(
            counter.is_none_or(|counter| counter == note.counter),
            "write {number} of {key}"
        );
        writes.insert(token.get_str("_data").unwrap().to_owned(), (document, number));
        counts[document] += 1;
        missing -= 1;
    }
    seen.into_iter()
        .map(|(name, (writes, _))| (name, writes))
        .collect()
}

/// What an event did, and what the counter is after it, if the event says that.
fn kind_of(event: &ChangeStreamEvent<Document>) -> Option<(Kind, Option<i64>)> {
    let counter = |document: &Document| document.get_i64("counter").ok();
    match event.operation_type {
        OperationType::Insert => Some((Kind::Insert, event.full_document.as_ref().and_then(counter))),
        OperationType::Update => {
            let updated = event
                .update_description
                .as_ref()
                .map(|update| &update.updated_fields);
            Some((Kind::Modify, updated.and_then(counter)))
        }
        OperationType::Delete => Some((Kind::Remove, None)),
        _ => None,
    }
}
