//! Examines everything, what is independent at the same time.

use std::path::Path;
use std::sync::Arc;

use conduit_core::{QueueLengths, StateError, StateStore, SubscriptionId};
use conduit_state::RedisStore;

use super::check::Check;
use super::finding::Finding;
use super::mongodb::Mongo;
use super::patience::{bounded, no_answer};
use super::report::Report;
use super::streams::{Streams, subscriptions};
use super::subject::{Live, Subject};
use super::{collections, destinations, environment, history, mongodb, redis};
use crate::bulletin::{Published, read_statuses};
use crate::catalog::{Catalog, CatalogError, Entry};
use crate::environment::{DEV_FOLDER, Role};
use crate::secrets::SecretKeys;

/// Examines a setup. Bounded in time, whatever does not answer: each check takes five seconds at the most, and those that
/// need no other's answer run at the same time.
pub(crate) async fn examine(subject: &Subject) -> Report {
    let mut checks = environment::examine(subject);
    let ((of_mongodb, mongo), (of_state, redis)) =
        tokio::join!(examine_mongodb(subject), examine_state(subject));
    checks.extend(of_mongodb);
    checks.extend(of_state);
    let Some(mongo) = mongo else {
        let why = "what is configured is in MongoDB, which cannot be asked";
        checks.push(Check::new("collections and destinations", Finding::skipped(why)));
        return Report { checks };
    };
    let mut entries = match configuration(&mongo).await {
        Ok(entries) => entries,
        Err(finding) => {
            checks.push(Check::new("configuration", finding));
            return Report { checks };
        }
    };
    checks.push(Check::new("configuration", configured(&entries)));
    checks.push(Check::new("secrets", secrets(subject, &mut entries)));
    let needs_images = entries.iter().any(|entry| entry.config.needs_images());
    let ((of_history, known), of_collections, of_destinations, streams) = tokio::join!(
        history::examine(&mongo.admin, needs_images),
        collections::examine(&mongo, &entries),
        destinations::examine(&entries, &subject.types),
        look_at_streams(subject, redis, &entries),
    );
    checks.extend(of_history);
    checks.extend(of_collections);
    checks.extend(of_destinations);
    checks.extend(streams.examine(&entries, &known));
    Report { checks }
}

async fn examine_mongodb(subject: &Subject) -> (Vec<Check>, Option<Mongo>) {
    match (subject.mongodb_uri(), subject.database()) {
        (Some(uri), Some(database)) => mongodb::examine(uri, database).await,
        _ => {
            let why = "MONGODB_URI and MONGODB_DATABASE do not say where it is";
            (vec![Check::new("mongodb", Finding::skipped(why))], None)
        }
    }
}

async fn examine_state(subject: &Subject) -> (Vec<Check>, Option<Arc<RedisStore>>) {
    let embedded = subject
        .variable("CONDUIT_STATE")
        .and_then(|state| state.strip_prefix("embedded:"));
    let (name, finding) = match (embedded, subject.variable("REDIS_URI")) {
        (Some(path), _) => ("state file", state_file(Path::new(path))),
        (None, Some(uri)) => return redis::examine(uri).await,
        (None, None) if subject.role == Role::Dev => (
            "state file",
            Finding::ok(format!("state is kept in {DEV_FOLDER}")),
        ),
        (None, None) => ("redis", Finding::skipped("REDIS_URI does not say where it is")),
    };
    (vec![Check::new(name, finding)], None)
}

/// The file itself is the server's, which locks it.
fn state_file(path: &Path) -> Finding {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let cure = "Make the folder that CONDUIT_STATE=embedded:PATH names, and give it to the user that the server runs as.";
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => Finding::failed(format!("{} is no folder", folder.display()), cure),
        Ok(found) if found.permissions().readonly() => {
            Finding::failed(format!("nothing may be written to {}", folder.display()), cure)
        }
        Ok(_) => Finding::ok(format!("state is kept in {}", path.display())),
        Err(error) => Finding::failed(format!("{} cannot be used: {error}", folder.display()), cure),
    }
}

