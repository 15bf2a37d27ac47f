//! `conduit test`: sends a sample record to each destination.

use clap::Args;
use serde::Deserialize;

use super::client::{Call, Client};
use super::command_line::Outcome;
use super::console::{Console, Paint};
use super::error::CliError;
use super::table::{Align, Cell, Table};

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The collection
    name: String,
    /// The id of one destination; all without it
    #[arg(long, value_name = "ID")]
    destination: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tested {
    destinations: Vec<TestedDestination>,
}

#[derive(Debug, Deserialize)]
struct TestedDestination {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    delivered: bool,
    status: Option<u16>,
    latency_ms: Option<f64>,
    error: Option<String>,
}

pub(crate) async fn run(
    client: &Client,
    console: &Console,
    TestArgs { name, destination }: TestArgs,
) -> Result<Outcome, CliError> {
    let call = Call::post(&["api", "collections", &name, "test"]).with("destination", destination);
    let answer = client.send(call).await?;
    let tested: Tested = answer.read()?;
    if console.is_json() {
        console.print(&answer.text)?;
    } else if tested.destinations.is_empty() {
        console.print("The collection has no destinations.")?;
    } else {
        console.print(&show(&tested, console))?;
    }
    Ok(match tested.destinations.iter().all(|one| one.delivered) {
        true => Outcome::Done,
        false => Outcome::Negative,
    })
}

fn show(tested: &Tested, console: &Console) -> String {
    let mut table = Table::new(&[
        ("DESTINATION", Align::Left),
        ("TYPE", Align::Left),
        ("DELIVERED", Align::Left),
        ("STATUS", Align::Right),
        ("LATENCY", Align::Right),
        ("ERROR", Align::Left),
    ]);
    for one in &tested.destinations {
        let delivered = match one.delivered {
            true => Cell::painted("yes", Paint::Good),
            false => Cell::painted("no", Paint::Bad),
        };
        table.add([
            (&one.id).into(),
            (&one.kind).into(),
            delivered,
            one.status
                .map_or_else(|| "-".to_owned(), |status| status.to_string())
                .into(),
            one.latency_ms
                .map_or_else(|| "-".to_owned(), |latency| format!("{latency:.1} ms"))
                .into(),
            one.error.as_deref().unwrap_or_default().into(),
        ]);
    }
    table.show(console)
}
