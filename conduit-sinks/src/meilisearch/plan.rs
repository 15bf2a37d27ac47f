//! In which tasks the writes of a call are done.

use std::collections::{BTreeMap, HashMap};

use super::document_id::DocumentId;
use super::write::{Change, Write};

/// Most bytes of documents in one request; a document that is larger is a request of its own.
pub(super) const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// Groups `writes` into as few steps as keep the order of each document: every step is of one kind, and all of it can be
/// one request. A step's numbers are indexes into `writes`, in order.
///
/// Documents are independent of each other, so a write goes into the first step that comes no earlier than its
/// document's last one. Puts and deletes that alternate between documents are two steps, not one for each.
pub(super) fn steps(writes: &[&Write]) -> Vec<Vec<usize>> {
    // Puts have even levels, deletes odd ones. Within a level a document may come several times: the last one counts.
    let mut levels: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut last: HashMap<&DocumentId, usize> = HashMap::new();
    for (index, write) in writes.iter().enumerate() {
        let kind = usize::from(write.change == Change::Delete);
        let level = last.entry(&write.id).or_insert(kind);
        *level += usize::from(*level % 2 != kind);
        levels.entry(*level).or_default().push(index);
    }
    levels
        .into_values()
        .flat_map(|level| within_bytes(writes, level))
        .collect()
}

/// Cuts a level where a request would become too large.
fn within_bytes(writes: &[&Write], level: Vec<usize>) -> Vec<Vec<usize>> {
    let mut steps: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for index in level {
        let size = writes[index].size();
        match steps.last_mut() {
            Some(step) if bytes + size <= MAX_REQUEST_BYTES => {
                bytes += size;
                step.push(index);
            }
            _ => {
                bytes = size;
                steps.push(vec![index]);
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use conduit_core::{
        ClusterTime, CollectionName, EventId, Record, RecordKey, RecordParts, RecordType, Sequence, WallTime,
    };

    use super::*;

    fn write(record_type: RecordType, id: &str, padding: usize) -> Write {
        let keys = format!(r#"{{"_id":"{id}"}}"#);
        let image = format!(r#"{{"_id":"{id}","p":"{}"}}"#, "x".repeat(padding));
        let record = Record::new(RecordParts {
            event_id: EventId::new("e"),
            collection: CollectionName::new("c").unwrap(),
            record_type,
            key: RecordKey::of(keys.as_bytes()),
            keys: keys.as_bytes(),
            new_image: Some(image.as_bytes()),
            old_image: None,
            timestamp: WallTime::from_millis(0),
            time: ClusterTime::new(1, 1),
            sequence: Sequence::whole("82"),
        });
        Write::of(&record).unwrap().unwrap()
    }

    /// `+a` puts a, `-a` deletes it.
    fn steps_of(story: &str) -> Vec<Vec<usize>> {
        let writes: Vec<Write> = story
            .split(' ')
            .map(|word| match word.split_at(1) {
                ("+", id) => write(RecordType::Insert, id, 0),
                (_, id) => write(RecordType::Remove, id, 0),
            })
            .collect();
        steps(&writes.iter().collect::<Vec<_>>())
    }

    #[test]
    fn puts_and_deletes_of_many_documents_are_two_steps() {
        assert_eq!(steps_of("+a -b +c -d +e -a"), [vec![0, 2, 4], vec![1, 3, 5]]);
        assert_eq!(steps_of("-a -b"), [vec![0, 1]]);
        assert_eq!(steps_of("+a +a +b"), [vec![0, 1, 2]]);
    }

    #[test]
    fn the_writes_of_a_document_keep_their_order() {
        assert_eq!(
            steps_of("-a +a -a +b +a"),
            [vec![3], vec![0], vec![1], vec![2], vec![4]]
        );
        assert_eq!(steps_of("+a -a +a"), [vec![0], vec![1], vec![2]]);
    }

    #[test]
    fn a_request_has_at_most_so_many_bytes_or_a_single_document() {
        let third = write(RecordType::Insert, "a", MAX_REQUEST_BYTES / 3);
        let large = write(RecordType::Insert, "b", MAX_REQUEST_BYTES);
        let writes = [&third, &third, &third, &large, &third];
        assert_eq!(steps(&writes), [vec![0, 1], vec![2], vec![3], vec![4]]);
    }
}
