//! `conduit export`: writes collections as `conduit apply` takes them.

use clap::Args;
use serde_json::{Map, Value, json};

use super::client::{Call, Client};
use super::command_line::Outcome;
use super::console::Console;
use super::error::CliError;
use super::yaml;

const HEAD: &str = "\
# Written by `conduit export`; `conduit apply -f` takes it.
# Secrets are not shown: \"********\" keeps the one that the server has. For a server that has none, write the secret itself,
# or {env: CONDUIT_DEST_...} or {file: ...}.
";

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The collections; all without any
    names: Vec<String>,
}

pub(crate) async fn run(client: &Client, console: &Console, args: ExportArgs) -> Result<Outcome, CliError> {
    let mut collections: Vec<Value> = Vec::new();
    if args.names.is_empty() {
        collections = client.ask(Call::get(&["api", "collections"])).await?;
    }
    for name in &args.names {
        collections.push(client.ask(Call::get(&["api", "collections", name])).await?);
    }
    collections.iter_mut().for_each(leave_defaults_out);
    let document = json!({ "collections": collections });
    match console.is_json() {
        true => console.print(&format!("{document:#}"))?,
        false => console.print(&format!("{HEAD}{}", yaml::write(&document)))?,
    }
    Ok(Outcome::Done)
}

/// Leaves out what is not set: `null` says nothing that leaving out does not.
fn leave_defaults_out(collection: &mut Value) {
    let Value::Object(fields) = collection else { return };
    strip(fields);
    if let Some(Value::Array(destinations)) = fields.get_mut("destinations") {
        destinations
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(strip);
    }
}

fn strip(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_set_is_left_out() {
        let mut collection = json!({
            "collection_name": "orders", "primary_key": null, "old_image": false,
            "destinations": [{"id": "d", "bearer_token": null, "settings": {"a": null}}],
        });
        leave_defaults_out(&mut collection);
        let wanted = json!({
            "collection_name": "orders", "old_image": false,
            "destinations": [{"id": "d", "settings": {"a": null}}],
        });
        assert_eq!(collection, wanted);
    }
}
