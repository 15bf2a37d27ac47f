//! Which collections a database has.

use bson::doc;
use mongodb::Database;
use mongodb::error::Error;

use crate::server_error::{code, code_of};

/// Lists the collections whose changes a stream of the database can bring; nothing without the right to list them.
///
/// Views have no changes, and those of system collections are not told.
pub(super) async fn list_collections(database: &Database) -> Result<Option<Vec<String>>, Error> {
    let names = database
        .list_collection_names()
        .filter(doc! { "type": "collection" })
        .authorized_collections(false)
        .await;
    match names {
        Ok(mut names) => {
            names.retain(|name| !name.starts_with("system."));
            Ok(Some(names))
        }
        Err(error) if code_of(&error) == Some(code::UNAUTHORIZED) => Ok(None),
        Err(error) => Err(error),
    }
}
