//! Which cluster a position belongs to.

use bson::doc;
use mongodb::Database;
use mongodb::error::Error;

use crate::server_error::{code, code_of};

const ID: &str = "id:";

/// Asks for the cluster's identity: `id:` and the replica set's id, or without the right to read the
/// configuration `set:` and its name; empty if it has neither (a sharded cluster).
pub(super) async fn source_identity(database: &Database) -> Result<String, Error> {
    let admin = database.client().database("admin");
    match admin.run_command(doc! { "replSetGetConfig": 1 }).await {
        Ok(reply) => {
            let settings = reply
                .get_document("config")
                .and_then(|config| config.get_document("settings"));
            if let Ok(id) = settings.and_then(|settings| settings.get_object_id("replicaSetId")) {
                return Ok(format!("{ID}{id}"));
            }
        }
        Err(error) => match code_of(&error) {
            Some(code::UNAUTHORIZED | code::COMMAND_NOT_FOUND | code::NO_REPLICATION_ENABLED) => {}
            _ => return Err(error),
        },
    }
    let hello = admin.run_command(doc! { "hello": 1 }).await?;
    Ok(hello
        .get_str("setName")
        .map_or_else(|_| String::new(), |name| format!("set:{name}")))
}

/// Whether two identities are surely those of different clusters.
///
/// An id and a name cannot be compared: the right to read the configuration may have been given or taken
/// meanwhile.
pub(super) fn is_other_cluster(one: &str, other: &str) -> bool {
    let comparable = one.starts_with(ID) == other.starts_with(ID) && !one.is_empty() && !other.is_empty();
    comparable && one != other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_identities_of_one_kind_can_differ() {
        assert!(is_other_cluster("id:a", "id:b"));
        assert!(is_other_cluster("set:a", "set:b"));
        for (one, other) in [("id:a", "id:a"), ("id:a", "set:b"), ("", "id:a"), ("set:a", "")] {
            assert!(!is_other_cluster(one, other), "{one} {other}");
        }
    }
}
