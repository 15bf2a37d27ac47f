//! MongoDB: whether it is there, what it is, what the user may do.

use std::time::Duration;

use conduit_core::{Clock, SystemClock};
use conduit_mongo::{
    AdminError, AdminErrorKind, CollectionAdmin, Denial, Deployment, DeploymentKind, Privileges,
    ServerVersion, SetHealth, observe_deployment,
};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};

use super::check::Check;
use super::finding::Finding;
use super::patience::{REACH, bounded, no_answer, shown};
use crate::catalog::CATALOG_COLLECTION;

const OLDEST: ServerVersion = ServerVersion::new(4, 4, 0);
const STORES_IMAGES: ServerVersion = ServerVersion::new(6, 0, 0);
/// How far two clocks may be apart.
const MAX_SKEW: Duration = Duration::from_secs(5);

/// What the server's user must be allowed on the database, and on the collection of the configuration.
const ON_DATABASE: [&str; 10] = [
    "changeStream",
    "find",
    "insert",
    "update",
    "remove",
    "createCollection",
    "collMod",
    "createIndex",
    "dropCollection",
    "dropIndex",
];
const ON_CONFIGURATION: [&str; 4] = ["find", "insert", "update", "remove"];

/// A MongoDB that can be asked further.
#[derive(Clone, Debug)]
pub(super) struct Mongo {
    pub(super) database: Database,
    pub(super) admin: CollectionAdmin,
    pub(super) version: Option<ServerVersion>,
}

/// Examines the deployment; returns what to ask further if changes can be read from it.
pub(super) async fn examine(uri: &str, database: &str) -> (Vec<Check>, Option<Mongo>) {
    let asked = uri.to_owned();
    let began = SystemClock.now();
    let observed = bounded(async move { observe_deployment(&asked, REACH).await }).await;
    let skew = observed
        .as_ref()
        .and_then(|observed| skew(observed.as_ref().ok()?, began.as_millis()));
    let deployment = match observed {
        Some(Ok(deployment)) => deployment,
        Some(Err(error)) => return (vec![Check::new("mongodb", not_reached(&error))], None),
        None => {
            let finding = Finding::failed(no_answer(), REACH_CURE);
            return (vec![Check::new("mongodb", finding)], None);
        }
    };
    let mut checks = vec![
        Check::new(
            "mongodb",
            Finding::ok(format!("mongodb at {} answers", deployment.server)),
        ),
        Check::new("mongodb replica set", replica_set(&deployment)),
    ];
    let has_streams = match deployment.kind {
        DeploymentKind::ReplicaSet => deployment.primary.is_some(),
        DeploymentKind::Sharded => true,
        DeploymentKind::Standalone | DeploymentKind::Uninitiated => false,
    };
    if !has_streams {
        return (checks, None);
    }
    let database = match connect(uri, database).await {
        Ok(database) => database,
        Err(finding) => {
            checks.push(Check::new("mongodb connection", finding));
            return (checks, None);
        }
    };
    let admin = CollectionAdmin::new(database.clone());
    let (version, majority, rights) = tokio::join!(
        version(&admin),
        majority(&admin, &deployment),
        rights(&admin, &database)
    );
    checks.push(Check::new("mongodb version", version.0));
    checks.push(Check::new("mongodb majority", majority));
    checks.push(Check::new("mongodb rights", rights));
    checks.push(Check::new("mongodb clock", clock(skew)));
    let version = version.1;
    (
        checks,
        Some(Mongo {
            database,
            admin,
            version,
        }),
    )
}

const REACH_CURE: &str = "Start MongoDB, or correct hosts and ports of MONGODB_URI; `mongosh \"$MONGODB_URI\" --eval 'db.hello()'` \
                          must answer. Look at the firewall and, for a server with TLS, at tls=true and tlsCAFile.";

fn not_reached(error: &AdminError) -> Finding {
    let found = report(error);
    if error.kind() == AdminErrorKind::InvalidInput {
        return Finding::failed(
            found,
            "Correct MONGODB_URI: mongodb://user:password@host:27017/?replicaSet=rs0, with : / ? # @ in user and password \
             percent-encoded.",
        );
    }
    match error.denial() {
        Some(Denial::BadCredentials) => Finding::failed(
            found,
            "Correct user and password in MONGODB_URI, and authSource, the database that the user was made in, mostly \
             authSource=admin.",
        ),
        Some(Denial::NotAllowed) | None => Finding::failed(found, REACH_CURE),
    }
}

