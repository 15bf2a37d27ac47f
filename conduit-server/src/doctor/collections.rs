//! The collections in MongoDB, compared to what is configured.

use conduit_mongo::{AdminError, AdminField, CollectionAdmin, Difference, ServerVersion};
use futures_util::{StreamExt, stream};

use super::check::Check;
use super::finding::Finding;
use super::mongodb::{Mongo, report};
use super::patience::{bounded, no_answer};
use crate::catalog::{CollectionConfig, Entry};

/// How many are asked for at the same time.
const MAX_AT_ONCE: usize = 16;
const STORES_IMAGES: ServerVersion = ServerVersion::new(6, 0, 0);

/// Examines every configured collection.
pub(super) async fn examine(mongo: &Mongo, entries: &[Entry]) -> Vec<Check> {
    let configured: Vec<CollectionConfig> = entries
        .iter()
        .filter(|entry| entry.deleting.is_none())
        .map(|entry| entry.config.clone())
        .collect();
    let asking = configured.into_iter().map(|config| {
        let (admin, version) = (mongo.admin.clone(), mongo.version);
        async move {
            let name = format!("collection {}", config.collection_name);
            Check::new(name, examine_one(admin, &config, version).await)
        }
    });
    stream::iter(asking).buffered(MAX_AT_ONCE).collect().await
}

async fn examine_one(
    admin: CollectionAdmin,
    config: &CollectionConfig,
    version: Option<ServerVersion>,
) -> Finding {
    if config.needs_images()
        && let Some(version) = version.filter(|version| *version < STORES_IMAGES)
    {
        return Finding::failed(
            format!("it needs stored images, and mongodb {version} has none"),
            "Upgrade MongoDB to 6.0 or newer, or set old_image to false and use no key schema.",
        );
    }
    let layout = config.layout();
    let compared = bounded(async move { admin.differences(&layout).await }).await;
    match compared {
        None => Finding::failed(no_answer(), "Look at the load of MongoDB: db.currentOp()."),
        Some(Err(error)) => refused(&error, config),
        Some(Ok(None)) => missing(config),
        Some(Ok(Some(differences))) => judge(&differences, config),
    }
}

fn refused(error: &AdminError, config: &CollectionConfig) -> Finding {
    let name = &config.collection_name;
    let cure = match error.field() {
        Some(AdminField::Name) => format!(
            "Watch the collection that {name} is made of instead, and take {name} out: conduit collections delete {name}"
        ),
        Some(AdminField::Key | AdminField::TimeToLive) => format!(
            "Drop the other index, after a look at who needs it: db.getCollection(\"{name}\").getIndexes()"
        ),
        _ => "Grant the user the roles readWrite and dbAdmin on the database.".to_owned(),
    };
    Finding::failed(report(error), cure)
}

/// MongoDB makes a collection with the first write, but not its indexes and images.
fn missing(config: &CollectionConfig) -> Finding {
    let layout = config.layout();
    let has_needs = config.needs_images() || !layout.key_fields.is_empty() || layout.ttl_attribute.is_some();
    let cure = format!(
        "Start the API once more, or send it the configuration again: {}.",
        send_again(config)
    );
    if has_needs {
        return Finding::failed("it is not there, nor are its indexes and images", cure);
    }
    Finding::warning("it is not there; the first write makes it", cure)
}

fn judge(differences: &[Difference], config: &CollectionConfig) -> Finding {
    if differences.is_empty() {
        return Finding::ok("it is there, with the indexes and images that it needs");
    }
    let found: Vec<String> = differences.iter().map(said).collect();
    let commands: Vec<String> = differences
        .iter()
        .map(|difference| {
            let command = difference.command.clone();
            format!(
                "db.runCommand({})",
                bson::Bson::Document(command).into_relaxed_extjson()
            )
        })
        .collect();
    Finding::failed(
        found.join("; "),
        format!(
            "Send the API the configuration again: {}. Or in mongosh: {}",
            send_again(config),
            commands.join("; ")
        ),
    )
}

fn said(difference: &Difference) -> String {
    let what = &difference.what;
    match difference.field {
        AdminField::Images => {
            "its images are not stored: records come without old images, or with the _id for their key"
                .to_owned()
        }
        AdminField::Key => format!("its key is not guarded by an index as it should be: to do: {what}"),
        _ => format!("its documents do not expire as they should: to do: {what}"),
    }
}

/// A change that changes nothing has the API make the collection what it should be.
fn send_again(config: &CollectionConfig) -> String {
    format!(
        "curl -X PATCH \"$CONDUIT_URL/api/collections/{}\" -H \"Authorization: Bearer $CONDUIT_API_TOKEN\" -H \
         'Content-Type: application/json' -d '{{}}'",
        config.collection_name
    )
}
