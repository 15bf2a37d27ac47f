//! `conduit dlq`: lists dead letters, sends them again, drops them.

use clap::{Args, Subcommand};
use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::{Call, Client};
use super::command_line::Outcome;
use super::console::{Console, Paint};
use super::error::CliError;
use super::table::{Align, Cell, Table};

/// The most that a page can have.
const PAGE: usize = 1000;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Lists dead letters, oldest first
    List {
        /// The collection
        name: String,
        /// Only those of one destination
        #[arg(long, value_name = "ID")]
        destination: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Sends dead letters again; stale ones, whose document has had a newer record delivered since, are left out
    Redrive {
        #[command(flatten)]
        selection: Selection,
        /// Sends stale ones too
        #[arg(long)]
        include_stale: bool,
    },
    /// Drops dead letters for good
    Purge {
        #[command(flatten)]
        selection: Selection,
        /// Does not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Which dead letters are meant; all of the collection without options.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// The collection
    name: String,
    /// Only these, by their ids, such as 1,2
    #[arg(long, value_delimiter = ',', value_name = "IDS")]
    ids: Option<Vec<u64>>,
    /// Only those of one destination
    #[arg(long, value_name = "ID")]
    destination: Option<String>,
}

impl Selection {
    fn described(&self) -> String {
        let ids = self.ids.as_ref().map(|ids| {
            let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
            format!("the dead letters {} of {}", ids.join(", "), self.name)
        });
        let what = ids.unwrap_or_else(|| format!("all dead letters of {}", self.name));
        match &self.destination {
            Some(id) => format!("{what}, destination {id}"),
            None => what,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Letter<'a> {
    id: u64,
    destination: String,
    #[serde(borrow)]
    record: Record<'a>,
    attempts: u64,
    last_attempt: String,
    last_error: String,
    stale: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record<'a> {
    record_type: String,
    #[serde(borrow)]
    keys: Option<&'a RawValue>,
}

pub(crate) async fn run(
    client: &Client,
    console: &Console,
    command: DlqCommand,
) -> Result<Outcome, CliError> {
    match command {
        DlqCommand::List {
            name,
            destination,
            limit,
        } => list(client, console, (&name, destination.as_deref(), limit)).await,
        DlqCommand::Redrive {
            selection,
            include_stale,
        } => redrive(client, console, (&selection, include_stale)).await,
        DlqCommand::Purge { selection, yes } => purge(client, console, (&selection, yes)).await,
    }
}

async fn list(
    client: &Client,
    console: &Console,
    (name, destination, limit): (&str, Option<&str>, usize),
) -> Result<Outcome, CliError> {
    let (letters, has_more) = fetch(client, (name, destination, limit)).await?;
    if console.is_json() {
        let separator = ",\n ";
        console.print(&format!("[{}]", letters.join(separator)))?;
        return Ok(Outcome::Done);
    }
    if letters.is_empty() {
        console.print(&format!("{name} has no dead letters."))?;
        return Ok(Outcome::Done);
    }
    console.print(&show(&letters, console)?)?;
    if has_more {
        console.tell(&format!("there are more than these {limit}: --limit shows more"));
    }
    Ok(Outcome::Done)
}

/// Asks page by page for the dead letters, as they are written, until there are as many as wanted; tells whether there are
/// more.
async fn fetch(
    client: &Client,
    (name, destination, limit): (&str, Option<&str>, usize),
) -> Result<(Vec<String>, bool), CliError> {
    let mut letters = Vec::new();
    let mut cursor = None;
    loop {
        // Of one destination, a page may have few.
        let size = match destination {
            Some(_) => PAGE,
            None => (limit - letters.len()).clamp(1, PAGE),
        };
        let call = Call::get(&["api", "collections", name, "dlq"])
            .with("limit", Some(size.to_string()))
            .with("cursor", cursor);
        let answer = client.send(call).await?;
        let page: Page<'_> = answer.read()?;
        for item in page.items {
            if let Some(wanted) = destination {
                let letter = read(item.get())?;
                if letter.destination != wanted {
                    continue;
                }
            }
            if letters.len() == limit {
                return Ok((letters, true));
            }
            letters.push(item.get().to_owned());
        }
        cursor = page.next_cursor;
        match (&cursor, letters.len() == limit && destination.is_none()) {
            (None, _) => return Ok((letters, false)),
            (Some(_), true) => return Ok((letters, true)),
            (Some(_), false) => {}
        }
    }
}

fn read(letter: &str) -> Result<Letter<'_>, CliError> {
    let odd = |error| CliError::failed(format!("a dead letter cannot be read: {error}"));
    serde_json::from_str(letter).map_err(odd)
}

fn show(letters: &[String], console: &Console) -> Result<String, CliError> {
    let mut table = Table::new(&[
        ("ID", Align::Right),
        ("DESTINATION", Align::Left),
        ("TYPE", Align::Left),
        ("KEYS", Align::Left),
        ("ATTEMPTS", Align::Right),
        ("LAST ATTEMPT", Align::Left),
        ("STALE", Align::Left),
        ("ERROR", Align::Left),
    ])
    .may_leave_out(&["LAST ATTEMPT", "STALE", "ATTEMPTS", "TYPE"]);
    for letter in letters {
        let letter = read(letter)?;
        let stale = match letter.stale {
            true => Cell::painted("yes", Paint::Notable),
            false => "no".into(),
        };
        table.add([
            letter.id.to_string().into(),
            letter.destination.into(),
            letter.record.record_type.into(),
            letter.record.keys.map_or("", RawValue::get).into(),
            letter.attempts.to_string().into(),
            letter.last_attempt.into(),
            stale,
            letter.last_error.into(),
        ]);
    }
    Ok(table.show(console))
}

#[derive(Debug, Deserialize)]
struct Redriven {
    redriven: u64,
    stale: u64,
}

async fn redrive(
    client: &Client,
    console: &Console,
    (selection, include_stale): (&Selection, bool),
) -> Result<Outcome, CliError> {
    let mut body = json!({"include_stale": include_stale});
    if let Some(ids) = &selection.ids {
        body["ids"] = json!(ids);
    }
    if let Some(destination) = &selection.destination {
        body["destination"] = json!(destination);
    }
    let call = Call::post(&["api", "collections", &selection.name, "dlq", "redrive"]);
    let answer = client.send(call.with_body(body.to_string())).await?;
    let Redriven { redriven, stale } = answer.read()?;
    if console.is_json() {
        console.print(&answer.text)?;
        return Ok(Outcome::Done);
    }
    console.print(&format!("{redriven} sent again"))?;
    if stale > 0 && !include_stale {
        let left =
            "left out, since a newer record of their document was delivered: --include-stale sends them";
        console.print(&format!("{stale} {left}"))?;
    }
    Ok(Outcome::Done)
}

#[derive(Debug, Deserialize)]
struct Purged {
    purged: u64,
}

async fn purge(
    client: &Client,
    console: &Console,
    (selection, yes): (&Selection, bool),
) -> Result<Outcome, CliError> {
    if !yes && !console.confirm(&format!("Drop {} for good?", selection.described()))? {
        console.tell("nothing was dropped");
        return Ok(Outcome::Negative);
    }
    let ids = selection.ids.as_ref().map(|ids| {
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        ids.join(",")
    });
    let call = Call::new(Method::DELETE, &["api", "collections", &selection.name, "dlq"])
        .with("ids", ids)
        .with("destination", selection.destination.as_deref());
    let answer = client.send(call).await?;
    let Purged { purged } = answer.read()?;
    match console.is_json() {
        true => console.print(&answer.text)?,
        false => console.print(&format!("{purged} dropped"))?,
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Form;

    #[test]
    fn keys_are_shown_to_the_last_digit() {
        let letter = r#"{"id": 17, "destination": "d", "record": {"recordType": "MODIFY", "keys": {"_id":0.1234567890123456789},
            "newImage": {}}, "attempts": 6, "first_attempt": "x", "last_attempt": "2026-01-01T00:00:00.000Z",
            "last_error": "answered 500", "stale": true}"#;
        let wanted = "\
ID  DESTINATION  TYPE    KEYS                           ATTEMPTS  LAST ATTEMPT              STALE  ERROR
17  d            MODIFY  {\"_id\":0.1234567890123456789}         6  2026-01-01T00:00:00.000Z  yes    answered 500
";
        assert_eq!(
            show(&[letter.to_owned()], &Console::new(Form::Json)).unwrap(),
            wanted
        );
    }

    #[test]
    fn what_is_asked_about_is_what_is_meant() {
        let selection = |ids, destination: Option<&str>| Selection {
            name: "orders".to_owned(),
            ids,
            destination: destination.map(str::to_owned),
        };
        assert_eq!(selection(None, None).described(), "all dead letters of orders");
        assert_eq!(
            selection(Some(vec![1, 2]), Some("d")).described(),
            "the dead letters 1, 2 of orders, destination d"
        );
    }
}
