//! MongoDB for Conduit: change streams as a watcher, documents as JSON, administration of watched
//! collections.

mod admin;
mod document;
mod oplog_window;
mod server_error;
mod watcher;

pub use admin::{
    AdminError, AdminErrorKind, AdminField, CollectionAdmin, CollectionLayout, Origin, ReplicaSetState,
    ServerVersion, StoredImages, initiate_replica_set,
};
pub use document::{DecodeError, write_json};
pub use oplog_window::{OplogAnswer, OplogWindow};
pub use server_error::describe;
pub use watcher::{MongoWatcher, StreamSettings};
