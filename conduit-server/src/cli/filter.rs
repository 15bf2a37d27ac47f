//! `conduit filter test`: tries a filter on a record.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Call, Client};
use super::command_line::Outcome;
use super::console::{Console, Paint};
use super::error::CliError;
use super::table::{Align, Cell, Table};
use super::yaml;

#[derive(Debug, Subcommand)]
pub(crate) enum FilterCommand {
    /// Tells whether a filter takes a record, and why; exit code 1 if it does not
    Test(TestArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pattern: PatternArgs,
    /// The record: JSON such as '{"newImage": {"status": "paid"}}', a file with it, or `-` for standard input
    #[arg(long, value_name = "RECORD")]
    record: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct PatternArgs {
    /// A file with the filter, as YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The filter itself, such as '{"new_image": {"status": ["paid"]}}'
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    matches: bool,
    explain: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    path: String,
    operator: Value,
    matched: bool,
    #[serde(default)]
    found: Value,
}

pub(crate) async fn run(
    client: &Client,
    console: &Console,
    FilterCommand::Test(args): FilterCommand,
) -> Result<Outcome, CliError> {
    let filter = match (&args.pattern.file, &args.pattern.filter) {
        (Some(file), _) => read_file(&file.display().to_string())?,
        (None, Some(text)) => read_json(text, "--filter")?,
        (None, None) => return Err(CliError::usage("--file or --filter is needed")),
    };
    let record = match args.record.trim_start().starts_with('{') {
        true => read_json(&args.record, "--record")?,
        false => read_file(&args.record)?,
    };
    let body = format!("{{\"filter_criteria\":{filter},\"record\":{record}}}");
    let answer = client
        .send(Call::post(&["api", "filters", "test"]).with_body(body))
        .await?;
    let verdict: Verdict = answer.read()?;
    match console.is_json() {
        true => console.print(&answer.text)?,
        false => console.print(&show(&verdict, console))?,
    }
    Ok(match verdict.matches {
        true => Outcome::Done,
        false => Outcome::Negative,
    })
}

/// Reads JSON, as it is written: filters look at the text of numbers.
fn read_json(text: &str, place: &str) -> Result<String, CliError> {
    let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
    read.map_err(|error| CliError::usage(format!("this is no JSON: {error}")).at(place))?;
    Ok(text.to_owned())
}

/// Reads a file of YAML or JSON as JSON; `-` is standard input.
fn read_file(path: &str) -> Result<String, CliError> {
    let text = read_text(path)?;
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
        return Ok(text);
    }
    let documents = yaml::read(&text)
        .map_err(|fault| CliError::usage(fault.message.clone()).at(format!("{path}, line {}", fault.line)))?;
    match documents.as_slice() {
        [document] => Ok(document.to_json()),
        _ => Err(CliError::usage("one document is expected").at(path)),
    }
}

/// Reads a file; `-` is standard input.
pub(crate) fn read_text(path: &str) -> Result<String, CliError> {
    let mut text = String::new();
    let read = match path {
        "-" => std::io::stdin().lock().read_to_string(&mut text),
        path => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(CliError::usage(format!("the file cannot be read: {error}")).at(path)),
    }
}

fn show(verdict: &Verdict, console: &Console) -> String {
    let head = match verdict.matches {
        true => console.paint(Paint::Good, "matches"),
        false => console.paint(Paint::Bad, "does not match"),
    };
    let mut table = Table::new(&[
        ("PATH", Align::Left),
        ("MATCHED", Align::Left),
        ("OPERATOR", Align::Left),
        ("FOUND", Align::Left),
    ]);
    for reason in &verdict.explain {
        let matched = match reason.matched {
            true => Cell::painted("yes", Paint::Good),
            false => Cell::painted("no", Paint::Bad),
        };
        let shown = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        table.add([
            (&reason.path).into(),
            matched,
            shown(&reason.operator).into(),
            shown(&reason.found).into(),
        ]);
    }
    match table.is_empty() {
        true => head,
        false => format!("{head}\n\n{}", table.show(console)),
    }
}
