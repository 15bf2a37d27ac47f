//! A collection's configuration: what the API takes, shows and stores.

use conduit_core::{CollectionName, ImageFormat, Images, SubscriptionId, WatchTarget};
use conduit_mongo::{CollectionLayout, StoredImages};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::destination::{Destination, DestinationContext};
use super::faults::{Faults, Fields};
use crate::destination_type::DestinationTypes;

/// A validated configuration. Stored in `config.collections`, secrets included, which are encrypted if there is a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CollectionConfig {
    pub(crate) collection_name: CollectionName,
    pub(crate) primary_key: Option<String>,
    pub(crate) sort_key: Option<String>,
    pub(crate) stream_enabled: bool,
    pub(crate) old_image: bool,
    pub(crate) ttl_attribute: Option<String>,
    pub(crate) deletion_protection: bool,
    pub(crate) image_format: ImageFormat,
    pub(crate) destinations: Vec<Destination>,
}

/// The longest name: a namespace is at most 255 bytes with the database's name, which is at most 63.
pub(crate) const MAX_NAME_BYTES: usize = 190;
const KNOWN: &str = "collection_name, primary_key, sort_key, stream_enabled, old_image, ttl_attribute, \
                     deletion_protection, image_format, destinations";

impl CollectionConfig {
    /// Reads and checks a body. `stored` is the configuration that it replaces: each field of the key schema that is left
    /// out stays, and a masked secret keeps its stored value. `filters` are those of the destinations as they were written,
    /// as far as that is known.
    ///
    /// # Errors
    /// Every fault of the body.
    pub(crate) fn read(
        body: Value,
        stored: Option<&Self>,
        (types, filters): (&DestinationTypes, &[Option<String>]),
    ) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let config = Self::collect(body, stored, (types, filters), &mut faults);
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(faults),
        }
    }

    fn collect(
        body: Value,
        stored: Option<&Self>,
        (types, filters): (&DestinationTypes, &[Option<String>]),
        faults: &mut Faults,
    ) -> Option<Self> {
        let mut fields = Fields::of(body, "", faults)?;
        let collection_name = read_name(&mut fields, stored);
        let has_primary_key =
            fields.has("primary_key") || stored.is_some_and(|stored| stored.primary_key.is_some());
        let primary_key = read_field_name(&mut fields, "primary_key");
        let sort_key = read_field_name(&mut fields, "sort_key");
        let ttl_attribute = read_field_name(&mut fields, "ttl_attribute");
        let stream_enabled = fields.boolean("stream_enabled", false);
        let old_image = fields.boolean("old_image", false);
        let deletion_protection = fields.boolean("deletion_protection", true);
        let image_format = match fields.string("image_format").as_deref() {
            None | Some("json") => ImageFormat::Json,
            Some("extjson") => ImageFormat::Extjson,
            Some(_) => {
                fields.fault("image_format", "must be \"json\" or \"extjson\"");
                ImageFormat::Json
            }
        };
        let destinations = fields.array("destinations").unwrap_or_default();
        if sort_key.is_some() && !has_primary_key {
            fields.fault("sort_key", "needs primary_key");
        }
        if sort_key.is_some() && sort_key == primary_key {
            fields.fault("sort_key", "must be another field than primary_key");
        }
        let primary_key = primary_key.or_else(|| stored?.primary_key.clone());
        let sort_key = sort_key.or_else(|| stored?.sort_key.clone());
        let context = DestinationContext {
            types,
            filters,
            collection: collection_name.as_ref(),
            stored: stored.map_or(&[][..], |stored| &stored.destinations),
            has_old_images: old_image,
        };
        let destinations = Destination::read_all(destinations, context, fields.faults());
        fields.finish(KNOWN);
        Some(Self {
            collection_name: collection_name?,
            primary_key,
            sort_key,
            stream_enabled,
            old_image,
            ttl_attribute,
            deletion_protection,
            image_format,
            destinations,
        })
    }

    /// Returns what the API shows: every field, secrets masked. `read` takes it unchanged.
    pub(crate) fn show(&self) -> Value {
        json!({
            "collection_name": self.collection_name,
            "primary_key": self.primary_key,
            "sort_key": self.sort_key,
            "stream_enabled": self.stream_enabled,
            "old_image": self.old_image,
            "ttl_attribute": self.ttl_attribute,
            "deletion_protection": self.deletion_protection,
            "image_format": self.image_format,
            "destinations": self.destinations.iter().map(Destination::show).collect::<Vec<Value>>(),
        })
    }

    /// Names the subscription of one of the destinations.
    pub(crate) fn subscription(&self, destination: &Destination) -> SubscriptionId {
        SubscriptionId {
            collection: self.collection_name.clone(),
            destination: destination.id.clone(),
        }
    }

    /// Returns the key schema's fields; none in native mode.
    pub(crate) fn key_fields(&self) -> Vec<String> {
        self.primary_key.iter().chain(&self.sort_key).cloned().collect()
    }

    /// Whether the collection has to keep pre- and post-images.
    pub(crate) fn needs_images(&self) -> bool {
        self.old_image || (self.stream_enabled && self.primary_key.is_some())
    }

    /// Returns what the collection has to be like in MongoDB.
    pub(crate) fn layout(&self) -> CollectionLayout {
        CollectionLayout {
            name: self.collection_name.clone(),
            key_fields: self.key_fields(),
            ttl_attribute: self.ttl_attribute.clone(),
            images: if self.needs_images() {
                StoredImages::On
            } else {
                StoredImages::Keep
            },
        }
    }

    /// Returns what the engine has to watch.
    pub(crate) fn target(&self) -> WatchTarget {
        WatchTarget {
            collection: self.collection_name.clone(),
            key_fields: self.key_fields(),
            images: if self.old_image {
                Images::NewAndOld
            } else {
                Images::New
            },
            image_format: self.image_format,
            plain_images: self.destinations.iter().any(|one| one.filter_criteria.is_some()),
        }
    }
}

