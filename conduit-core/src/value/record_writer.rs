//! Encodes records one after the other into buffers that they share.

use std::convert::Infallible;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{PlainImages, Record, RecordContents, RecordHead};

/// A buffer takes no further record from this size on. A record keeps its whole buffer in memory, so that it is small.
const BUFFER_BYTES: usize = 16 << 10;

/// What a record holds beside its keys and images.
const ENVELOPE_BYTES: usize = 400;

/// Encodes records straight into buffers that several of them share.
///
/// A buffer holds up to 16 KiB, or one larger record, and is freed with the last of its records. So whoever keeps a
/// few of many records for long keeps up to 16 KiB of others with each, unless they are
/// [detached](Record::detached).
#[derive(Default)]
pub struct RecordWriter {
    /// The buffer that is being written.
    json: Vec<u8>,
    /// The records in it.
    written: Vec<Written>,
    /// Those of the buffers before.
    records: Vec<Arc<Record>>,
    /// How many bytes the last records had together.
    usual_bytes: usize,
}

/// A record whose bytes are still being added to.
struct Written {
    head: RecordHead,
    ranges: Ranges,
    plain: Option<Arc<PlainImages>>,
}

/// Where the parts of a record lie in its buffer.
struct Ranges {
    json: Range<usize>,
    keys: Range<usize>,
    new_image: Option<Range<usize>>,
    old_image: Option<Range<usize>>,
}

impl RecordWriter {
    /// Begins without records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Encodes a record and returns its size.
    ///
    /// # Errors
    /// If a part of the contents cannot be written; then nothing of the record stays.
    pub fn write<C: RecordContents>(&mut self, head: RecordHead, contents: &C) -> Result<usize, C::Error> {
        let needed = ENVELOPE_BYTES + contents.size_hint();
        if !self.json.is_empty() && self.json.len() + needed > BUFFER_BYTES {
            self.close_buffer();
        }
        if self.json.capacity() == 0 {
            self.json
                .reserve_exact(needed.max(self.usual_bytes.min(BUFFER_BYTES)));
        }
        let start = self.json.len();
        let written = match Ranges::write(&mut self.json, &head, contents) {
            Ok(ranges) => contents.plain_images().map(|plain| (ranges, plain)),
            Err(error) => Err(error),
        };
        match written {
            Ok((ranges, plain)) => {
                let size = ranges.json.len();
                let plain = plain.map(Arc::new);
                self.written.push(Written { head, ranges, plain });
                Ok(size)
            }
            Err(error) => {
                self.json.truncate(start);
                Err(error)
            }
        }
    }

    /// Returns how many records were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() + self.written.len()
    }

    /// Whether no record was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all records but the first ones.
    pub fn truncate(&mut self, count: usize) {
        self.written.truncate(count.saturating_sub(self.records.len()));
        self.records.truncate(count);
        let end = self.written.last().map_or(0, |last| last.ranges.json.end);
        self.json.truncate(end);
    }

    /// Returns the records in the order in which they were written, and begins anew.
    pub fn finish(&mut self) -> Vec<Arc<Record>> {
        self.close_buffer();
        let records = std::mem::take(&mut self.records);
        self.usual_bytes = records.iter().map(|record| record.size()).sum();
        records
    }

    fn close_buffer(&mut self) {
        let json = Bytes::from(std::mem::take(&mut self.json));
        let records = self
            .written
            .drain(..)
            .map(|written| Arc::new(written.record(&json)));
        self.records.extend(records);
    }
}

impl fmt::Debug for RecordWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records", self.len())
    }
}

impl Written {
    fn record(self, buffer: &Bytes) -> Record {
        let slice = |range: Range<usize>| buffer.slice(range);
        Record {
            json: slice(self.ranges.json),
            keys: slice(self.ranges.keys),
            new_image: self.ranges.new_image.map(slice),
            old_image: self.ranges.old_image.map(slice),
            head: self.head,
            plain: self.plain,
        }
    }
}

impl Ranges {
    fn write<C: RecordContents>(
        json: &mut Vec<u8>,
        head: &RecordHead,
        contents: &C,
    ) -> Result<Self, C::Error> {
        let start = json.len();
        json.extend_from_slice(b"{\"eventID\":");
        push_string(json, head.event_id.as_str());
        json.extend_from_slice(b",\"eventVersion\":\"1.0\",\"tableName\":");
        push_string(json, head.collection.as_str());
        json.extend_from_slice(b",\"recordType\":\"");
        json.extend_from_slice(head.record_type.as_str().as_bytes());
        json.extend_from_slice(b"\",\"keys\":");
        let keys_start = json.len();
        contents.write_keys(json)?;
        let keys = keys_start..json.len();
        let new_image = push_image(json, b",\"newImage\":", |json| contents.write_new_image(json))?;
        let old_image = push_image(json, b",\"oldImage\":", |json| contents.write_old_image(json))?;
        json.extend_from_slice(b",\"timestamp\":");
        // Writing a number to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *json, &head.timestamp.as_millis());
        json.extend_from_slice(b",\"sequenceNumber\":");
        push_string(json, head.sequence.as_str());
        json.push(b'}');
        Ok(Self {
            json: start..json.len(),
            keys,
            new_image,
            old_image,
        })
    }
}

/// Encodes one record, alone in its buffer.
pub(super) fn write_one<C: RecordContents<Error = Infallible>>(head: RecordHead, contents: &C) -> Record {
    let mut json = Vec::with_capacity(ENVELOPE_BYTES + contents.size_hint());
    let Ok(ranges) = Ranges::write(&mut json, &head, contents);
    let written = Written {
        head,
        ranges,
        plain: None,
    };
    written.record(&Bytes::from(json))
}

