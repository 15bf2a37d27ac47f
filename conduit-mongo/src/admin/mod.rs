//! Administration: the collections that are watched, their indexes and images, and the replica set.

mod collection_admin;
mod deployment;
mod difference;
mod error;
mod history;
mod index;
mod layout;
mod plan;
mod privileges;
mod replica_set;
mod server_version;
mod step;

pub use collection_admin::CollectionAdmin;
pub use deployment::{Deployment, DeploymentKind, SetHealth, observe_deployment};
pub use difference::Difference;
pub use error::{AdminError, AdminErrorKind, AdminField, Denial};
pub use history::History;
pub use layout::{CollectionLayout, Origin, StoredImages};
pub use privileges::Privileges;
pub use replica_set::{ReplicaSetState, initiate_replica_set};
pub use server_version::ServerVersion;
