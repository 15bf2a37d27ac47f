//! What is in hand, read ahead and waiting stays within its bounds.

use std::collections::HashSet;

use super::super::happening::Happening;
use super::super::names;
use super::super::violation::Violation;
use super::super::world::World;
use super::{Invariant, Observation};

const NAME: &str = "bounded memory";

/// No more calls at once and no more records in a call than the destination takes; no more waiting and no more read ahead
/// than the settings allow, but for what was on its way when the bound was reached.
#[derive(Debug, Default)]
pub(in super::super) struct BoundedMemory {
    /// Destinations whose position the store has set back while somebody reads on from where it was.
    set_back: HashSet<usize>,
}

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
            Happening::Read {
                session,
                collection,
                end,
            } => {
                // One that was frozen reads on from where it was, until it knows that another has the lease: what it had
                // committed last may never have come through, and is not known here.
                let holder = seen.world.holder(*collection);
                if holder.is_some_and(|holder| holder.session != *session) {
                    return Ok(());
                }
                self.check_read(seen.world, *collection, *end)
            }
            Happening::Restored { .. } => {
                self.set_back.extend(0..seen.world.destinations.len());
                Ok(())
            }
            Happening::Loaded { destination, .. } => {
                self.set_back.remove(destination);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl BoundedMemory {
    /// Streams are not told apart by destination, so the one that is farthest counts.
    fn check_read(&self, world: &World, collection: usize, end: usize) -> Result<(), Violation> {
        let settings = &world.settings;
        let batches = world.max_read + 1;
        // The tracker's bound; what its position has passed and the draft, or the commit in flight, still holds; and the
        // batches that are read while it is full.
        let most = 3 * (settings.max_ahead + settings.max_in_flight_records + batches) + 3 * batches;
        if end <= most {
            return Ok(());
        }
        let of_collection = world
            .destinations
            .iter()
            .enumerate()
            .filter(|(_, destination)| destination.plan.collection == collection);
        let mut least = None;
        for (number, destination) in of_collection {
            let Some(progress) = &destination.shelf.progress else {
                return Ok(());
            };
            if self.set_back.contains(&number) {
                return Ok(());
            }
            let shelf = &destination.shelf;
            // What the store knows as settled takes no memory when it is read again.
            let is_ahead = |record: &&usize| {
                let contents = &world.records[**record];
                **record < end
                    && !shelf.delivered.contains(record)
                    && !shelf.dead.contains(record)
                    && !shelf.waits(**record)
                    && !progress.position.covers(contents.time(), contents.sequence())
                    && world.is_wanted(number, progress.life, **record)
            };
            let ahead = world.of_collection(collection).iter().filter(is_ahead).count();
            least = Some(least.map_or(ahead, |least: usize| least.min(ahead)));
        }
        match least {
            Some(ahead) if ahead > most => Err(Violation {
                invariant: NAME,
                message: format!(
                    "{ahead} records of c{collection} are read ahead of the position, {most} are the most"
                ),
                destination: None,
            }),
            _ => Ok(()),
        }
    }
}

fn check_waiting(world: &World, destination: usize, waiting: u64) -> Result<(), Violation> {
    let settings = &world.settings;
    // Everything unsettled may come to wait, and a batch is admitted as a whole.
    let most = settings.max_waiting_records + settings.max_in_flight_records + world.max_read + 1;
    if waiting > most as u64 {
        let message = format!("{waiting} records wait, {most} are the most");
        return Err(Violation::at(NAME, destination, message));
    }
    Ok(())
}
