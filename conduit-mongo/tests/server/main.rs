//! Against a real MongoDB: see `conduit_testkit::servers::shared_mongodb_uri`.

mod scene;

mod administration;
mod disturbances;
mod keys_and_images;
mod positions;
mod records;
