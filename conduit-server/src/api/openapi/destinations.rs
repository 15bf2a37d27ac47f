//! Destinations, by the fields that their types declare: also those that a host registers.

use serde_json::{Map, Value, json};

use super::collections::destination_members;
use super::document::schema_ref;
use crate::destination_type::schema::{self, Side, or_null, sent_secret, shown_secret};
use crate::destination_type::{DestinationType, DestinationTypes};

pub(super) fn schemas(types: &DestinationTypes) -> Map<String, Value> {
    let mut schemas = Map::new();
    for (name, side, description) in [
        (
            "Destination",
            Side::Answered,
            "A destination; secrets are masked.",
        ),
        (
            "NewDestination",
            Side::Sent,
            "A destination, of one of the types that this server has.",
        ),
    ] {
        let (mut refs, mut mapping) = (Vec::new(), Map::new());
        for kind in types.iter() {
            let of_type = format!("{name}-{}", kind.name());
            refs.push(schema_ref(&of_type));
            mapping.insert(kind.name().to_owned(), schema_ref(&of_type)["$ref"].clone());
            schemas.insert(of_type, destination(kind, side));
        }
        let one = json!({
            "description": description, "oneOf": refs,
            "discriminator": { "propertyName": "type", "mapping": mapping },
        });
        schemas.insert(name.to_owned(), one);
    }
    schemas.insert("Secret".to_owned(), sent_secret());
    schemas.insert("ShownSecret".to_owned(), shown_secret());
    schemas
}

fn destination(kind: &dyn DestinationType, side: Side) -> Value {
    let mut properties = Map::new();
    properties.insert(
        "type".to_owned(),
        json!({ "type": "string", "const": kind.name() }),
    );
    properties.extend(destination_members(side));
    properties.insert("format".to_owned(), format(kind, side));
    let (own, own_required) = schema::schemas(&kind.fields(), side);
    let mut required: Vec<Value> = match side {
        Side::Sent => vec![json!("type")],
        Side::Answered => properties.keys().map(|name| json!(name)).collect(),
    };
    properties.extend(own);
    required.extend(own_required);
    json!({
        "type": "object", "title": kind.name(), "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn format(kind: &dyn DestinationType, side: Side) -> Value {
    let formats = match kind.takes_cloud_events() {
        true => json!(["conduit", "cloudevents"]),
        false => json!(["conduit"]),
    };
    let schema = json!({ "type": "string", "enum": formats, "default": "conduit",
        "description": "What a record looks like: as it is, or a CloudEvent." });
    match side {
        Side::Sent => or_null(schema),
        Side::Answered => schema,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use conduit_core::Sink;

    use super::*;
    use crate::{Field, SettingFault, SinkRequest};

    #[derive(Debug)]
    struct LineLog;

    impl DestinationType for LineLog {
        fn name(&self) -> &str {
            "line-log"
        }

        fn fields(&self) -> Vec<Field> {
            let range = Duration::ZERO..=Duration::from_secs(9);
            vec![
                Field::address("address").required().such_as("logs:9999"),
                Field::duration("timeout", range).or("3s"),
                Field::secrets("keys", 2),
                Field::group("limits", vec![Field::integer("lines", 1..=9).or(4)]),
            ]
        }

        fn sink(&self, _: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
            Err(Vec::new())
        }
    }

    #[test]
    fn a_type_of_the_host_is_described_by_the_fields_that_it_declares() {
        let mut types = DestinationTypes::for_tests();
        types.add(Arc::new(LineLog));
        let schemas = schemas(&types);
        let refs = |name: &str| schemas[name]["oneOf"].as_array().unwrap().len();
        assert_eq!((refs("Destination"), refs("NewDestination")), (6, 6));
        let sent = &schemas["NewDestination-line-log"];
        assert_eq!(sent["required"], json!(["type", "address"]));
        assert_eq!(sent["additionalProperties"], false);
        let fields = &sent["properties"];
        assert_eq!(fields["type"]["const"], "line-log");
        assert_eq!(fields["timeout"]["type"], json!(["string", "null"]));
        assert_eq!(fields["timeout"]["default"], "3s");
        assert_eq!(fields["address"]["examples"], json!(["logs:9999"]));
        assert_eq!(fields["format"]["enum"], json!(["conduit", null]));
        assert_eq!(fields["limits"]["properties"]["lines"]["maximum"], 9);
        let answered = &schemas["Destination-line-log"]["properties"];
        assert_eq!(answered["timeout"]["type"], "string");
        assert_eq!(
            answered["keys"]["items"]["$ref"],
            "#/components/schemas/ShownSecret"
        );
        let shown = &schemas["ShownSecret"]["anyOf"][0]["const"];
        assert_eq!(shown, "********");
    }
}
