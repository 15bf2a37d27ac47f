//! What has to be done so that collections are as files say. The server works it out, by a dry run of each change.

use std::collections::HashSet;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::client::{Call, Client};
use crate::cli::document::Wanted;
use crate::cli::error::CliError;
use crate::cli::status::CollectionStatus;

/// What becomes of collections that are in no file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Prune {
    Nothing,
    WhatIsInNoFile,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Create,
    Change,
    Unchanged,
    Delete,
    /// The server would refuse it.
    Refused,
}

/// A field that differs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) field: String,
    pub(crate) from: Value,
    pub(crate) to: Value,
}

/// What a change brings about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Consequence {
    pub(crate) code: String,
    pub(crate) destination: Option<String>,
    pub(crate) message: String,
}

/// What the server answers to a dry run.
#[derive(Debug, Deserialize)]
struct DryRun {
    action: Action,
    version: Option<i64>,
    changes: Vec<Change>,
    steps: Vec<String>,
    consequences: Vec<Consequence>,
    needs_discard: bool,
}

/// What has to be done with one collection.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) action: Action,
    pub(crate) changes: Vec<Change>,
    pub(crate) steps: Vec<String>,
    pub(crate) consequences: Vec<Consequence>,
    pub(crate) needs_discard: bool,
    /// The version that was compared, if there is one.
    pub(crate) etag: Option<String>,
    /// As a file has it; none of a deletion.
    pub(crate) wanted: Option<Wanted>,
    pub(crate) refusal: Option<CliError>,
}

/// Everything that has to be done, in order: as the files have it, deletions last.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Configured {
    collection_name: String,
    #[serde(default)]
    deletion_protection: bool,
}

impl Plan {
    /// Asks the server what each change would do.
    ///
    /// # Errors
    /// If the server cannot be asked. What it would refuse is part of the plan.
    pub(crate) async fn make(client: &Client, wanted: Vec<Wanted>, prune: Prune) -> Result<Self, CliError> {
        let configured: Vec<Configured> = client.ask(Call::get(&["api", "collections"])).await?;
        let known: HashSet<&str> = configured
            .iter()
            .map(|one| one.collection_name.as_str())
            .collect();
        let named: HashSet<String> = wanted.iter().map(|one| one.name.clone()).collect();
        let mut items = Vec::new();
        for one in wanted {
            let is_known = known.contains(one.name.as_str());
            items.push(Item::of(client, one, is_known).await?);
        }
        if prune == Prune::WhatIsInNoFile {
            for one in configured
                .iter()
                .filter(|one| !named.contains(&one.collection_name))
            {
                items.push(Item::deletion(client, one).await?);
            }
        }
        Ok(Self { items })
    }

    pub(crate) fn changes_nothing(&self) -> bool {
        self.count(Action::Unchanged) == self.items.len()
    }

    pub(crate) fn needs_discard(&self) -> bool {
        self.items.iter().any(|item| item.needs_discard)
    }

    pub(crate) fn refused(&self) -> usize {
        self.count(Action::Refused)
    }

    pub(crate) fn count(&self, action: Action) -> usize {
        self.items.iter().filter(|item| item.action == action).count()
    }
}

/// The request that makes a collection be as it is wanted.
pub(crate) fn call_of(wanted: &Wanted, is_known: bool) -> Call {
    let call = match is_known {
        true => Call::new(Method::PUT, &["api", "collections", &wanted.name]),
        false => Call::post(&["api", "collections"]),
    };
    call.with_body(wanted.json.clone())
}

impl Item {
    async fn of(client: &Client, wanted: Wanted, is_known: bool) -> Result<Self, CliError> {
        let answer = client
            .send(call_of(&wanted, is_known).with_flag("dry_run", true))
            .await;
        let place = wanted.place();
        let item = Self {
            name: wanted.name.clone(),
            action: Action::Refused,
            changes: Vec::new(),
            steps: Vec::new(),
            consequences: Vec::new(),
            needs_discard: false,
            etag: None,
            wanted: Some(wanted),
            refusal: None,
        };
        match answer {
            Ok(answer) => {
                let dry_run: DryRun = answer.read()?;
                Ok(Self {
                    action: dry_run.action,
                    changes: dry_run.changes,
                    steps: dry_run.steps,
                    consequences: dry_run.consequences,
                    needs_discard: dry_run.needs_discard,
                    etag: dry_run.version.map(|version| format!("\"{version}\"")),
                    ..item
                })
            }
            // What is wrong with this collection says nothing of the others.
            Err(error) if is_about_the_collection(&error) => Ok(Self {
                refusal: Some(error.at(place)),
                ..item
            }),
            Err(error) => Err(error),
        }
    }

    async fn deletion(client: &Client, configured: &Configured) -> Result<Self, CliError> {
        let name = &configured.collection_name;
        let found = client.send(Call::get(&["api", "collections", name])).await?;
        let status: CollectionStatus = client
            .ask(Call::get(&["api", "collections", name, "status"]))
            .await?;
        let lost = status.destinations.iter().map(|one| {
            let (waiting, dead) = (one.retry_length, one.dlq_length);
            let (code, message) = match waiting + dead {
                0 => (
                    "state_lost",
                    "loses its position; none of its records waits or is dead".to_owned(),
                ),
                _ => (
                    "records_lost",
                    format!("loses its position: {waiting} waiting and {dead} dead records vanish"),
                ),
            };
            Consequence {
                code: code.to_owned(),
                destination: Some(one.id.clone()),
                message,
            }
        });
        let kept = Consequence {
            code: "documents_kept".to_owned(),
            destination: None,
            message: "its documents stay in MongoDB".to_owned(),
        };
        let refusal = configured.deletion_protection.then(|| {
            CliError::failed("deletion protection is on, and the collection is in no file").with_advice(
                "put it into a file, with deletion_protection: false if it is to go, and apply that first",
            )
        });
        Ok(Self {
            name: name.clone(),
            action: match refusal {
                Some(_) => Action::Refused,
                None => Action::Delete,
            },
            changes: Vec::new(),
            steps: Vec::new(),
            consequences: std::iter::once(kept).chain(lost).collect(),
            needs_discard: status
                .destinations
                .iter()
                .any(|one| one.retry_length + one.dlq_length > 0),
            etag: found.etag,
            wanted: None,
            refusal,
        })
    }
}

/// Whether the server refused what one collection is to be, rather than the request as such.
fn is_about_the_collection(error: &CliError) -> bool {
    let code = error.refusal().map(|refusal| refusal.code.as_str());
    match error.status() {
        Some(400 | 404 | 409 | 412 | 413) => true,
        Some(403) => code != Some("read_only_token"),
        _ => false,
    }
}
