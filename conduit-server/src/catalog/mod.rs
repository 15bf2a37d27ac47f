//! The configured collections: what the API takes, checks, shows and stores.

mod change;
mod collection_config;
mod consequence;
mod destination;
mod encryption;
mod endpoint;
mod entry;
mod faults;
mod mark;
mod steering;
mod store;

pub(crate) use change::Change;
pub(crate) use collection_config::{CollectionConfig, MAX_NAME_BYTES};
pub(crate) use consequence::{Comparison, Consequence};
pub(crate) use destination::{COMMON_FIELDS, Destination, pattern_faults};
pub(crate) use endpoint::check_endpoint;
pub(crate) use entry::{Deletion, Entry};
pub(crate) use faults::{Fault, Faults, Fields, kind_of, parse_duration, show_duration, whole_number};
pub(crate) use mark::Mark;
pub(crate) use steering::MarkUpdate;
pub(crate) use store::{Catalog, CatalogError};

/// Where the configuration lives, in the database whose collections are watched.
pub(crate) const CATALOG_COLLECTION: &str = "config.collections";
