//! Nothing is sent by a worker after another one took over.

use std::time::Duration;

use super::super::happening::Happening;
use super::super::violation::Violation;
use super::{Invariant, Observation};

/// Who sends holds the collection's lease at the store. A holder whose lease the store forgot cannot know before it runs out.
#[derive(Debug, Default)]
pub(in super::super) struct NothingSentWithoutTheLease {
    excused_until: Duration,
}

impl Invariant for NothingSentWithoutTheLease {
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        let (session, life, records) = match seen.happening {
            Happening::Sent {
                session,
                life,
                records,
                ..
            } if seen.at >= self.excused_until => (session, life, records),
            Happening::Restored { until, .. } => {
                self.excused_until = *until;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let destination = seen.world.lives[*life].destination;
        let collection = seen.world.destinations[destination].plan.collection;
        let holder = seen.world.holder(collection).map(|holder| holder.session);
        if holder == Some(*session) {
            return Ok(());
        }
        let message = format!("worker run {session} sends {records:?} while the holder is {holder:?}");
        Err(Violation::at(
            "nothing sent without the lease",
            destination,
            message,
        ))
    }
}
