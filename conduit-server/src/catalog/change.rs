//! What a new configuration changes, field by field.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{CollectionConfig, Destination};

/// A field that differs. Secrets are masked, and compared as they are: two that look alike may differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    /// Such as `old_image`, or `destinations[http-3f9a].endpoint`: destinations by their ids, not by their place.
    pub(crate) field: String,
    /// The value that is stored; `null` where there is none.
    pub(crate) from: Value,
    /// The value that would be stored; `null` where there is none.
    pub(crate) to: Value,
}

impl Change {
    /// Compares a configuration with the one that it replaces, or with none. The order of destinations means nothing.
    pub(crate) fn all(old: Option<&CollectionConfig>, new: &CollectionConfig) -> Vec<Self> {
        let before = old.map_or_else(Map::new, fields);
        let mut changes = compare("", &before, &fields(new));
        let olds = old.map_or(&[][..], |old| &old.destinations);
        for destination in &new.destinations {
            let place = place(destination);
            match find(olds, destination) {
                Some(old) => changes.extend(compare_destinations(&place, old, destination)),
                None => changes.push(Self {
                    field: place,
                    from: Value::Null,
                    to: destination.show(),
                }),
            }
        }
        let gone = olds.iter().filter(|old| find(&new.destinations, old).is_none());
        changes.extend(gone.map(|old| Self {
            field: place(old),
            from: old.show(),
            to: Value::Null,
        }));
        changes
    }
}

/// Whether two configurations of a destination mean the same, however they were written.
pub(super) fn are_alike(old: &Destination, new: &Destination) -> bool {
    compare_destinations("", old, new).is_empty()
}

fn place(destination: &Destination) -> String {
    format!("destinations[{}]", destination.id)
}

fn find<'a>(all: &'a [Destination], wanted: &Destination) -> Option<&'a Destination> {
    all.iter().find(|one| one.id == wanted.id)
}

/// The fields of a collection but its name and its destinations.
fn fields(config: &CollectionConfig) -> Map<String, Value> {
    let mut fields = match config.show() {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    // The name is what both are found by.
    fields.shift_remove("collection_name");
    fields.shift_remove("destinations");
    fields
}

fn compare(prefix: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Change> {
    let of = |object: &Map<String, Value>, name: &str| object.get(name).cloned().unwrap_or_default();
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    let change = |name: &String| {
        let (from, to) = (of(old, name), of(new, name));
        let field = format!("{prefix}{name}");
        (from != to).then_some(Change { field, from, to })
    };
    new.keys().chain(gone).filter_map(change).collect()
}

fn compare_destinations(place: &str, old: &Destination, new: &Destination) -> Vec<Change> {
    let mut changes = compare(&format!("{place}."), &old.common(), &new.common());
    let settings = old.settings.differences(&new.settings);
    changes.extend(settings.into_iter().map(|(name, from, to)| Change {
        field: format!("{place}.{name}"),
        from,
        to,
    }));
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::destination_type::DestinationTypes;

    fn read(body: Value) -> CollectionConfig {
        CollectionConfig::read(body, None, (&DestinationTypes::for_tests(), &[])).unwrap()
    }

    fn with(destinations: Value) -> CollectionConfig {
        read(json!({"collection_name": "orders", "destinations": destinations}))
    }

    fn shown(old: &CollectionConfig, new: &CollectionConfig) -> Vec<(String, Value, Value)> {
        let all = Change::all(Some(old), new).into_iter();
        all.map(|Change { field, from, to }| (field, from, to)).collect()
    }

    #[test]
    fn the_same_configuration_written_otherwise_changes_nothing() {
        let short = with(json!([
            {"id": "a", "type": "http", "endpoint": "http://h/", "timeout": "60s"},
            {"id": "b", "type": "stdout"},
        ]));
        let long = with(json!([
            {"id": "b", "type": "stdout", "event_types": ["DELETE", "MODIFY", "INSERT"]},
            {"id": "a", "type": "http", "endpoint": "http://h", "timeout": "1m", "max_retries": 5},
        ]));
        assert_eq!(shown(&short, &long), []);
    }

    #[test]
    fn a_changed_secret_is_a_change_that_shows_neither() {
        let http = |token: &str, first: &str| {
            with(json!([{
                "id": "a", "type": "http", "endpoint": "http://h/", "bearer_token": token,
                "headers": {"x-one": first, "x-two": "2"},
            }]))
        };
        let old = http("before", "1");
        assert_eq!(shown(&old, &http("before", "1")), []);
        let mask = || json!("********");
        assert_eq!(
            shown(&old, &http("after", "other")),
            [
                ("destinations[a].bearer_token".to_owned(), mask(), mask()),
                ("destinations[a].headers.x-one".to_owned(), mask(), mask()),
            ]
        );
    }

    #[test]
    fn destinations_are_compared_by_their_ids() {
        let old = with(json!([{"id": "a", "type": "stdout"}, {"id": "b", "type": "stdout"}]));
        let new =
            with(json!([{"id": "c", "type": "stdout"}, {"id": "b", "type": "stdout", "max_retries": 0}]));
        let fields: Vec<String> = shown(&old, &new).into_iter().map(|(field, ..)| field).collect();
        assert_eq!(
            fields,
            [
                "destinations[c]",
                "destinations[b].max_retries",
                "destinations[a]"
            ]
        );
    }

    #[test]
    fn of_a_new_collection_everything_that_is_set_is_a_change() {
        let new = read(json!({"collection_name": "orders", "ttl_attribute": "expires"}));
        let fields: Vec<String> = Change::all(None, &new).into_iter().map(|one| one.field).collect();
        let wanted = [
            "stream_enabled",
            "old_image",
            "ttl_attribute",
            "deletion_protection",
            "image_format",
        ];
        assert_eq!(fields, wanted);
    }
}
