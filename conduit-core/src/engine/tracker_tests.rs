use super::*;
use crate::value::{CollectionName, EventId, RecordKey, RecordParts, RecordType};

fn record(sequence: Sequence) -> Record {
    Record::new(RecordParts {
        event_id: EventId::new(sequence.as_str()),
        collection: CollectionName::new("c").unwrap(),
        record_type: RecordType::Insert,
        key: RecordKey::of(b"k"),
        keys: b"{}",
        new_image: None,
        old_image: None,
        timestamp: WallTime::from_millis(5),
        time: ClusterTime::new(1, 0),
        sequence,
    })
}

fn token(position: &Position) -> &str {
    position.token().unwrap_or("")
}

fn tracker_with(tokens: &[&str]) -> Tracker {
    let mut tracker = Tracker::new(Position::at_time(ClusterTime::new(1, 0)));
    for token in tokens {
        tracker.push(&record(Sequence::whole(token)), Arrival::Unsettled);
    }
    tracker
}

#[test]
fn the_position_moves_only_over_an_unbroken_run_of_settled_records() {
    let mut tracker = tracker_with(&["a", "b", "c"]);
    tracker.settle(2);
    assert_eq!(token(tracker.position()), "");
    assert_eq!(tracker.take_ahead(), [Sequence::whole("c")]);
    tracker.settle(0);
    assert_eq!(token(tracker.position()), "a");
    assert!(tracker.take_ahead().is_empty());
    tracker.settle(1);
    assert_eq!(token(tracker.position()), "c");
    assert_eq!(
        (tracker.unsettled(), tracker.unsettled_bytes(), tracker.len()),
        (0, 0, 0)
    );
}

#[test]
fn a_batch_position_counts_once_everything_before_it_is_settled() {
    let mut tracker = tracker_with(&["a"]);
    tracker.end_batch(Position::after(ClusterTime::new(2, 0), "m", Arc::default()));
    assert_eq!(token(tracker.position()), "");
    tracker.settle(0);
    assert_eq!(token(tracker.position()), "m");
    tracker.end_batch(Position::after(ClusterTime::new(3, 0), "n", Arc::default()));
    assert_eq!(token(tracker.position()), "n");
}

#[test]
fn the_position_never_stands_between_the_two_records_of_a_change() {
    let mut tracker = tracker_with(&["a"]);
    let (first, second) = Sequence::pair("b");
    tracker.push(&record(first.clone()), Arrival::Unsettled);
    tracker.push(&record(second), Arrival::Unsettled);
    tracker.settle(0);
    tracker.settle(1);
    assert_eq!(token(tracker.position()), "a");
    assert_eq!(tracker.take_ahead(), [first]);
    tracker.settle(2);
    assert_eq!(token(tracker.position()), "b");
}

#[test]
fn a_position_never_goes_back() {
    let mut tracker = tracker_with(&[]);
    tracker.end_batch(Position::after(ClusterTime::new(3, 0), "n", Arc::default()));
    tracker.end_batch(Position::after(ClusterTime::new(2, 0), "m", Arc::default()));
    assert_eq!(token(tracker.position()), "n");
}

#[test]
fn a_record_that_needs_nothing_is_passed_over_in_its_turn() {
    let mut tracker = tracker_with(&["a"]);
    tracker.push(&record(Sequence::whole("b")), Arrival::Settled);
    assert_eq!(token(tracker.position()), "");
    tracker.settle(0);
    assert_eq!(token(tracker.position()), "b");
    assert!(tracker.take_ahead().is_empty());
}