fn read_name(fields: &mut Fields<'_>, stored: Option<&CollectionConfig>) -> Option<CollectionName> {
    let name = match (fields.take("collection_name"), stored) {
        (Some(Value::String(name)), _) => name,
        (None, Some(stored)) => return Some(stored.collection_name.clone()),
        (_, _) => {
            fields.fault("collection_name", "is required and must be a string");
            return None;
        }
    };
    if let Some(stored) = stored
        && stored.collection_name.as_str() != name
    {
        let message = format!(
            "cannot be changed: the path names {:?}",
            stored.collection_name.as_str()
        );
        fields.fault("collection_name", message);
        return None;
    }
    if let Err(message) = check_collection_name(&name) {
        fields.fault("collection_name", message);
        return None;
    }
    CollectionName::new(name).ok()
}

/// The rules of MongoDB, and those of Conduit's own state keys.
fn check_collection_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("cannot be empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return Err("cannot be longer than 190 bytes");
    }
    if name.contains('$') || name.contains('\0') || name.contains(':') {
        return Err("cannot hold `$`, `:` or NUL");
    }
    // MongoDB takes neither.
    if name.starts_with("system.") || name.contains(".system.") {
        return Err("cannot be a system collection");
    }
    if name == super::CATALOG_COLLECTION {
        return Err("config.collections is where Conduit keeps its configuration: choose another name");
    }
    if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return Err("cannot begin or end with `.`, nor hold `..`");
    }
    Ok(())
}