/// The message with its cause, in one line.
pub(super) fn report(error: &AdminError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn replica_set(deployment: &Deployment) -> Finding {
    let server = &deployment.server;
    match (deployment.kind, &deployment.primary) {
        (DeploymentKind::Standalone, _) => Finding::failed(
            "it is a standalone server, which has no change streams",
            format!(
                "Start mongod with --replSet rs0 (replication.replSetName in mongod.conf), then run once: mongosh \
                 'mongodb://{server}/?directConnection=true' --eval 'rs.initiate()'"
            ),
        ),
        (DeploymentKind::Uninitiated, _) => Finding::failed(
            "it was started with the name of a replica set that was never initiated",
            format!(
                "Run once: mongosh 'mongodb://{server}/?directConnection=true' --eval 'rs.initiate()'. An API does it at its \
                 start where MONGODB_URI names this one host."
            ),
        ),
        (DeploymentKind::ReplicaSet, None) => Finding::failed(
            "the replica set has no primary, so nothing can be written and no changes come",
            format!(
                "Run: mongosh 'mongodb://{server}/?directConnection=true' --eval 'rs.status()'. Start the members that are \
                 not reachable: more than half of the votes are needed for a primary."
            ),
        ),
        (DeploymentKind::ReplicaSet, Some(primary)) => {
            Finding::ok(format!("a replica set with the primary {primary}"))
        }
        (DeploymentKind::Sharded, _) => Finding::ok("a sharded cluster"),
    }
}

async fn connect(uri: &str, database: &str) -> Result<Database, Finding> {
    let failed = |error: &mongodb::error::Error| Finding::failed(conduit_mongo::describe(error), REACH_CURE);
    let mut options = ClientOptions::parse(uri).await.map_err(|error| failed(&error))?;
    options
        .app_name
        .get_or_insert_with(|| "conduit doctor".to_owned());
    options.server_selection_timeout = Some(REACH);
    options.connect_timeout = Some(REACH);
    let client = Client::with_options(options).map_err(|error| failed(&error))?;
    Ok(client.database(database))
}

async fn version(admin: &CollectionAdmin) -> (Finding, Option<ServerVersion>) {
    let admin = admin.clone();
    let asking = bounded(async move { (admin.server_version().await, admin.compatibility_version().await) });
    let (version, compatibility) = match asking.await {
        Some((Ok(version), compatibility)) => (version, compatibility),
        Some((Err(error), _)) => return (Finding::failed(report(&error), REACH_CURE), None),
        None => return (Finding::failed(no_answer(), REACH_CURE), None),
    };
    let is_behind = compatibility.as_deref().is_some_and(|compatibility| {
        let major = compatibility
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        version >= STORES_IMAGES && major.is_some_and(|major| major < STORES_IMAGES.major)
    });
    let finding = if version < OLDEST {
        Finding::failed(
            format!("mongodb {version} is too old"),
            "Upgrade MongoDB to version 4.4 or newer, best 6.0 or newer.",
        )
    } else if is_behind {
        let compatibility = compatibility.unwrap_or_default();
        Finding::warning(
            format!(
                "mongodb {version} behaves as {compatibility}: it stores no images for old_image and key schemas"
            ),
            format!(
                "Run: mongosh \"$MONGODB_URI\" --eval 'db.adminCommand({{setFeatureCompatibilityVersion: \"{}.{}\"}})'",
                version.major, version.minor
            ),
        )
    } else if version < STORES_IMAGES {
        Finding::ok(format!(
            "mongodb {version}, without images for old_image and key schemas (from 6.0 on)"
        ))
    } else {
        Finding::ok(format!("mongodb {version}"))
    };
    (finding, Some(version))
}

/// Change streams tell what a majority has: where that stalls, so do they.
async fn majority(admin: &CollectionAdmin, deployment: &Deployment) -> Finding {
    if deployment.kind == DeploymentKind::Sharded {
        return Finding::skipped("a sharded cluster does not tell how its replica sets do");
    }
    let admin = admin.clone();
    let health = match bounded(async move { admin.set_health().await }).await {
        Some(Ok(health)) => Some(health),
        Some(Err(_)) | None => None,
    };
    judge_majority(health, deployment.arbiters.len())
}

fn judge_majority(health: Option<SetHealth>, arbiters: usize) -> Finding {
    const NO_ARBITER: &str = "Replace the arbiter by a member that keeps data: rs.remove(\"<arbiter>\"), then rs.add(\"<host:port>\").";
    if let Some(SetHealth {
        healthy,
        write_majority,
        ..
    }) = health
        && healthy < write_majority
    {
        return Finding::failed(
            format!(
                "{healthy} members that keep data are up and {write_majority} are needed for a majority: no changes come until \
                 then"
            ),
            "Start the members that are down (rs.status() names them), or take one that is gone for good out: rs.remove(\"<host:port>\").",
        );
    }
    match (health, arbiters) {
        (_, 0) => Finding::ok("no arbiter: a majority keeps data wherever there is a primary"),
        (Some(health), _) if health.data_bearing > health.write_majority => {
            Finding::ok("an arbiter, and enough members that keep data to lose one")
        }
        (_, _) => Finding::warning(
            "the set has an arbiter: when a member that keeps data is down there is still a primary, and no changes come, since \
             no majority has them",
            NO_ARBITER,
        ),
    }
}

async fn rights(admin: &CollectionAdmin, database: &Database) -> Finding {
    let name = database.name().to_owned();
    let asked = admin.clone();
    let trying = bounded(async move { asked.try_change_stream().await });
    let asked = admin.clone();
    let asking = bounded(async move { asked.privileges().await });
    let (tried, privileges) = tokio::join!(trying, asking);
    let privileges = match privileges {
        Some(Ok(privileges)) => privileges,
        Some(Err(error)) => return Finding::failed(report(&error), REACH_CURE),
        None => return Finding::failed(no_answer(), REACH_CURE),
    };
    let missing = missing(&privileges, &name);
    if !missing.is_empty() {
        let user = privileges.user().unwrap_or_default();
        return Finding::failed(
            format!(
                "the user {user} may not {} on the database {name}",
                missing.join(", ")
            ),
            grant(user, &name),
        );
    }
    match tried {
        Some(Ok(())) => Finding::ok(privileges.user().map_or_else(
            || "a change stream opens; nobody signs in, so everything is allowed".to_owned(),
            |user| format!("a change stream opens, and {user} may do all that is needed"),
        )),
        Some(Err(error)) if error.denial().is_some() && privileges.user().is_none() => Finding::failed(
            "mongodb wants a user, and MONGODB_URI names none",
            "Put user and password into MONGODB_URI: mongodb://user:password@host:27017/?replicaSet=rs0&authSource=admin",
        ),
        Some(Err(error)) => Finding::failed(
            report(&error),
            grant(privileges.user().unwrap_or("admin.conduit"), &name),
        ),
        None => Finding::failed(
            format!("a change stream does not open: {}", no_answer()),
            REACH_CURE,
        ),
    }
}

/// The actions that a user who is signed in is not allowed.
fn missing<'a>(privileges: &Privileges, database: &str) -> Vec<&'a str> {
    if privileges.user().is_none() {
        return Vec::new();
    }
    let mut missing = privileges.missing(database, "", &ON_DATABASE);
    let of_configuration = privileges.missing(database, CATALOG_COLLECTION, &ON_CONFIGURATION);
    missing.extend(of_configuration);
    missing.sort_unstable();
    missing.dedup();
    missing
}

fn grant(user: &str, database: &str) -> String {
    let (of, name) = user.split_once('.').unwrap_or(("admin", user));
    format!(
        "Run as an administrator: mongosh --eval 'db.getSiblingDB(\"{of}\").grantRolesToUser(\"{name}\", [{{role: \"readWrite\", \
         db: \"{database}\"}}, {{role: \"dbAdmin\", db: \"{database}\"}}, {{role: \"read\", db: \"local\"}}, {{role: \
         \"clusterMonitor\", db: \"admin\"}}])'"
    )
}

/// How far the server's clock is from ours, beyond what the question took: negative if it is behind.
fn skew(deployment: &Deployment, began: i64) -> Option<i64> {
    let (theirs, ended) = (deployment.clock_millis?, SystemClock.now().as_millis());
    Some(if theirs < began {
        theirs - began
    } else {
        (theirs - ended).max(0)
    })
}

fn clock(skew: Option<i64>) -> Finding {
    let Some(skew) = skew else {
        return Finding::skipped("mongodb does not tell its time");
    };
    let apart = Duration::from_millis(skew.unsigned_abs());
    if apart <= MAX_SKEW {
        return Finding::ok("the clocks of mongodb and this machine agree");
    }
    let how = if skew > 0 { "ahead of" } else { "behind" };
    Finding::warning(
        format!(
            "mongodb's clock is {} {how} this machine's: lag and timestamps are off by as much",
            shown(apart)
        ),
        "Have both machines take their time from NTP: timedatectl set-ntp true, then compare timedatectl on each.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn health(data_bearing: usize, healthy: usize, write_majority: usize) -> Option<SetHealth> {
        Some(SetHealth {
            data_bearing,
            healthy,
            write_majority,
        })
    }

    #[test]
    fn a_set_of_two_with_an_arbiter_stalls_when_one_is_down() {
        assert_eq!(judge_majority(health(2, 2, 2), 1).verdict, Verdict::Warning);
        assert_eq!(judge_majority(health(2, 1, 2), 1).verdict, Verdict::Failed);
        assert_eq!(judge_majority(None, 1).verdict, Verdict::Warning);
        assert_eq!(judge_majority(health(4, 4, 3), 1).verdict, Verdict::Ok);
        assert_eq!(judge_majority(health(3, 3, 2), 0).verdict, Verdict::Ok);
        assert_eq!(judge_majority(None, 0).verdict, Verdict::Ok);
    }

    #[test]
    fn clocks_that_are_seconds_apart_are_said() {
        assert_eq!(clock(Some(1_500)).verdict, Verdict::Ok);
        assert!(clock(Some(60_000)).found.contains("60 s ahead of"));
        assert!(clock(Some(-600_000)).found.contains("10 min behind"));
    }
}
