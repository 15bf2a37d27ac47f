//! Against a real MongoDB: see `conduit_testkit::servers::shared_mongodb_uri`.

// All of it is tests; clippy only knows the functions that are marked so.
#![allow(clippy::unwrap_used)]

mod administration;
mod disturbances;
mod faults;
mod inspection;
mod keys_and_images;
mod look_ups;
mod names;
mod oplog;
mod oversize;
mod positions;
mod records;
mod scene;
mod suite;
