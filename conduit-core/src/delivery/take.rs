//! What of a queue goes into one call.

use std::collections::VecDeque;

use super::call::Job;
use super::key_table::Admission;
use crate::contract::{Outcome, SameKey, SinkLimits};
use crate::value::RecordKey;

/// Of a queue that is longer, so many times a call's records are looked at: there may be many of few keys.
const LOOK_AHEAD: usize = 4;

/// Takes the next call's records off a queue: the first of each key, in their order, as many as fit; more of a key where the
/// destination applies them in order. What `admit` holds back is settled and left out.
pub(super) fn take_call(
    queue: &mut VecDeque<Job>,
    limits: &SinkLimits,
    admit: impl Fn(RecordKey) -> Admission,
) -> Vec<Job> {
    let most = limits.max_records.max(1);
    let mut jobs: Vec<Job> = Vec::new();
    let mut passed_over: Vec<Job> = Vec::new();
    let mut bytes = 0;
    while jobs.len() < most && passed_over.len() < most * LOOK_AHEAD {
        let Some(next) = queue.front() else { break };
        let (key, size) = (next.record.key(), next.record.size());
        // One that cannot be sent goes alone, so that it takes no other with it.
        let is_alone = next.record.fault().is_some() || size > limits.max_bytes;
        let fits = jobs.is_empty() || (bytes + size <= limits.max_bytes && !is_alone);
        if !fits {
            break;
        }
        let Some(job) = queue.pop_front() else { break };
        let is_of = |other: &Job| other.record.key() == key;
        let repeats = limits.same_key == SameKey::OncePerCall && jobs.iter().any(is_of);
        if repeats || passed_over.iter().any(is_of) {
            passed_over.push(job);
            continue;
        }
        match admit(key) {
            Admission::Behind => job.settle(Outcome::Behind, None),
            Admission::Send => {
                bytes += size;
                jobs.push(job);
                if is_alone {
                    break;
                }
            }
        }
    }
    for job in passed_over.into_iter().rev() {
        queue.push_front(job);
    }
    jobs
}
