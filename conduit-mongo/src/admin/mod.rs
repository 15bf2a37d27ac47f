//! Administration: the collections that are watched, their indexes and images, and the replica set.

mod collection_admin;
mod error;
mod index;
mod layout;
mod plan;
mod replica_set;
mod server_version;
mod step;

pub use collection_admin::CollectionAdmin;
pub use error::{AdminError, AdminErrorKind, AdminField};
pub use layout::{CollectionLayout, Origin, StoredImages};
pub use replica_set::{ReplicaSetState, initiate_replica_set};
pub use server_version::ServerVersion;
