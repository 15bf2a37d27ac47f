//! `conduit apply`: makes collections be as files say, with a plan first.

mod carry_out;
mod plan;
mod show;

use clap::Args;

use super::client::Client;
use super::command_line::Outcome;
use super::console::Console;
use super::document::read_files;
use super::error::CliError;
use plan::{Plan, Prune};

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A file of YAML or JSON; several are taken together; `-` is standard input
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    files: Vec<String>,
    /// Shows the plan and changes nothing
    #[arg(long)]
    dry_run: bool,
    /// Does not ask
    #[arg(long)]
    yes: bool,
    /// Deletes the configuration of collections that are in no file; their documents stay
    #[arg(long)]
    prune: bool,
    /// Lets undelivered records vanish with the destinations that are removed
    #[arg(long)]
    discard: bool,
}

pub(crate) async fn run(client: &Client, console: &Console, args: ApplyArgs) -> Result<Outcome, CliError> {
    let wanted = read_files(&args.files)?;
    let prune = match args.prune {
        true => Prune::WhatIsInNoFile,
        false => Prune::Nothing,
    };
    let plan = Plan::make(client, wanted, prune).await?;
    if !console.is_json() {
        console.print(&show::plan(&plan, console))?;
    }
    if let Err(error) = is_possible(&plan, &args) {
        show::json(&plan, &[], console)?;
        return Err(error);
    }
    if args.dry_run || plan.changes_nothing() {
        show::json(&plan, &[], console)?;
        return Ok(Outcome::Done);
    }
    if !args.yes && !console.confirm("Apply this plan?")? {
        console.tell("nothing was changed");
        return Ok(Outcome::Negative);
    }
    let outcomes = carry_out::carry_out(client, console, (&plan, args.discard)).await;
    show::json(&plan, &outcomes, console)?;
    carry_out::judge(&plan, outcomes)
}

/// Refuses a plan of which a part would fail: it is all or nothing as far as that can be told beforehand.
fn is_possible(plan: &Plan, args: &ApplyArgs) -> Result<(), CliError> {
    let refused = plan.refused();
    if refused > 0 {
        let message = format!("{refused} of the collections cannot be as the files say; nothing was changed");
        return Err(CliError::failed(message));
    }
    if plan.needs_discard() && !args.discard && !args.dry_run {
        let message = "undelivered records would vanish; nothing was changed";
        let advice = "wait, `conduit dlq redrive` or `conduit dlq purge` first, or repeat with --discard";
        return Err(CliError::failed(message).with_advice(advice));
    }
    Ok(())
}
