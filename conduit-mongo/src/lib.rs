//! MongoDB for Conduit: change streams as a watcher, documents as JSON, administration of watched
//! collections.

mod admin;
mod document;
mod server_error;
mod watcher;

pub use admin::{
    AdminError, AdminErrorKind, AdminField, CollectionAdmin, CollectionLayout, Origin, ReplicaSetState,
    ServerVersion, StoredImages, initiate_replica_set,
};
pub use document::{DecodeError, write_json};
pub use server_error::describe;
pub use watcher::{MongoWatcher, StreamSettings};
