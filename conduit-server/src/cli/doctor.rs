//! `conduit doctor`: what the setup needs, and what to do about it.

use std::collections::HashMap;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Uri};
use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::doctor::{Check, Colours, Finding, Report, Subject, examine, write_text};

/// Where a server listens that nothing else was said of.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// How long a server may take to examine itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// What `conduit doctor` is told.
#[derive(Clone, Debug, Args)]
pub struct DoctorArguments {
    /// Asks the server there, though MONGODB_URI is set here (default: CONDUIT_URL, then http://127.0.0.1:8080)
    #[arg(long)]
    url: Option<String>,
    /// Prints JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Examines the setup that this process's environment describes, or, where `MONGODB_URI` is not set in it, has the server
/// examine its own; prints what was found.
///
/// Returns 0 if nothing failed and 1 otherwise.
#[must_use]
pub fn doctor(arguments: &DoctorArguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let report = match runtime {
        Ok(runtime) => {
            let report = runtime.block_on(find(arguments, std::env::vars().collect()));
            // What did not answer is not waited for.
            runtime.shutdown_background();
            report
        }
        Err(error) => alone(Finding::failed(
            format!("cannot start: {error}"),
            "Look at the limits of this user: ulimit -a",
        )),
    };
    match print(&report, arguments.json) {
        Ok(()) if !report.has_failed() => ExitCode::SUCCESS,
        Ok(()) | Err(_) => ExitCode::from(1),
    }
}

async fn find(arguments: &DoctorArguments, variables: HashMap<String, String>) -> Report {
    let variable = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
    if arguments.url.is_none() && variable("MONGODB_URI").is_some() {
        return match Subject::of_variables(variables) {
            Ok(subject) => {
                let report = examine(&subject, &tell).await;
                tell("");
                report
            }
            Err(message) => alone(Finding::failed(
                message,
                "Install the certificate authorities of this machine, mostly the package ca-certificates.",
            )),
        };
    }
    let url = arguments
        .url
        .clone()
        .or_else(|| variable("CONDUIT_URL"))
        .unwrap_or_else(|| DEFAULT_URL.to_owned());
    match ask(&url, variable("CONDUIT_API_TOKEN")).await {
        Ok(report) => report,
        Err(why) => alone(Finding::failed(
            format!("MONGODB_URI is not set here, and the server cannot be asked: {why}"),
            "Set MONGODB_URI, MONGODB_DATABASE and REDIS_URI here as the server has them, or start the server and name it with \
             --url and CONDUIT_API_TOKEN.",
        )),
    }
}

fn alone(finding: Finding) -> Report {
    Report {
        checks: vec![Check::new("environment", finding)],
    }
}

/// Has a server examine itself. The error holds no token.
async fn ask(url: &str, token: Option<String>) -> Result<Report, String> {
    let uri: Uri = format!("{}/api/doctor", url.trim_end_matches('/'))
        .parse()
        .map_err(|_| "its URL is none".to_owned())?;
    let mut request = Request::builder().uri(uri);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request
        .body(Full::<Bytes>::default())
        .map_err(|_| "its URL or the token cannot be sent".to_owned())?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answered = async {
        let response = client.request(request).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        })?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("it answers {status}"));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        serde_json::from_slice(&body).map_err(|_| "it is no Conduit of this version".to_owned())
    };
    tokio::time::timeout(PATIENCE, answered)
        .await
        .unwrap_or_else(|_| Err("it does not answer".to_owned()))
}

fn print(report: &Report, json: bool) -> std::io::Result<()> {
    let mut out = stdout().lock();
    if json {
        let text = serde_json::to_string_pretty(report)?;
        return writeln!(out, "{text}");
    }
    let has_colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let colours = if has_colours {
        Colours::Shown
    } else {
        Colours::None
    };
    write!(out, "{}", write_text(report, colours))
}

/// Shows on a terminal what is waited for, in place of what was shown before.
fn tell(what: &str) {
    let mut terminal = stderr();
    if terminal.is_terminal() {
        // Nobody there to be told is no failure.
        let _ = write!(terminal, "\r\u{1b}[K{what}").and_then(|()| terminal.flush());
    }
}
