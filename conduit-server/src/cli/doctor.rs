//! `conduit doctor`: what the setup needs, and what to do about it.

use super::client::Call;
use super::command_line::{Outcome, ServerArgs};
use super::console::Console;
use super::error::CliError;
use crate::doctor::{Check, Finding, Report, Subject, examine, write_text};

const SET_UP: &str = "set MONGODB_URI, MONGODB_DATABASE and REDIS_URI as the server has them.";

/// Examines the setup that this process's environment describes, so that it works where no server can start; where
/// `MONGODB_URI` is not set in it, or a server is named, has the server examine its own.
pub(crate) async fn run(server: &ServerArgs, console: &Console) -> Result<Outcome, CliError> {
    let has_setup = std::env::var_os("MONGODB_URI").is_some_and(|uri| !uri.is_empty());
    let report = if has_setup && !server.is_named() {
        examine_here(console).await?
    } else {
        let asked = match server.client(*console) {
            Ok(client) => client.ask(Call::get(&["api", "doctor"])).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(report) => report,
            Err(error) if server.is_named() => return Err(error),
            Err(error) => nothing_to_examine(&error),
        }
    };
    if console.is_json() {
        let text =
            serde_json::to_string_pretty(&report).map_err(|error| CliError::failed(error.to_string()))?;
        console.print(&text)?;
    } else {
        console.print(&write_text(&report, console.colours()))?;
    }
    Ok(match report.has_failed() {
        true => Outcome::Negative,
        false => Outcome::Done,
    })
}

async fn examine_here(console: &Console) -> Result<Report, CliError> {
    let subject = Subject::of_variables(crate::environment::variables()).map_err(|message| {
        CliError::failed(format!(
            "{message}: install the certificate authorities of this machine, mostly the package ca-certificates"
        ))
    })?;
    Ok(console.wait("examining", examine(&subject)).await)
}

fn nothing_to_examine(error: &CliError) -> Report {
    let cure = match error.advice() {
        Some(advice) => format!("To ask the server: {advice}. To look from here: {SET_UP}"),
        None => format!("Start the server, or name it with --url; or look from here: {SET_UP}"),
    };
    let found = format!(
        "MONGODB_URI is not set here, and the server cannot be asked: {}",
        error.message()
    );
    Report {
        checks: vec![Check::new("environment", Finding::failed(found, cure))],
    }
}
