//! Checks what arrived against what was promised.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::Received;

/// One record at its first delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Names the record.
    pub event_id: String,
    /// Its place in the order of changes; sorts as text.
    pub sequence: String,
    /// `INSERT`, `MODIFY` or `REMOVE`.
    pub record_type: String,
}

/// An account of the records that arrived, in the order in which they did.
///
/// Finds: first deliveries of a key that are not in the order of their `sequenceNumber`; one change under two event
/// ids; one event id for two records; what is no record. A key is a collection with the `keys` of a record. Repeats
/// are counted.
#[derive(Debug, Default)]
pub struct Ledger {
    keys: HashMap<String, KeyAccount>,
    events: HashMap<String, Event>,
    repeats: usize,
    faults: Vec<String>,
}

#[derive(Debug, Default)]
struct KeyAccount {
    entries: Vec<LedgerEntry>,
    newest: String,
}

#[derive(Debug)]
struct Event {
    key: String,
    sequence: String,
    deliveries: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(rename = "eventID")]
    event_id: String,
    table_name: String,
    record_type: String,
    keys: Value,
    sequence_number: String,
}

impl Ledger {
    /// Makes an empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters the records of all requests that were answered with a 2xx.
    #[must_use]
    pub fn of_acknowledged(received: &[Arc<Received>]) -> Self {
        let mut ledger = Self::new();
        for request in received.iter().filter(|request| request.is_acknowledged()) {
            ledger.enter(request.body());
        }
        ledger
    }

    /// Enters a body: a record, or an array of them.
    pub fn enter(&mut self, body: &[u8]) {
        let records = if body.first() == Some(&b'[') {
            serde_json::from_slice::<Vec<Envelope>>(body)
        } else {
            serde_json::from_slice::<Envelope>(body).map(|record| vec![record])
        };
        match records {
            Ok(records) => records.into_iter().for_each(|record| self.enter_record(record)),
            Err(error) => self.faults.push(format!("a body is no record: {error}")),
        }
    }

    fn enter_record(&mut self, record: Envelope) {
        let key = key(&record.table_name, &record.keys);
        if let Some(event) = self.events.get_mut(&record.event_id) {
            event.deliveries += 1;
            self.repeats += 1;
            if (&event.key, &event.sequence) != (&key, &record.sequence_number) {
                self.faults
                    .push(format!("event id {} names two records", record.event_id));
            }
            return;
        }
        let event = Event {
            key: key.clone(),
            sequence: record.sequence_number.clone(),
            deliveries: 1,
        };
        self.events.insert(record.event_id.clone(), event);
        let account = self.keys.entry(key).or_default();
        let (id, sequence, newest) = (&record.event_id, &record.sequence_number, &account.newest);
        if newest >= sequence {
            let what = if newest == sequence {
                "has a second event id"
            } else {
                "came late"
            };
            let fault = format!(
                "{} {}: {sequence} ({id}) {what}, after {newest}",
                record.table_name, record.keys
            );
            self.faults.push(fault);
        } else {
            account.newest.clone_from(sequence);
        }
        let entry = LedgerEntry {
            event_id: record.event_id,
            sequence: record.sequence_number,
            record_type: record.record_type,
        };
        account.entries.push(entry);
    }

    /// Returns how many different records arrived.
    #[must_use]
    pub fn count(&self) -> usize {
        self.events.len()
    }

    /// Returns how many deliveries were repeats of a record that had arrived.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.repeats
    }

    /// Returns how often a record arrived.
    #[must_use]
    pub fn deliveries(&self, event_id: &str) -> usize {
        self.events.get(event_id).map_or(0, |event| event.deliveries)
    }

    /// Returns the event ids that arrived, in no order.
    pub fn event_ids(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str)
    }

    /// Returns how many different keys arrived.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Returns the first deliveries of a key, in the order of their arrival.
    #[must_use]
    pub fn of_key(&self, collection: &str, keys: &Value) -> &[LedgerEntry] {
        self.keys
            .get(&key(collection, keys))
            .map_or(&[], |account| &account.entries)
    }

    /// Returns everything that is wrong, one line each.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Fails the test if anything is wrong.
    ///
    /// # Panics
    /// With the first ten faults.
    pub fn assert_clean(&self) {
        let shown = &self.faults[..self.faults.len().min(10)];
        assert!(
            shown.is_empty(),
            "{} faults in the ledger:\n{}",
            self.faults.len(),
            shown.join("\n")
        );
    }
}

fn key(collection: &str, keys: &Value) -> String {
    format!("{collection}:{keys}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(id: &str, key: usize, sequence: &str) -> Vec<u8> {
        json!({"eventID": id, "tableName": "t", "recordType": "MODIFY", "keys": {"_id": key}, "sequenceNumber": sequence})
            .to_string()
            .into_bytes()
    }

    fn ledger(records: &[(&str, usize, &str)]) -> Ledger {
        let mut ledger = Ledger::new();
        for (id, key, sequence) in records {
            ledger.enter(&record(id, *key, sequence));
        }
        ledger
    }

    #[test]
    fn repeats_in_whatever_order_are_counted_and_no_fault() {
        let ledger = ledger(&[
            ("a", 1, "1"),
            ("b", 1, "2"),
            ("a", 1, "1"),
            ("c", 2, "1"),
            ("b", 1, "2"),
        ]);
        ledger.assert_clean();
        assert_eq!((ledger.count(), ledger.repeats(), ledger.key_count()), (3, 2, 2));
        assert_eq!(ledger.deliveries("b"), 2);
        let order: Vec<&str> = ledger
            .of_key("t", &json!({"_id": 1}))
            .iter()
            .map(|entry| &*entry.event_id)
            .collect();
        assert_eq!(order, ["a", "b"]);
    }

    #[test]
    fn a_first_delivery_behind_a_newer_one_of_its_key_is_a_fault() {
        let ledger = ledger(&[("b", 1, "2"), ("a", 1, "1"), ("c", 2, "1")]);
        assert_eq!(ledger.faults(), [r#"t {"_id":1}: 1 (a) came late, after 2"#]);
    }

    #[test]
    fn event_ids_and_changes_belong_together_one_to_one() {
        let two_ids = ledger(&[("a", 1, "1"), ("b", 1, "1")]);
        assert!(
            two_ids.faults()[0].contains("second event id"),
            "{:?}",
            two_ids.faults()
        );
        let two_records = ledger(&[("a", 1, "1"), ("a", 1, "2")]);
        assert_eq!(two_records.faults(), ["event id a names two records"]);
        let mut broken = Ledger::new();
        broken.enter(b"{}");
        assert_eq!(broken.faults().len(), 1);
    }

    #[test]
    fn fifty_thousand_records_are_an_easy_account() {
        let mut ledger = Ledger::new();
        for number in 0..50_000 {
            ledger.enter(&record(
                &format!("e{number}"),
                number % 100,
                &format!("{number:08}"),
            ));
        }
        ledger.assert_clean();
        assert_eq!(
            (ledger.count(), ledger.key_count(), ledger.repeats()),
            (50_000, 100, 0)
        );
    }
}
