//! `conduit status`: how destinations do.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use tokio::time::sleep;

use super::client::{Call, Client};
use super::command_line::Outcome;
use super::console::{Console, Paint};
use super::error::CliError;
use super::table::{Align, Cell, Table};

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The collection; all without it
    name: Option<String>,
    /// Shows it again and again, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How many seconds lie between, with --watch
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600), requires = "watch")]
    interval: u64,
}

/// A collection's status, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct CollectionStatus {
    pub(crate) collection_name: String,
    worker: Option<String>,
    pub(crate) destinations: Vec<DestinationStatus>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DestinationStatus {
    pub(crate) id: String,
    state: String,
    reason: Option<String>,
    lag_seconds: Option<f64>,
    delivered: u64,
    pub(crate) retry_length: u64,
    pub(crate) dlq_length: u64,
    rate: f64,
    last_error: Option<String>,
    #[serde(default)]
    history_seconds_left: Option<f64>,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Clone, Debug, Deserialize)]
struct Warning {
    message: String,
}

pub(crate) async fn run(client: &Client, console: &Console, args: StatusArgs) -> Result<Outcome, CliError> {
    let call = match &args.name {
        Some(name) => Call::get(&["api", "collections", name, "status"]),
        None => Call::get(&["api", "status"]),
    };
    loop {
        let page = page(client, console, (&call, args.name.is_some())).await;
        if !args.watch {
            console.print(&page?)?;
            return Ok(Outcome::Done);
        }
        match page {
            Ok(page) if console.is_json() => console.print(&page)?,
            Ok(page) => {
                console.next_page()?;
                console.print(&page)?;
            }
            // A server that is away for a moment is no reason to stop looking.
            Err(error) if error.status().is_none_or(|status| status >= 500) => {
                console.tell(&error.to_string())
            }
            Err(error) => return Err(error),
        }
        sleep(Duration::from_secs(args.interval)).await;
    }
}

async fn page(client: &Client, console: &Console, (call, is_one): (&Call, bool)) -> Result<String, CliError> {
    let answer = client.send(call.clone()).await?;
    if console.is_json() {
        return Ok(answer.text);
    }
    let collections: Vec<CollectionStatus> = match is_one {
        true => vec![answer.read()?],
        false => answer.read()?,
    };
    Ok(match collections.is_empty() {
        true => "No collection is configured: `conduit apply -f FILE` configures some.".to_owned(),
        false => show(&collections, console),
    })
}

/// Shows collections as a table with a line for each destination.
pub(crate) fn show(collections: &[CollectionStatus], console: &Console) -> String {
    let mut table = Table::new(&[
        ("COLLECTION", Align::Left),
        ("DESTINATION", Align::Left),
        ("STATE", Align::Left),
        ("LAG", Align::Right),
        ("RATE", Align::Right),
        ("DELIVERED", Align::Right),
        ("WAITING", Align::Right),
        ("DEAD", Align::Right),
        ("HISTORY", Align::Right),
        ("WORKER", Align::Left),
        ("NOTE", Align::Left),
    ])
    .may_leave_out(&["WORKER", "RATE", "HISTORY", "DELIVERED"]);
    for collection in collections {
        let name = &collection.collection_name;
        let worker = collection.worker.as_deref().unwrap_or("-");
        if collection.destinations.is_empty() {
            let dash = || Cell::painted("-", Paint::Faint);
            table.add([
                name.into(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                dash(),
                worker.into(),
                Cell::painted("no destinations", Paint::Faint),
            ]);
        }
        for one in &collection.destinations {
            let (note, paint) = note(one);
            table.add([
                name.into(),
                (&one.id).into(),
                Cell::painted(&one.state, paint_of(&one.state)),
                one.lag_seconds
                    .map_or_else(|| "-".into(), |lag| seconds(lag).into()),
                format!("{:.1}/s", one.rate).into(),
                one.delivered.to_string().into(),
                count(one.retry_length, Paint::Notable),
                count(one.dlq_length, Paint::Bad),
                one.history_seconds_left
                    .map_or_else(|| "-".into(), |left| seconds(left).into()),
                worker.into(),
                Cell::painted(note, paint),
            ]);
        }
    }
    table.show(console)
}

fn count(number: u64, paint: Paint) -> Cell {
    Cell::painted(number.to_string(), if number == 0 { Paint::Plain } else { paint })
}

fn paint_of(state: &str) -> Paint {
    match state {
        "streaming" => Paint::Good,
        "holding" | "halted" => Paint::Bad,
        "disabled" => Paint::Faint,
        _ => Paint::Notable,
    }
}

/// What is most worth knowing: a warning, why it is in its state, the last error.
fn note(status: &DestinationStatus) -> (String, Paint) {
    let warnings: Vec<&str> = status
        .warnings
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    let reason = status.reason.as_deref();
    let told: Vec<&str> = warnings.into_iter().chain(reason).collect();
    if !told.is_empty() {
        return (told.join("; "), Paint::Notable);
    }
    match &status.last_error {
        Some(error) => (format!("last error: {error}"), Paint::Faint),
        None => (String::new(), Paint::Plain),
    }
}

/// A length of time for people: `0.4s`, `12s`, `5m`, `3.1h`, `2.5d`.
fn seconds(length: f64) -> String {
    match length {
        short if short < 10.0 => format!("{short:.1}s"),
        short if short < 120.0 => format!("{short:.0}s"),
        minutes if minutes < 7200.0 => format!("{:.0}m", minutes / 60.0),
        hours if hours < 172_800.0 => format!("{:.1}h", hours / 3600.0),
        days => format!("{:.1}d", days / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::console::Form;

    #[test]
    fn lengths_of_time_are_short() {
        let shown = [0.04, 12.0, 300.0, 11_160.0, 216_000.0].map(seconds);
        assert_eq!(shown, ["0.0s", "12s", "5m", "3.1h", "2.5d"]);
    }

    #[test]
    fn warnings_come_before_the_last_error_and_lag_may_be_absent() {
        let status = json!([{"collection_name": "orders", "stream_enabled": true, "worker": "host:1", "destinations": [{
            "id": "d", "type": "http", "state": "holding", "reason": "503", "since": null, "position_time": null,
            "delivered": 3, "filtered": 0, "retried": 1, "dead_lettered": 0, "retry_length": 2, "dlq_length": 0,
            "rate": 1.25, "last_error": "refused", "last_error_time": null, "history_seconds_left": 90.0,
            "warnings": [{"code": "stuck", "message": "nothing moves"}],
        }]}]);
        let status: Vec<CollectionStatus> = serde_json::from_value(status).unwrap();
        let wanted = "\
COLLECTION  DESTINATION  STATE    LAG   RATE  DELIVERED  WAITING  DEAD  HISTORY  WORKER  NOTE
orders      d            holding    -  1.2/s          3        2     0      90s  host:1  nothing moves; 503
";
        assert_eq!(show(&status, &Console::new(Form::Json)), wanted);
    }
}
