//! What can be asked for, and the way to who does it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::apply::{self, ApplyArgs};
use super::client::Client;
use super::collections::{self, CollectionsCommand};
use super::console::{Console, Form};
use super::dead_letters::{self, DlqCommand};
use super::doctor;
use super::error::{CliError, ErrorKind};
use super::export::{self, ExportArgs};
use super::filter::{self, FilterCommand};
use super::status::{self, StatusArgs};
use super::steering::{self, RewindArgs, SteerArgs, Steering};
use super::tail::{self, TailArgs};
use super::token::Token;
use super::trial::{self, TestArgs};

/// What a command came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// All is well: exit code 0.
    Done,
    /// It was answered, and the answer is no, which the output says: exit code 1.
    Negative,
}

const URL_VARIABLE: &str = "CONDUIT_URL";
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed, or the answer is no (filter test, test, doctor); 2 asked for wrongly.

The token comes from CONDUIT_API_TOKEN or --token-file; there is no option for the token itself, since other users of the
machine could read it in the list of processes. NO_COLOR turns colours off; output that goes to no terminal has none.";

/// Watches and steers a Conduit server.
#[derive(Debug, Parser)]
#[command(name = "conduit", version, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: Command,
}

/// Which server is meant, and how it is spoken to.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where the server listens [default: CONDUIT_URL, then http://127.0.0.1:8080]
    #[arg(long, global = true, help_heading = "Server and output")]
    url: Option<String>,
    /// A file that holds the API token [default: the token in CONDUIT_API_TOKEN]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server and output")]
    token_file: Option<PathBuf>,
    /// Prints JSON, for scripts
    #[arg(long, global = true, help_heading = "Server and output")]
    json: bool,
}

impl ServerArgs {
    /// Whether a server is named on the command line.
    pub(crate) fn is_named(&self) -> bool {
        self.url.is_some()
    }

    /// Makes a client of the server that is meant.
    ///
    /// # Errors
    /// `Usage` if URL or token are none.
    pub(crate) fn client(&self, console: Console) -> Result<Client, CliError> {
        let token = Token::find(self.token_file.as_deref())?;
        let from_environment = || std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
        let url = self.url.clone().or_else(from_environment);
        Client::new(url.as_deref().unwrap_or(DEFAULT_URL), token, console)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists, shows and deletes configured collections
    #[command(subcommand)]
    Collections(CollectionsCommand),
    /// Shows how destinations do
    Status(StatusArgs),
    /// Stops delivery and keeps the position
    Pause(SteerArgs),
    /// Goes on after a pause
    Resume(SteerArgs),
    /// Delivers again from a time on, or skips to now
    Rewind(RewindArgs),
    /// Sends a sample record to each destination
    Test(TestArgs),
    /// Lists dead letters, sends them again, drops them
    #[command(subcommand)]
    Dlq(DlqCommand),
    /// Shows records as they are delivered, and what became of them
    Tail(TailArgs),
    /// Tries filters
    #[command(subcommand)]
    Filter(FilterCommand),
    /// Makes collections be as files say, with a plan first
    Apply(ApplyArgs),
    /// Writes collections as `apply` takes them
    Export(ExportArgs),
    /// Checks what Conduit depends on, and says what to do about it
    Doctor,
    /// Writes completions for a shell
    Completions {
        /// For which shell
        shell: Shell,
    },
}

/// Runs the command that the process was started with.
///
/// Prints what was asked for to standard output, failures to standard error. The exit code is 0 if it was done, 1 if it
/// failed or the answer is no, and 2 if it was asked for wrongly.
#[must_use]
pub fn command_line() -> ExitCode {
    let CommandLine { server, command } = CommandLine::parse();
    let form = if server.json { Form::Json } else { Form::Text };
    let console = Console::new(form);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(command, &server, console)),
        Err(error) => Err(CliError::failed(format!("cannot start: {error}"))),
    };
    match done {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Negative) => ExitCode::from(1),
        Err(error) => {
            let code = match error.kind() {
                ErrorKind::Unread => return ExitCode::SUCCESS,
                ErrorKind::Failed => 1,
                ErrorKind::Usage => 2,
            };
            console.tell(&error.to_string());
            ExitCode::from(code)
        }
    }
}

async fn run(command: Command, server: &ServerArgs, console: Console) -> Result<Outcome, CliError> {
    if let Command::Completions { shell } = command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut CommandLine::command(), "conduit", &mut script);
        console.print(&String::from_utf8_lossy(&script))?;
        return Ok(Outcome::Done);
    }
    if let Command::Doctor = command {
        // It may look for itself, where no server can start.
        return doctor::run(server, &console).await;
    }
    let client = &server.client(console)?;
    match command {
        Command::Collections(command) => collections::run(client, &console, command).await,
        Command::Status(args) => status::run(client, &console, args).await,
        Command::Pause(args) => steering::steer(client, &console, Steering::Pause, args).await,
        Command::Resume(args) => steering::steer(client, &console, Steering::Resume, args).await,
        Command::Rewind(args) => steering::rewind(client, &console, args).await,
        Command::Test(args) => trial::run(client, &console, args).await,
        Command::Dlq(command) => dead_letters::run(client, &console, command).await,
        Command::Tail(args) => tail::run(client, &console, args).await,
        Command::Filter(command) => filter::run(client, &console, command).await,
        Command::Apply(args) => Box::pin(apply::run(client, &console, args)).await,
        Command::Export(args) => export::run(client, &console, args).await,
        Command::Doctor | Command::Completions { .. } => Ok(Outcome::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn there_is_no_option_for_the_token_itself() {
        assert!(CommandLine::try_parse_from(["conduit", "--token", "s3cret", "status"]).is_err());
    }
}