/// Leaves the member out if there is no image.
fn push_image<E>(
    json: &mut Vec<u8>,
    name: &[u8],
    write: impl FnOnce(&mut Vec<u8>) -> Result<bool, E>,
) -> Result<Option<Range<usize>>, E> {
    let before = json.len();
    json.extend_from_slice(name);
    let start = json.len();
    if write(json)? {
        return Ok(Some(start..json.len()));
    }
    json.truncate(before);
    Ok(None)
}

fn push_string(json: &mut Vec<u8>, text: &str) {
    // All bytes are looked at, which is quicker than to stop at one: hardly any of these texts has such.
    let needs_escape = |so_far, byte: u8| so_far | (byte < 0x20) | (byte == b'"') | (byte == b'\\');
    if text.bytes().fold(false, needs_escape) {
        // Writing a string to a Vec cannot fail.
        let _ = serde_json::to_writer(json, text);
        return;
    }
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::{ClusterTime, CollectionName, EventId, RecordKey, RecordType, Sequence, WallTime};
    use super::*;

    /// An image of so many bytes, whose `_id` cannot be written if it is negative.
    struct Sample(i32, usize);

    impl RecordContents for Sample {
        type Error = &'static str;

        fn size_hint(&self) -> usize {
            self.1
        }

        fn write_keys(&self, out: &mut Vec<u8>) -> Result<(), Self::Error> {
            out.extend_from_slice(format!("{{\"_id\":{}}}", self.0).as_bytes());
            Ok(())
        }

        fn write_new_image(&self, out: &mut Vec<u8>) -> Result<bool, Self::Error> {
            out.extend_from_slice(format!("{{\"pad\":\"{}\"}}", "x".repeat(self.1)).as_bytes());
            if self.0 < 0 { Err("negative") } else { Ok(true) }
        }

        fn write_old_image(&self, out: &mut Vec<u8>) -> Result<bool, Self::Error> {
            out.extend_from_slice(b"not to be seen");
            Ok(false)
        }
    }

    fn write(writer: &mut RecordWriter, sample: &Sample) -> Result<usize, &'static str> {
        let head = RecordHead {
            event_id: EventId::new(format!("e{}", sample.0)),
            collection: CollectionName::new("us\"ers").unwrap(),
            record_type: RecordType::Insert,
            key: RecordKey::of(b"k"),
            timestamp: WallTime::from_millis(-7),
            time: ClusterTime::new(7, 3),
            sequence: Sequence::whole("82AB"),
            fault: None,
        };
        writer.write(head, sample)
    }

    /// What the record says it is, against what its JSON says.
    fn id(record: &Record) -> i64 {
        let json: serde_json::Value = serde_json::from_slice(record.json()).unwrap();
        let part = |bytes: &Bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!(json["keys"], part(record.keys()));
        assert_eq!(json["newImage"], part(record.new_image().unwrap()));
        assert!(json.get("oldImage").is_none() && record.old_image().is_none());
        assert_eq!(json["eventID"], record.event_id().as_str());
        assert_eq!(json["tableName"], "us\"ers");
        assert_eq!(json["timestamp"], -7);
        json["keys"]["_id"].as_i64().unwrap()
    }

    fn ids(writer: &mut RecordWriter) -> Vec<i64> {
        writer.finish().iter().map(|record| id(record)).collect()
    }

    #[test]
    fn records_of_any_size_come_whole_and_in_their_order() {
        let mut writer = RecordWriter::new();
        for _ in 0..2 {
            let sizes = [10, 20_000, 0, 6000, 6000, 6000, 100_000, 10];
            let samples = (0..).zip(sizes).map(|(id, size)| Sample(id, size));
            for (count, sample) in samples.enumerate() {
                assert_eq!(writer.len(), count);
                write(&mut writer, &sample).unwrap();
            }
            assert_eq!(ids(&mut writer), [0, 1, 2, 3, 4, 5, 6, 7]);
            assert!(writer.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let mut writer = RecordWriter::new();
        for (id, size) in [(1, 10), (-1, 10), (2, 10), (-2, 30_000), (3, 10)] {
            assert_eq!(write(&mut writer, &Sample(id, size)).is_err(), id < 0);
        }
        assert_eq!(ids(&mut writer), [1, 2, 3]);
    }

    #[test]
    fn what_is_taken_back_makes_room_for_others_also_across_buffers() {
        for kept in 0..=6 {
            let mut writer = RecordWriter::new();
            for id in 0..6 {
                write(&mut writer, &Sample(id, 6000)).unwrap();
            }
            writer.truncate(usize::try_from(kept).unwrap());
            write(&mut writer, &Sample(9, 10)).unwrap();
            let expected: Vec<_> = (0..kept).chain([9]).collect();
            assert_eq!(ids(&mut writer), expected);
        }
    }

    #[test]
    fn a_size_is_that_of_the_json() {
        let mut writer = RecordWriter::new();
        let size = write(&mut writer, &Sample(1, 10)).unwrap();
        assert_eq!(writer.finish()[0].size(), size);
    }

    #[test]
    fn records_share_buffers_that_stay_small() {
        let mut writer = RecordWriter::new();
        for id in 0..100 {
            write(&mut writer, &Sample(id, 1000)).unwrap();
        }
        let records = writer.finish();
        let ends = records.iter().map(|record| record.json().as_ptr_range());
        let shared = ends
            .clone()
            .zip(ends.skip(1))
            .filter(|(one, next)| one.end == next.start);
        assert!(shared.count() >= 85);
        let alone = records[3].detached();
        assert_eq!(id(&alone), 3);
        let place = alone.json().as_ptr();
        assert!(
            !records
                .iter()
                .any(|record| record.json().as_ptr_range().contains(&place))
        );
    }
}