/// Reads what is configured, secrets as they are stored.
async fn configuration(mongo: &Mongo) -> Result<Vec<Entry>, Finding> {
    let catalog = Catalog::new(&mongo.database);
    match bounded(async move { catalog.list().await }).await {
        Some(Ok(entries)) => Ok(entries),
        Some(Err(error @ CatalogError::Unreadable(_))) => Err(Finding::failed(
            error.to_string(),
            "Use the version of Conduit that wrote it, or take the document out of config.collections and configure the \
             collection again.",
        )),
        Some(Err(error)) => Err(Finding::failed(
            error.to_string(),
            "Grant the user find, insert, update and remove on config.collections, best readWrite on the database.",
        )),
        None => Err(Finding::failed(
            no_answer(),
            "Reads with majority do not return: look at rs.status() for members that are down.",
        )),
    }
}

fn configured(entries: &[Entry]) -> Finding {
    let streams = entries.iter().filter(|entry| entry.is_active()).count();
    Finding::ok(format!("collections: {}, streams on: {streams}", entries.len()))
}

/// Opens the secrets of what is stored, and says how they were stored.
fn secrets(subject: &Subject, entries: &mut [Entry]) -> Finding {
    let keys = subject.variable("CONDUIT_SECRET_KEY").map(SecretKeys::parse);
    // A wrong key is found with the environment.
    let keys = keys.and_then(Result::ok).unwrap_or_default();
    let (mut plain, mut sealed, mut shut) = (0, 0, 0);
    for entry in entries {
        let stored = counted(entry);
        entry.config.open(&keys);
        plain += usize::from(stored.0 > 0);
        sealed += usize::from(stored.1 > 0);
        shut += usize::from(counted(entry).1 > 0);
    }
    if shut > 0 {
        return Finding::failed(
            format!("secrets of {shut} collections cannot be decrypted: their destinations rest"),
            "Set CONDUIT_SECRET_KEY to the key that they were encrypted with, on API and workers alike (beside a newer one: \
             new,old), or send the secrets again.",
        );
    }
    match (plain, sealed) {
        (0, 0) => Finding::ok("no secret is stored"),
        (0, _) => Finding::ok("secrets are encrypted where they are stored"),
        (_, _) if !keys.is_empty() => Finding::warning(
            format!(
                "secrets of {plain} collections lie in config.collections as they are, though there is a key"
            ),
            "Restart the API with CONDUIT_SECRET_KEY set: it encrypts them at its start.",
        ),
        (_, _) => Finding::warning(
            format!("secrets of {plain} collections lie in config.collections as they are"),
            "Set CONDUIT_SECRET_KEY to what this prints: openssl rand -base64 32, on API and workers alike. Or have the \
             destinations name a variable or file instead: {\"env\": \"CONDUIT_DEST_...\"}.",
        ),
    }
}

/// How many secrets of a collection's destinations are there as they are, and how many encrypted.
fn counted(entry: &Entry) -> (usize, usize) {
    let counts = entry
        .config
        .destinations
        .iter()
        .map(|destination| destination.settings.count_secrets());
    counts.fold((0, 0), |(plain, sealed), (more_plain, more_sealed)| {
        (plain + more_plain, sealed + more_sealed)
    })
}

/// Asks what workers say and what waits, without changing anything.
async fn look_at_streams(subject: &Subject, redis: Option<Arc<RedisStore>>, entries: &[Entry]) -> Streams {
    let ids = subscriptions(entries);
    let asked = ids.clone();
    let live = subject.live.clone();
    let asking = async move {
        match (live, redis) {
            (Some(Live { store, bulletin }), _) => {
                let published = bulletin.published().await?;
                Ok((published, store.lengths(&asked).await?))
            }
            (None, Some(redis)) => {
                let published = read_statuses(redis.peek_statuses().await?);
                Ok((published, redis.lengths(&asked).await?))
            }
            (None, None) => Err(StateError::unavailable("nobody can be asked")),
        }
    };
    let answer: Option<Result<(Published, Vec<QueueLengths>), StateError>> = bounded(asking).await;
    let Some(Ok((published, lengths))) = answer else {
        return Streams::default();
    };
    let of_worker = |(worker, own): (conduit_core::WorkerId, Vec<conduit_core::CollectionStatus>)| {
        own.into_iter().map(move |status| (worker.clone(), status))
    };
    Streams {
        workers: published.len(),
        statuses: Some(published.into_iter().flat_map(of_worker).collect()),
        lengths: ids
            .into_iter()
            .zip(lengths)
            .collect::<Vec<(SubscriptionId, QueueLengths)>>(),
    }
}
