//! What is in hand, read ahead and waiting stays within its bounds.

use super::super::happening::Happening;
use super::super::names;
use super::super::violation::Violation;
use super::super::world::World;
use super::{Invariant, Observation};

const NAME: &str = "bounded memory";

/// No more calls at once and no more records in a call than the destination takes; no more waiting and no more read ahead
/// than the settings allow, but for what was on its way when the bound was reached.
#[derive(Debug, Default)]
pub(in super::super) struct BoundedMemory;

impl Invariant for BoundedMemory {
    fn check(&mut self, seen: &Observation<'_>) -> Result<(), Violation> {
        match seen.happening {
            Happening::Sent {
                life,
                records,
                in_hand,
                concurrency,
                max_records,
                ..
            } => {
                let destination = seen.world.lives[*life].destination;
                let wrong = |message| Err(Violation::at(NAME, destination, message));
                if in_hand > concurrency {
                    return wrong(format!("{in_hand} calls at once, {concurrency} are allowed"));
                }
                if records.len() > *max_records {
                    let count = records.len();
                    return wrong(format!("{count} records in a call, {max_records} are allowed"));
                }
                Ok(())
            }
            Happening::Status { collections, .. } => {
                for status in collections.iter().flat_map(|collection| &collection.destinations) {
                    if let Some(destination) = names::number_of_destination(&status.id) {
                        check_waiting(seen.world, destination, status.retry_length)?;
                    }
                }
                Ok(())
            }
            Happening::Read { collection, held } => check_held(seen.world, *collection, *held),
            _ => Ok(()),
        }
    }
}

/// Of each destination in memory: what is unsettled; what is settled and in the draft or in the commit in flight; what
/// waits and is not in the store yet; the batches that are in its queue, being judged, and waiting at the hub.
fn check_held(world: &World, collection: usize, held: usize) -> Result<(), Violation> {
    let settings = &world.settings;
    let batch = settings.max_read_records + 1;
    let settling = settings.max_ahead + settings.max_in_flight_records + batch;
    let of_each = 3 * settling + settings.max_waiting_records + 4 * batch;
    let destinations = world.destinations.iter();
    let count = destinations
        .filter(|destination| destination.plan.collection == collection)
        .count();
    // The batch that has just been read is nobody's yet.
    let most = count * of_each + batch;
    if held > most {
        return Err(Violation {
            invariant: NAME,
            message: format!("{held} records of c{collection} are in memory, {most} are the most"),
            destination: None,
        });
    }
    Ok(())
}

fn check_waiting(world: &World, destination: usize, waiting: u64) -> Result<(), Violation> {
    let settings = &world.settings;
    // Everything unsettled may come to wait, and a batch is admitted as a whole.
    let most = settings.max_waiting_records + settings.max_in_flight_records + settings.max_read_records + 1;
    if waiting > most as u64 {
        let message = format!("{waiting} records wait, {most} are the most");
        return Err(Violation::at(NAME, destination, message));
    }
    Ok(())
}
