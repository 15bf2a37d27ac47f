//! A record as an entry of `PutEvents`, and how many entries one call can hold.

use std::ops::Range;

use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_eventbridge::types::builders::PutEventsRequestEntryBuilder;
use conduit_core::Record;

use crate::format::PayloadFormat;

/// What an entry's time counts, whatever it is.
const TIME_SIZE: usize = 14;

/// What entries have in common.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) event_bus_name: String,
    pub(super) source: String,
    pub(super) detail_type: Option<String>,
    pub(super) format: PayloadFormat,
}

impl Template {
    fn detail_type<'a>(&'a self, record: &'a Record) -> &'a str {
        self.detail_type
            .as_deref()
            .unwrap_or_else(|| record.record_type().as_str())
    }

    /// Returns what the record's entry counts towards the size of a call: 14 bytes for the time, and the bytes of source,
    /// detail type, detail and resource. What JSON adds on the way does not count.
    pub(super) fn size(&self, record: &Record) -> usize {
        TIME_SIZE
            + self.source.len()
            + self.detail_type(record).len()
            + self.format.encode(record).len()
            + record.collection().as_str().len()
    }

    /// Returns how many bytes of records a call of so many can hold at most: one record, of a collection without a name.
    pub(super) fn most_record_bytes(&self, max_request_bytes: usize) -> usize {
        const RECORD_TYPE: usize = "INSERT".len();
        let detail_type = self.detail_type.as_ref().map_or(RECORD_TYPE, String::len);
        max_request_bytes - TIME_SIZE - self.source.len() - detail_type
    }

    /// Makes the record's entry; `None` if its JSON is not UTF-8, which no record's is.
    pub(super) fn entry(&self, record: &Record) -> Option<PutEventsRequestEntry> {
        let detail = self.format.encode(record);
        let detail = std::str::from_utf8(&detail).ok()?;
        let builder: PutEventsRequestEntryBuilder = PutEventsRequestEntry::builder();
        Some(
            builder
                .time(DateTime::from_millis(record.timestamp().as_millis()))
                .source(&self.source)
                .resources(record.collection().as_str())
                .detail_type(self.detail_type(record))
                .detail(detail)
                .event_bus_name(&self.event_bus_name)
                .build(),
        )
    }
}

/// Cuts entries of these sizes into calls, in order: each as long as it can be with at most `max_entries` entries and
/// `max_bytes` bytes. An entry that is larger by itself gets a call of its own.
pub(super) fn calls(sizes: &[usize], max_entries: usize, max_bytes: usize) -> Vec<Range<usize>> {
    let mut calls = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, size) in sizes.iter().enumerate() {
        if index > start && (index - start == max_entries || bytes + size > max_bytes) {
            calls.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < sizes.len() {
        calls.push(start..sizes.len());
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_as_long_as_they_can_be_and_in_order() {
        let ends = |sizes: &[usize]| -> Vec<usize> {
            let calls = calls(sizes, 10, 100);
            let starts = calls.iter().map(|call| call.start);
            assert!(
                starts.eq([0]
                    .into_iter()
                    .chain(calls.iter().map(|call| call.end))
                    .take(calls.len()))
            );
            calls.iter().map(|call| call.end).collect()
        };
        assert!(ends(&[]).is_empty());
        assert_eq!(ends(&[1; 10]), [10]);
        assert_eq!(ends(&[1; 21]), [10, 20, 21]);
        assert_eq!(ends(&[60, 40, 1]), [2, 3]);
        assert_eq!(ends(&[60, 41, 1]), [1, 3]);
        assert_eq!(ends(&[200, 1]), [1, 2]);
    }
}
