//! Administration: the collections that are watched, their indexes and images, and the replica set.

mod collection_admin;
mod error;
mod index;
mod layout;
mod replica_set;
mod server_version;

pub use collection_admin::CollectionAdmin;
pub use error::{AdminError, AdminErrorKind};
pub use layout::{CollectionLayout, Origin, StoredImages};
pub use replica_set::{ReplicaSetState, initiate_replica_set};
pub use server_version::ServerVersion;
