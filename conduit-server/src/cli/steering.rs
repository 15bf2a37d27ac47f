//! `conduit pause`, `resume` and `rewind`.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::client::{Call, Client};
use super::command_line::Outcome;
use super::console::Console;
use super::error::CliError;
use super::status;

#[derive(Debug, Args)]
pub(crate) struct SteerArgs {
    /// The collection
    name: String,
    /// The id of one destination; all without it
    #[arg(long, value_name = "ID")]
    destination: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RewindArgs {
    /// The collection
    name: String,
    /// From when on to deliver again, such as 2026-01-01T00:00:00Z; `now` skips what is not delivered yet
    #[arg(long, value_name = "TIME")]
    to: String,
    /// The id of one destination; all without it
    #[arg(long, value_name = "ID")]
    destination: Option<String>,
    /// Does not ask
    #[arg(long)]
    yes: bool,
}

/// What becomes of streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Steering {
    Pause,
    Resume,
}

pub(crate) async fn steer(
    client: &Client,
    console: &Console,
    steering: Steering,
    SteerArgs { name, destination }: SteerArgs,
) -> Result<Outcome, CliError> {
    let verb = match steering {
        Steering::Pause => "pause",
        Steering::Resume => "resume",
    };
    let call = Call::post(&["api", "collections", &name, verb]);
    let answer = client.send(call.with("destination", destination)).await?;
    match console.is_json() {
        true => console.print(&answer.text)?,
        false => console.print(&status::show(&[answer.read()?], console))?,
    }
    Ok(Outcome::Done)
}

#[derive(Debug, Deserialize)]
struct Rewound {
    destinations: Vec<String>,
    to: String,
}

pub(crate) async fn rewind(
    client: &Client,
    console: &Console,
    RewindArgs {
        name,
        to,
        destination,
        yes,
    }: RewindArgs,
) -> Result<Outcome, CliError> {
    let whose = match &destination {
        Some(id) => format!("{name}, destination {id}"),
        None => format!("{name}, all destinations"),
    };
    let effect = match to.as_str() {
        "now" => "what is not delivered yet is skipped, and waiting records after that point are dropped",
        _ => "everything since then comes again, and waiting records after that point are dropped",
    };
    if !yes && !console.confirm(&format!("Rewind {whose} to {to}: {effect}?"))? {
        console.tell("nothing was rewound");
        return Ok(Outcome::Negative);
    }
    let body = match &destination {
        Some(id) => json!({"to": to, "destination": id}),
        None => json!({"to": to}),
    };
    let call = Call::post(&["api", "collections", &name, "rewind"]);
    let answer = client.send(call.with_body(body.to_string())).await?;
    if console.is_json() {
        console.print(&answer.text)?;
    } else {
        let rewound: Rewound = answer.read()?;
        console.print(&format!(
            "rewound to {}: {}",
            rewound.to,
            rewound.destinations.join(", ")
        ))?;
    }
    Ok(Outcome::Done)
}
