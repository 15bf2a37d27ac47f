//! The values that travel through Conduit: names, records, keys and positions.

mod clock;
mod key;
mod name;
mod position;
mod record;
mod sequence;

pub use clock::{Clock, SystemClock, WallTime};
pub use key::{KeyHasher, RecordKey};
pub use name::{CollectionName, DestinationId, EventId, InvalidName, SubscriptionId, WorkerId};
pub use position::{ClusterTime, Position, StreamIdentity};
pub use record::{Record, RecordParts, RecordType};
pub use sequence::Sequence;
