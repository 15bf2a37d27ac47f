//! `conduit tail`: records as they are delivered, and what became of them.

use std::time::Duration;

use clap::Args;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use super::client::{Call, Client};
use super::command_line::Outcome;
use super::console::{Console, Paint, plain};
use super::error::CliError;
use super::event_stream::{Event, EventStream};
use super::table::cut;

/// The server gives a sign of life every 10 s; three missing ones mean that it is gone.
const SILENCE: Duration = Duration::from_secs(35);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// The collection
    name: String,
    /// Only these types: INSERT, MODIFY, REMOVE
    #[arg(long, value_name = "TYPES")]
    event_types: Option<String>,
    /// Only what becomes of them at one destination
    #[arg(long, value_name = "ID")]
    destination: Option<String>,
}

/// How a connection ended.
enum End {
    /// It broke, after it had shown something or had not.
    Broken {
        why: String,
        was_open: bool,
    },
    Failed(CliError),
}

impl From<CliError> for End {
    fn from(error: CliError) -> Self {
        Self::Failed(error)
    }
}

pub(crate) async fn run(client: &Client, console: &Console, args: TailArgs) -> Result<Outcome, CliError> {
    let call = Call::get(&["api", "collections", &args.name, "tail"])
        .with("event_types", args.event_types)
        .with("destination", args.destination);
    let (mut wait, mut has_connected) = (FIRST_WAIT, false);
    loop {
        let (why, was_open) = match follow(client, console, (&call, has_connected)).await {
            End::Broken { why, was_open } => (why, was_open),
            // The first connection has to work; later ones are tried again until the server says that there is nothing to
            // see.
            End::Failed(error) if has_connected && is_passing(&error) => (error.message().to_owned(), false),
            End::Failed(error) => return Err(error),
        };
        has_connected |= was_open;
        if was_open {
            wait = FIRST_WAIT;
        }
        let why = plain(&why);
        console.tell(&format!(
            "conduit: {why}; connecting again in {} s: what happens meanwhile is not shown",
            wait.as_secs()
        ));
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Whether it may go otherwise the next time: nobody answers, the server cannot, or it has too many readers.
fn is_passing(error: &CliError) -> bool {
    error.status().is_none_or(|status| status >= 500 || status == 429)
}

/// Shows what comes over one connection, until it ends.
async fn follow(client: &Client, console: &Console, (call, is_again): (&Call, bool)) -> End {
    let mut was_open = false;
    match show_all(client, console, (call, is_again), &mut was_open).await {
        Ok(why) => End::Broken { why, was_open },
        Err(error) => error.into(),
    }
}

async fn show_all(
    client: &Client,
    console: &Console,
    (call, is_again): (&Call, bool),
    was_open: &mut bool,
) -> Result<String, CliError> {
    let mut body: Incoming = client.open(call).await?;
    let mut stream = EventStream::default();
    loop {
        let frame = match timeout(SILENCE, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Ok(format!("the connection broke: {error}")),
            Ok(None) => return Ok("the server ended the connection".to_owned()),
            Err(_elapsed) => return Ok("the server gives no sign of life".to_owned()),
        };
        let bytes = frame.into_data().unwrap_or_default();
        let Ok(events) = stream.push(&bytes) else {
            return Ok("an event is too large".to_owned());
        };
        for event in events {
            if event.kind == "open" {
                *was_open = true;
                if is_again {
                    console.tell("conduit: connected again");
                }
            }
            if let Some(line) = show(&event, console)? {
                console.print(&line)?;
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Missed {
    count: u64,
}

#[derive(Debug, Deserialize)]
struct Shown<'a> {
    time: String,
    destination: String,
    outcome: String,
    #[serde(default)]
    attempt: u64,
    error: Option<String>,
    #[serde(borrow)]
    record: Record<'a>,
    /// Whether the record is too large to be shown whole.
    #[serde(default)]
    truncated: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    record_type: String,
    #[serde(borrow)]
    keys: &'a RawValue,
    #[serde(borrow)]
    new_image: Option<&'a RawValue>,
    #[serde(borrow)]
    old_image: Option<&'a RawValue>,
}

/// Shows an event: for scripts one line of JSON, as it came; for people one line, as wide as their terminal.
fn show(event: &Event, console: &Console) -> Result<Option<String>, CliError> {
    let odd = |error| CliError::failed(format!("an event of the server cannot be read: {error}"));
    match event.kind.as_str() {
        "missed" => {
            let Missed { count } = serde_json::from_str(&event.data).map_err(odd)?;
            console.tell(&format!(
                "conduit: {count} records were not shown: they came too fast"
            ));
            Ok(console.is_json().then(|| format!("{{\"missed\":{count}}}")))
        }
        "record" if console.is_json() => Ok(Some(event.data.replace('\n', " "))),
        "record" => {
            let shown: Shown<'_> = serde_json::from_str(&event.data).map_err(odd)?;
            Ok(Some(line(&shown, console)))
        }
        // Whatever later versions add.
        _ => Ok(None),
    }
}

fn line(shown: &Shown<'_>, console: &Console) -> String {
    let paint = match shown.outcome.as_str() {
        "delivered" => Paint::Good,
        "filtered" => Paint::Faint,
        "dead_lettered" => Paint::Bad,
        _ => Paint::Notable,
    };
    let outcome = format!("{:13}", plain(&shown.outcome));
    let attempt = match shown.attempt {
        0 | 1 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let record = &shown.record;
    let image = record.new_image.or(record.old_image).map_or("", RawValue::get);
    let image = match shown.truncated {
        true => "(too large to be shown)",
        false => image,
    };
    let before = format!("{}  {}  ", plain(&shown.time), plain(&shown.destination));
    let error = shown
        .error
        .as_deref()
        .map(|error| format!(" {error}"))
        .unwrap_or_default();
    let after = plain(&format!(
        "{:6} {}{attempt}{error} {image}",
        record.record_type,
        record.keys.get()
    ));
    let after = match console.width() {
        Some(width) => cut(&after, width.saturating_sub(before.len() + outcome.len()).max(20)),
        None => after,
    };
    format!("{before}{}{}", console.paint(paint, &outcome), after.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Form;

    fn record(data: &str) -> Event {
        Event {
            kind: "record".to_owned(),
            data: data.to_owned(),
        }
    }

    const RETRIED: &str = r#"{"time": "2026-01-01T00:00:00.000Z", "destination": "d", "outcome": "retried", "attempt": 2,
"error": "answered 500", "record": {"recordType": "MODIFY", "keys": {"_id":1.10}, "newImage": {"n":0.12345678901234567890}}}"#;

    #[test]
    fn people_see_a_line_with_what_went_wrong() {
        let line = show(&record(RETRIED), &Console::new(Form::Text)).unwrap();
        let wanted = "2026-01-01T00:00:00.000Z  d  retried      MODIFY {\"_id\":1.10} (attempt 2) answered 500 \
                      {\"n\":0.12345678901234567890}";
        assert_eq!(line.as_deref(), Some(wanted));
    }

    #[test]
    fn scripts_see_each_event_on_a_line_as_it_came() {
        let console = Console::new(Form::Json);
        let line = show(&record(RETRIED), &console).unwrap().unwrap();
        assert_eq!(line, RETRIED.replace('\n', " "));
        let missed = Event {
            kind: "missed".to_owned(),
            data: "{\"count\": 3}".to_owned(),
        };
        assert_eq!(
            show(&missed, &console).unwrap().as_deref(),
            Some("{\"missed\":3}")
        );
        let large = RETRIED.replacen("\"attempt\"", "\"truncated\": true, \"attempt\"", 1);
        let line = show(&record(&large), &Console::new(Form::Text)).unwrap().unwrap();
        assert!(line.ends_with("answered 500 (too large to be shown)"), "{line}");
        let later = Event {
            kind: "of a later version".to_owned(),
            data: "?".to_owned(),
        };
        assert_eq!(show(&later, &console).unwrap(), None);
    }
}
