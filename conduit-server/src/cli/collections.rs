//! `conduit collections`: lists, shows and deletes.

use clap::Subcommand;
use hyper::Method;
use serde_json::Value;

use super::client::{Call, Client};
use super::command_line::Outcome;
use super::console::{Console, Paint};
use super::error::CliError;
use super::table::{Align, Cell, Table};
use super::yaml;

#[derive(Debug, Subcommand)]
pub(crate) enum CollectionsCommand {
    /// Lists what is configured
    List,
    /// Shows the configuration of a collection, secrets masked
    Get {
        /// The collection
        name: String,
    },
    /// Deletes a collection: its configuration, its state, and its documents
    Delete {
        /// The collection
        name: String,
        /// Keeps the documents: MongoDB's collection is not dropped
        #[arg(long)]
        keep_data: bool,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(
    client: &Client,
    console: &Console,
    command: CollectionsCommand,
) -> Result<Outcome, CliError> {
    match command {
        CollectionsCommand::List => list(client, console).await?,
        CollectionsCommand::Get { name } => get(client, console, &name).await?,
        CollectionsCommand::Delete { name, keep_data, yes } => {
            return delete(client, console, (&name, keep_data, yes)).await;
        }
    }
    Ok(Outcome::Done)
}

async fn list(client: &Client, console: &Console) -> Result<(), CliError> {
    let answer = client.send(Call::get(&["api", "collections"])).await?;
    if console.is_json() {
        return console.print(&answer.text);
    }
    let collections: Vec<Value> = answer.read()?;
    if collections.is_empty() {
        return console.print("No collection is configured: `conduit apply -f FILE` configures some.");
    }
    let mut table = Table::new(&[
        ("COLLECTION", Align::Left),
        ("STREAM", Align::Left),
        ("KEY", Align::Left),
        ("OLD IMAGES", Align::Left),
        ("EXPIRY", Align::Left),
        ("PROTECTED", Align::Left),
        ("DESTINATIONS", Align::Left),
    ])
    .may_leave_out(&["EXPIRY", "OLD IMAGES", "KEY"]);
    for collection in &collections {
        let text = |name: &str| collection[name].as_str().unwrap_or_default();
        let is = |name: &str| collection[name] == true;
        let yes_no = |name: &str| Cell::from(if is(name) { "yes" } else { "no" });
        let key = match (text("primary_key"), text("sort_key")) {
            ("", _) => "_id".to_owned(),
            (primary, "") => primary.to_owned(),
            (primary, sort) => format!("{primary}, {sort}"),
        };
        let destinations = collection["destinations"].as_array().map(Vec::as_slice);
        let ids: Vec<&str> = destinations
            .unwrap_or_default()
            .iter()
            .filter_map(|one| one["id"].as_str())
            .collect();
        let stream = match is("stream_enabled") {
            true => Cell::painted("on", Paint::Good),
            false => Cell::painted("off", Paint::Faint),
        };
        table.add([
            text("collection_name").into(),
            stream,
            key.into(),
            yes_no("old_image"),
            text("ttl_attribute").into(),
            yes_no("deletion_protection"),
            ids.join(", ").into(),
        ]);
    }
    console.print(&table.show(console))
}

async fn get(client: &Client, console: &Console, name: &str) -> Result<(), CliError> {
    let answer = client.send(Call::get(&["api", "collections", name])).await?;
    if console.is_json() {
        return console.print(&answer.text);
    }
    let collection: Value = answer.read()?;
    console.print(&yaml::write(&collection))
}

async fn delete(
    client: &Client,
    console: &Console,
    (name, keep_data, yes): (&str, bool, bool),
) -> Result<Outcome, CliError> {
    // It is asked about what is there, and only that is deleted.
    let found = client.send(Call::get(&["api", "collections", name])).await?;
    let what = match keep_data {
        true => "its configuration, positions and undelivered records; its documents stay",
        false => "ALL ITS DOCUMENTS, its configuration, positions and undelivered records",
    };
    if !yes && !console.confirm(&format!("Delete {name:?}: {what}?"))? {
        console.tell("nothing was deleted");
        return Ok(Outcome::Negative);
    }
    let call = Call::new(Method::DELETE, &["api", "collections", name]);
    client
        .send(call.with_flag("keep_data", keep_data).if_match(found.etag))
        .await?;
    match console.is_json() {
        true => console.print(&serde_json::json!({"deleted": name, "keep_data": keep_data}).to_string())?,
        false => console.print(&format!("deleted {name}"))?,
    }
    Ok(Outcome::Done)
}
