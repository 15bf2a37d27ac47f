use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::contract::Settlements;
use crate::value::{
    ClusterTime, CollectionName, EventId, Record, RecordParts, RecordType, Sequence, WallTime,
};

/// A queue, and what its records are settled as.
struct Scene {
    queue: LaneQueue,
    settlements: Settlements,
}

impl Scene {
    fn new(max_records: usize, same_key: SameKey) -> Self {
        let limits = SinkLimits {
            max_records,
            same_key,
            linger: Duration::from_secs(1),
            ..SinkLimits::default()
        };
        Self {
            queue: LaneQueue::new(limits),
            settlements: Settlements::default(),
        }
    }

    /// Records named by their key, a letter, and a number.
    fn push(&mut self, names: &[&str]) {
        for name in names {
            let record = Record::new(RecordParts {
                event_id: EventId::new(*name),
                collection: CollectionName::new("c").unwrap(),
                record_type: RecordType::Insert,
                key: key(name),
                keys: b"{}",
                new_image: None,
                old_image: None,
                timestamp: WallTime::from_millis(0),
                time: ClusterTime::new(1, 0),
                sequence: Sequence::whole(name),
            });
            let (_, receipt) = self.settlements.receipt();
            self.queue
                .push(Job::new(Arc::new(record), receipt, Instant::now()));
        }
    }

    fn take(&mut self) -> Vec<String> {
        names(&self.queue.take(|_| Admission::Send))
    }

    fn release(&mut self, names: &[&str]) {
        for name in names {
            self.queue.release(key(name));
        }
    }
}

fn key(name: &str) -> RecordKey {
    RecordKey::of(&name.as_bytes()[..1])
}

fn names(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| job.record.event_id().to_string()).collect()
}

#[test]
fn a_call_takes_the_oldest_record_of_each_lane_that_is_in_no_call() {
    let mut scene = Scene::new(3, SameKey::OncePerCall);
    scene.push(&["a1", "a2", "b1", "a3", "c1", "d1", "e1"]);
    assert_eq!(scene.take(), ["a1", "b1", "c1"]);
    assert_eq!(scene.take(), ["d1", "e1"]);
    assert_eq!(scene.take(), [""; 0]);
    scene.push(&["f1", "b2"]);
    scene.release(&["a", "b", "c"]);
    assert_eq!(scene.take(), ["a2", "f1", "b2"]);
    assert_eq!(scene.queue.len(), 1);
    scene.release(&["a"]);
    assert_eq!(scene.take(), ["a3"]);
    scene.release(&["a"]);
    assert_eq!((scene.take(), scene.queue.len()), (Vec::new(), 0));
}

#[test]
fn where_a_key_may_be_in_a_call_twice_its_records_go_together_and_never_into_two_calls() {
    let mut scene = Scene::new(3, SameKey::InOrder);
    scene.push(&["a1", "a2", "b1", "a3", "a4", "a5", "b2", "a6"]);
    assert_eq!(scene.take(), ["a1", "a2", "b1"]);
    assert_eq!(scene.take(), [""; 0]);
    scene.release(&["b"]);
    assert_eq!(scene.take(), ["b2"]);
    scene.release(&["a"]);
    assert_eq!(scene.take(), ["a3", "a4", "a5"]);
    scene.push(&["a7"]);
    scene.release(&["a"]);
    assert_eq!(scene.take(), ["a6", "a7"]);
}

#[test]
fn a_record_that_is_held_back_is_settled_so_and_the_next_of_its_lane_is_looked_at() {
    let mut scene = Scene::new(2, SameKey::OncePerCall);
    scene.push(&["a1", "a2", "a3", "b1"]);
    assert_eq!(scene.take(), ["a1", "b1"]);
    scene.release(&["a", "b"]);
    let waits = |asked: RecordKey| match asked == key("a") {
        true => Admission::Behind,
        false => Admission::Send,
    };
    assert_eq!(names(&scene.queue.take(waits)), [""; 0]);
    assert_eq!(scene.queue.len(), 0);
    let held_back: Vec<u64> = std::iter::from_fn(|| scene.settlements.try_next())
        .filter(|settled| matches!(settled.outcome, Outcome::Behind))
        .map(|settled| settled.ticket)
        .collect();
    assert_eq!(held_back, [1, 2]);
    scene.push(&["a4"]);
    assert_eq!(scene.take(), ["a4"]);
}

/// Several records of a key in one call gave its lane back several times, so that two calls had records of it at once.
#[test]
fn a_lane_with_several_records_in_a_call_is_given_back_once() {
    let mut scene = Scene::new(2, SameKey::InOrder);
    scene.push(&["a1", "a2", "a3", "a4", "a5", "a6", "b1"]);
    assert_eq!(scene.take(), ["a1", "a2"]);
    assert_eq!(scene.take(), ["b1"]);
    scene.release(&["a", "a"]);
    assert_eq!(scene.take(), ["a3", "a4"]);
    assert_eq!(scene.take(), [""; 0]);
}

#[test]
fn what_is_taken_out_keeps_the_order_of_each_key_and_lanes_in_hand_stay_so() {
    let mut scene = Scene::new(1, SameKey::OncePerCall);
    scene.push(&["a1", "a2", "b1", "b2", "b3"]);
    assert_eq!(
        (scene.take(), scene.take()),
        (vec!["a1".into()], vec!["b1".into()])
    );
    assert_eq!(scene.take(), [""; 0]);
    scene.push(&["a3", "b4", "c1"]);
    scene.release(&["b"]);
    assert_eq!(names(&scene.queue.drain()), ["b2", "b3", "a2", "a3", "b4", "c1"]);
    scene.push(&["a5", "b5"]);
    assert_eq!(scene.take(), ["b5"]);
    assert_eq!(scene.take(), [""; 0]);
    scene.release(&["a"]);
    assert_eq!(scene.take(), ["a5"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_full_waits_until_its_oldest_record_has_waited_long_enough() {
    let mut scene = Scene::new(3, SameKey::OncePerCall);
    assert_eq!(scene.queue.lingers(), None);
    let until = Instant::now() + Duration::from_secs(1);
    scene.push(&["a1", "a2"]);
    assert_eq!(scene.queue.lingers(), Some(until));
    assert_eq!(scene.take(), ["a1"]);
    tokio::time::advance(Duration::from_millis(500)).await;
    scene.push(&["a3", "b1"]);
    assert_eq!(
        scene.queue.lingers(),
        Some(until + Duration::from_millis(500)),
        "what waits for a key in hand cannot fill a call"
    );
    scene.release(&["a"]);
    assert_eq!(scene.queue.lingers(), Some(until));
    scene.push(&["c1"]);
    assert_eq!(scene.queue.lingers(), None, "a full call waits for nothing");
}
