//! The values that travel through Conduit: names, records, keys and positions.

mod clock;
mod key;
mod key_map;
mod name;
mod position;
mod record;
mod record_contents;
mod record_writer;
mod sequence;

pub use clock::{Clock, SystemClock, WallTime};
pub use key::{KeyHasher, RecordKey};
pub(crate) use key_map::KeyMap;
pub use name::{CollectionName, DestinationId, EventId, InvalidName, SubscriptionId, WorkerId};
pub use position::{ClusterTime, Position, StreamIdentity};
pub use record::{Record, RecordHead, RecordParts, RecordType};
pub use record_contents::{PlainImages, RecordContents};
pub use record_writer::RecordWriter;
pub use sequence::Sequence;