fn read_field_name(fields: &mut Fields<'_>, name: &str) -> Option<String> {
    let value = fields.string(name)?;
    let problem = if value.is_empty() {
        Some("cannot be empty")
    } else if value.len() > 255 {
        Some("cannot be longer than 255 bytes")
    } else if value.starts_with('$') || value.contains('\0') {
        Some("cannot begin with `$` or hold NUL")
    } else if value.contains('.') {
        Some("must be a top-level field: it cannot hold `.`")
    } else {
        None
    };
    if let Some(problem) = problem {
        fields.fault(name, problem);
        return None;
    }
    if name != "ttl_attribute" && value == "_id" {
        fields.fault(name, "_id is the key already: leave the key schema out");
        return None;
    }
    if name == "ttl_attribute" && value == "_id" {
        fields.fault(name, "cannot be _id: MongoDB does not expire documents by it");
        return None;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value, stored: Option<&CollectionConfig>) -> Result<CollectionConfig, Faults> {
        CollectionConfig::read(body, stored, (&DestinationTypes::for_tests(), &[]))
    }

    fn places(body: Value) -> Vec<String> {
        read(body, None).unwrap_err().places()
    }

    #[test]
    fn what_is_left_out_takes_its_default() {
        let config = read(json!({"collection_name": "orders"}), None).unwrap();
        let wanted = json!({
            "collection_name": "orders", "primary_key": null, "sort_key": null, "stream_enabled": false,
            "old_image": false, "ttl_attribute": null, "deletion_protection": true, "image_format": "json",
            "destinations": []
        });
        assert_eq!(config.show(), wanted);
    }

    #[test]
    fn what_is_shown_is_taken_unchanged() {
        let body = json!({
            "collection_name": "orders", "primary_key": "pk", "sort_key": "sk", "stream_enabled": true,
            "old_image": true, "ttl_attribute": "expiresAt", "deletion_protection": false,
            "image_format": "extjson", "destinations": [
                {"type": "http", "endpoint": "https://example.com/hook?key=1", "bearer_token": "s3cret",
                 "event_types": ["DELETE", "INSERT"], "max_retries": 0, "timeout": "500ms"}
            ]
        });
        let config = read(body, None).unwrap();
        let again = read(config.show(), Some(&config)).unwrap();
        assert_eq!(again, config);
        assert!(!config.show().to_string().contains("s3cret"));
        assert_eq!(
            config.show()["destinations"][0]["event_types"],
            json!(["INSERT", "REMOVE"])
        );
    }

    #[test]
    fn illegal_names_are_refused() {
        for name in [
            "",
            "a:b",
            "a$b",
            "system.users",
            "system.",
            "a.system.b",
            "config.collections",
            ".a",
            "a.",
            "a..b",
            "a\u{0}b",
            &"x".repeat(191),
        ] {
            assert_eq!(
                places(json!({ "collection_name": name })),
                ["collection_name"],
                "{name:?} was taken"
            );
        }
        for name in [
            "orders",
            "a.b",
            "Ünïcode",
            "with-dash_1",
            "system",
            "a\tb",
            "config.other",
        ] {
            assert!(read(json!({ "collection_name": name }), None).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let body = json!({
            "collection_name": 5, "sort_key": "sk", "stream_enabled": "yes", "image_format": "xml", "odd": 1,
            "destinations": [{"type": "http"}, {"type": "carrier-pigeon"}, 7]
        });
        let wanted = [
            "collection_name",
            "stream_enabled",
            "image_format",
            "sort_key",
            "destinations[0].endpoint",
            "destinations[1].type",
            "destinations[2]",
            "odd",
        ];
        let mut found = places(body);
        found.sort_unstable();
        let mut wanted = wanted.map(str::to_owned);
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_key_schema_left_out_stays() {
        let body = json!({"collection_name": "c", "primary_key": "pk"});
        let stored = read(body, None).unwrap();
        let read = read(json!({"stream_enabled": true}), Some(&stored)).unwrap();
        assert_eq!(read.primary_key.as_deref(), Some("pk"));
        assert!(read.needs_images());
    }

    #[test]
    fn each_field_of_a_key_schema_stays_by_itself() {
        let body = json!({"collection_name": "c", "primary_key": "pk", "sort_key": "sk"});
        let stored = read(body, None).unwrap();
        for body in [
            json!({"primary_key": "pk"}),
            json!({"sort_key": "sk"}),
            json!({"primary_key": null, "sort_key": null}),
        ] {
            let read = read(body.clone(), Some(&stored)).unwrap();
            assert_eq!(read.key_fields(), ["pk", "sk"], "{body}");
        }
        // Another value is no fault of the body; whoever compares refuses it.
        for body in [json!({"primary_key": "sk"}), json!({"sort_key": "pk"})] {
            let read = read(body, Some(&stored)).unwrap();
            assert_ne!(read.key_fields(), stored.key_fields());
        }
    }

    #[test]
    fn a_wrong_primary_key_is_one_fault_not_two() {
        let body = json!({"collection_name": "c", "primary_key": 3, "sort_key": "s"});
        assert_eq!(places(body), ["primary_key"]);
    }
}
