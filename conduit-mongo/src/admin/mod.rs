//! Administration: the collections that are watched, their indexes and images, and the replica set.

mod collection_admin;
mod error;
mod index;
mod replica_set;
mod server_version;
mod spec;

pub use collection_admin::CollectionAdmin;
pub use error::{AdminError, AdminErrorKind};
pub use replica_set::{ReplicaSetState, initiate_replica_set};
pub use server_version::ServerVersion;
pub use spec::{CollectionSpec, Origin, StoredImages};
