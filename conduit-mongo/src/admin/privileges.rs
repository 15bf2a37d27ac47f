//! What the user of the connection may do.

use std::collections::BTreeSet;

use bson::{Bson, Document, doc};

use super::collection_admin::CollectionAdmin;
use super::deployment::ask;
use super::error::AdminError;

/// What the user of the connection may do, as far as MongoDB tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Privileges {
    user: Option<String>,
    granted: Vec<Grant>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Grant {
    /// `None`: in every database; the empty name stands for the same.
    database: Option<String>,
    /// `None`: on every collection; the empty name stands for all but system collections.
    collection: Option<String>,
    actions: BTreeSet<String>,
}

impl Privileges {
    fn of(status: &Document) -> Self {
        let info = status.get_document("authInfo").ok();
        let list = |name: &str| {
            let found = info.and_then(|info| info.get_array(name).ok());
            found
                .into_iter()
                .flatten()
                .filter_map(Bson::as_document)
                .collect::<Vec<_>>()
        };
        let name = |user: &&Document| {
            Some(format!(
                "{}.{}",
                user.get_str("db").ok()?,
                user.get_str("user").ok()?
            ))
        };
        Self {
            user: list("authenticatedUsers").first().and_then(name),
            granted: list("authenticatedUserPrivileges")
                .into_iter()
                .filter_map(Grant::of)
                .collect(),
        }
    }

    /// Returns who is signed in, as `database.name`; `None` if nobody is, who then may do everything or, where the server
    /// wants a user, nothing.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns which of the actions the user may not do on a collection, or, if its name is empty, on some collection of the
    /// database.
    #[must_use]
    pub fn missing<'a>(&self, database: &str, collection: &str, actions: &[&'a str]) -> Vec<&'a str> {
        let is_granted = |action: &str| {
            let covers = |grant: &&Grant| grant.covers(database, collection);
            self.granted
                .iter()
                .filter(covers)
                .any(|grant| grant.actions.contains(action))
        };
        actions
            .iter()
            .copied()
            .filter(|action| !is_granted(action))
            .collect()
    }
}

impl Grant {
    /// `None` for a privilege on the cluster.
    fn of(privilege: &Document) -> Option<Self> {
        let resource = privilege.get_document("resource").ok()?;
        let is_any = resource.get_bool("anyResource").unwrap_or(false);
        let part = |name: &str| {
            resource
                .get_str(name)
                .ok()
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        };
        if !is_any && !resource.contains_key("db") {
            return None;
        }
        let actions = privilege.get_array("actions").ok()?;
        Some(Self {
            database: part("db"),
            collection: part("collection"),
            actions: actions
                .iter()
                .filter_map(Bson::as_str)
                .map(str::to_owned)
                .collect(),
        })
    }

    fn covers(&self, database: &str, collection: &str) -> bool {
        self.database.as_deref().is_none_or(|own| own == database)
            && self.collection.as_deref().is_none_or(|own| own == collection)
    }
}

impl CollectionAdmin {
    /// Asks what the user of the connection may do.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn privileges(&self) -> Result<Privileges, AdminError> {
        let command = doc! { "connectionStatus": 1, "showPrivileges": true };
        let status = ask(&self.admin_database(), command, "ask for the user's rights").await?;
        Ok(Privileges::of(&status))
    }

    /// Opens a change stream on the database, as the watcher does, and closes it.
    ///
    /// # Errors
    /// `NotSupported` by a standalone server, else `Unavailable`; denied without the actions `changeStream` and `find`.
    pub async fn try_change_stream(&self) -> Result<(), AdminError> {
        let open =
            doc! { "aggregate": 1, "pipeline": [{ "$changeStream": {} }], "cursor": { "batchSize": 0 } };
        let reply = ask(self.database(), open, "open a change stream").await?;
        let id = reply
            .get_document("cursor")
            .and_then(|cursor| cursor.get_i64("id"));
        if let Ok(id) = id {
            let close = doc! { "killCursors": "$cmd.aggregate", "cursors": [id] };
            ask(self.database(), close, "close a change stream").await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privileges(granted: Vec<Document>) -> Privileges {
        Privileges::of(&doc! { "authInfo": {
            "authenticatedUsers": [{ "user": "conduit", "db": "admin" }], "authenticatedUserPrivileges": granted,
        } })
    }

    #[test]
    fn a_right_on_the_database_is_one_on_its_collections_and_not_the_other_way_round() {
        let on = |collection: &str| {
            privileges(vec![doc! {
                "resource": { "db": "shop", "collection": collection }, "actions": ["find", "changeStream"],
            }])
        };
        assert_eq!(on("").user(), Some("admin.conduit"));
        assert!(on("").missing("shop", "orders", &["find"]).is_empty());
        assert_eq!(on("").missing("shop", "", &["find", "collMod"]), ["collMod"]);
        assert_eq!(on("").missing("other", "", &["find"]), ["find"]);
        assert_eq!(on("orders").missing("shop", "", &["find"]), ["find"]);
    }

    #[test]
    fn a_right_on_the_cluster_says_nothing_of_a_database() {
        let cluster = doc! { "resource": { "cluster": true }, "actions": ["find"] };
        assert_eq!(privileges(vec![cluster]).missing("shop", "", &["find"]), ["find"]);
        let all = doc! { "resource": { "anyResource": true }, "actions": ["find"] };
        assert!(privileges(vec![all]).missing("shop", "", &["find"]).is_empty());
    }
}
