//! Carries a plan out, collection by collection.

use hyper::Method;
use serde::Serialize;

use super::plan::{Action, Item, Plan, call_of};
use crate::cli::client::{Call, Client};
use crate::cli::command_line::Outcome;
use crate::cli::console::{Console, Paint, plain};
use crate::cli::error::CliError;

/// What became of one item of a plan.
#[derive(Debug, Default)]
pub(crate) enum Fate {
    Done,
    /// There was nothing to do.
    Nothing,
    Failed(CliError),
    /// It was not tried, since one before it failed.
    #[default]
    NotTried,
}

/// A fate's word, for programs.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FateWord {
    Done,
    Nothing,
    Failed,
    NotTried,
}

impl Fate {
    pub(crate) fn word(&self) -> FateWord {
        match self {
            Self::Done => FateWord::Done,
            Self::Nothing => FateWord::Nothing,
            Self::Failed(_) => FateWord::Failed,
            Self::NotTried => FateWord::NotTried,
        }
    }
}

/// Does one item after the other, until one fails; says what was done as it is.
pub(crate) async fn carry_out(
    client: &Client,
    console: &Console,
    (plan, discard): (&Plan, bool),
) -> Vec<Fate> {
    let mut fates = Vec::new();
    for item in &plan.items {
        let fate = match call(item, discard) {
            None => Fate::Nothing,
            Some(call) => match client.send(call).await {
                Ok(_) => {
                    tell_done(console, item);
                    Fate::Done
                }
                Err(error) => Fate::Failed(error),
            },
        };
        let has_failed = matches!(fate, Fate::Failed(_));
        fates.push(fate);
        if has_failed {
            break;
        }
    }
    fates.resize_with(plan.items.len(), Fate::default);
    fates
}

/// The request that an item is carried out by: of the version that was planned with, so that nothing that somebody else wrote
/// since is overwritten.
fn call(item: &Item, discard: bool) -> Option<Call> {
    let etag = item.etag.clone();
    match (item.action, &item.wanted) {
        (Action::Create, Some(wanted)) => Some(call_of(wanted, false)),
        (Action::Change, Some(wanted)) => {
            Some(call_of(wanted, true).with_flag("discard", discard).if_match(etag))
        }
        (Action::Delete, _) => {
            let call = Call::new(Method::DELETE, &["api", "collections", &item.name]);
            Some(call.with_flag("keep_data", true).if_match(etag))
        }
        _ => None,
    }
}

fn tell_done(console: &Console, item: &Item) {
    if console.is_json() {
        return;
    }
    let done = match item.action {
        Action::Create => "created",
        Action::Delete => "deleted",
        _ => "changed",
    };
    // If nobody reads it, the work goes on all the same.
    let _ = console.print(&format!(
        "{}: {}",
        plain(&item.name),
        console.paint(Paint::Good, done)
    ));
}

/// Says what was done and what was not, if not all was.
pub(crate) fn judge(plan: &Plan, fates: Vec<Fate>) -> Result<Outcome, CliError> {
    let names = |wanted: fn(&Fate) -> bool| {
        let pairs = plan.items.iter().zip(&fates);
        let names: Vec<&str> = pairs
            .filter(|(_, fate)| wanted(fate))
            .map(|(item, _)| item.name.as_str())
            .collect();
        match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        }
    };
    let is_done = |fate: &Fate| matches!(fate, Fate::Done);
    let is_left = |fate: &Fate| matches!(fate, Fate::NotTried);
    let (done, left, failed) = (
        names(is_done),
        names(is_left),
        names(|fate| matches!(fate, Fate::Failed(_))),
    );
    for fate in fates {
        if let Fate::Failed(error) = fate {
            return Err(error.within(&format!("{failed} failed (done: {done}; not tried: {left})")));
        }
    }
    Ok(Outcome::Done)
}
