//! MongoDB for Conduit: change streams as a watcher, documents as JSON, administration of watched
//! collections.

mod admin;
mod document;
mod oplog_window;
mod server_error;
mod watcher;

pub use admin::{
    AdminError, AdminErrorKind, AdminField, CollectionAdmin, CollectionLayout, Denial, Deployment,
    DeploymentKind, Difference, History, Origin, Privileges, ReplicaSetState, ServerVersion, SetHealth,
    StoredImages, initiate_replica_set, observe_deployment,
};
pub use document::{DecodeError, write_json};
pub use oplog_window::{OplogAnswer, OplogWindow};
pub use server_error::describe;
pub use watcher::{MongoWatcher, StreamSettings};
