//! What must be true of a simulated world after whatever happens in it, one file each.

mod bounded_memory;
mod duplicates_only_where_allowed;
mod every_retry_ends;
mod invariant;
mod nothing_dead_during_a_hold;
mod nothing_lost;
mod nothing_sent_without_the_lease;
mod order_per_key;
mod positions_never_back;

pub(super) use bounded_memory::BoundedMemory;
pub(super) use duplicates_only_where_allowed::DuplicatesOnlyWhereAllowed;
pub(super) use every_retry_ends::EveryRetryEnds;
pub(super) use invariant::{Invariant, Observation};
pub(super) use nothing_dead_during_a_hold::NothingDeadDuringAHold;
pub(super) use nothing_lost::NothingLost;
pub(super) use nothing_sent_without_the_lease::NothingSentWithoutTheLease;
pub(super) use order_per_key::OrderPerKey;
pub(super) use positions_never_back::PositionsNeverBack;
