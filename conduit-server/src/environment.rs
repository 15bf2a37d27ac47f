//! The environment that the server is started with.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use conduit_sinks::egress::EgressPolicy;

use crate::catalog::parse_duration;
use crate::secrets::{SecretKeys, SecretSources};

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Control plane and data plane.
    Run,
    /// Control plane only.
    Api,
    /// Data plane only.
    Worker,
    /// A one-machine trial: as `Run`, with nothing configured.
    Dev,
}

impl Role {
    pub(crate) fn has_api(self) -> bool {
        self != Self::Worker
    }

    pub(crate) fn has_worker(self) -> bool {
        self != Self::Api
    }

    /// How a fatal line names what could not be made.
    pub(crate) fn subject(self) -> &'static str {
        if self.has_worker() { "worker" } else { "API" }
    }
}

/// Where state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateChoice {
    Redis(String),
    Embedded(PathBuf),
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Everything the environment says, checked.
#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) role: Role,
    /// `None` in `dev` only: find a mongod and start it.
    pub(crate) mongodb_uri: Option<String>,
    pub(crate) database: String,
    pub(crate) state: StateChoice,
    pub(crate) port: u16,
    pub(crate) worker_port: u16,
    pub(crate) host: IpAddr,
    pub(crate) api_token: Option<String>,
    pub(crate) read_token: Option<String>,
    /// Where requests may go.
    pub(crate) egress: EgressPolicy,
    /// Where `file` destinations may write; without it there are none.
    pub(crate) file_dir: Option<PathBuf>,
    /// What destinations' secrets are encrypted with where they are stored.
    pub(crate) secret_keys: SecretKeys,
    /// Where secrets are that destinations refer to.
    pub(crate) secret_sources: SecretSources,
    pub(crate) idempotency_keys: bool,
    pub(crate) max_keys: u64,
    pub(crate) sync_interval: Duration,
    pub(crate) lease_time: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: String,
}

/// Where `dev` keeps everything.
pub(crate) const DEV_FOLDER: &str = ".conduit";

impl Environment {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// The first thing that is wrong, as the line that follows `FATAL: `.
    pub(crate) fn read(role: Role) -> Result<Self, String> {
        Self::from_variables(role, &variables())
    }

    /// Reads what an environment would say.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn from_variables(role: Role, variables: &HashMap<String, String>) -> Result<Self, String> {
        // An empty value is the same as none, as in files of variables.
        let get = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let is_dev = role == Role::Dev;
        let missing = |name: &str| format!("Required environment variable {name} is not set");
        let mongodb_uri = get("MONGODB_URI");
        if mongodb_uri.is_none() && !is_dev {
            return Err(missing("MONGODB_URI"));
        }
        let database = match get("MONGODB_DATABASE") {
            Some(database) => database,
            None if is_dev => "conduit".to_owned(),
            None => return Err(missing("MONGODB_DATABASE")),
        };
        check_database(&database)?;
        let state = read_state(role, get("CONDUIT_STATE"), get("REDIS_URI"))?;
        let egress = match get("CONDUIT_EGRESS").as_deref() {
            None | Some("any") => EgressPolicy::Any,
            Some("public") => EgressPolicy::Public,
            Some(_) => return Err("CONDUIT_EGRESS must be any or public".to_owned()),
        };
        let folder = |name: &str| match get(name).map(PathBuf::from) {
            Some(folder) if !folder.is_dir() => Err(format!("{name} must be a folder that exists")),
            folder => Ok(folder),
        };
        let file_dir = folder("CONDUIT_FILE_DIR")?;
        let secret_keys = get("CONDUIT_SECRET_KEY").map(|text| SecretKeys::parse(&text));
        let secret_keys = secret_keys
            .transpose()
            .map_err(|message| format!("CONDUIT_SECRET_KEY {message}"))?;
        let secret_sources = SecretSources::new(variables, folder("CONDUIT_SECRETS_DIR")?);
        let api_token = get("CONDUIT_API_TOKEN");
        let read_token = get("CONDUIT_API_READ_TOKEN");
        if read_token.is_some() && api_token.is_none() {
            return Err(
                "CONDUIT_API_READ_TOKEN needs CONDUIT_API_TOKEN: without it everybody may write".to_owned(),
            );
        }
        let anonymous = get("CONDUIT_ALLOW_ANONYMOUS").as_deref() == Some("1");
        let host = read_host(get("HOST"), api_token.is_some(), anonymous)?;
        let duration = |name: &str, default: Duration| match get(name) {
            None => Ok(default),
            Some(text) => match parse_duration(&text) {
                Ok(duration) if duration.is_zero() => Err(format!("{name} must be longer than 0")),
                Ok(duration) => Ok(duration),
                Err(message) => Err(format!("{name} {message}")),
            },
        };
        Ok(Self {
            role,
            mongodb_uri,
            database,
            state,
            port: read_port("PORT", get("PORT"), 8080)?,
            worker_port: read_port("WORKER_PORT", get("WORKER_PORT"), 8081)?,
            host,
            api_token,
            read_token,
            egress,
            file_dir,
            secret_keys: secret_keys.unwrap_or_default(),
            secret_sources,
            idempotency_keys: match get("IDEMPOTENCY").as_deref() {
                None | Some("keys") => true,
                Some("watermark") => false,
                Some(_) => return Err("IDEMPOTENCY must be keys or watermark".to_owned()),
            },
            max_keys: match get("IDEMPOTENCY_MAX_KEYS") {
                None => 5_000_000,
                Some(text) => text
                    .parse()
                    .map_err(|_| "IDEMPOTENCY_MAX_KEYS must be a whole number".to_owned())?,
            },
            sync_interval: duration("SYNC_INTERVAL", Duration::from_secs(30))?,
            lease_time: duration("LEASE_TIME", Duration::from_secs(10))?,
            shutdown_timeout: duration("SHUTDOWN_TIMEOUT", Duration::from_secs(30))?,
            log_format: match get("LOG_FORMAT").as_deref() {
                None | Some("text") => LogFormat::Text,
                Some("json") => LogFormat::Json,
                Some(_) => return Err("LOG_FORMAT must be text or json".to_owned()),
            },
            log_filter: get("RUST_LOG").unwrap_or_else(|| "info".to_owned()),
        })
    }
}

/// The variables of this process. What is not UTF-8 is replaced: it is refused where it matters, and a token of it lets
/// nobody in.
pub(crate) fn variables() -> HashMap<String, String> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    variables.collect()
}

fn check_database(name: &str) -> Result<(), String> {
    let is_legal = name.len() <= 63 && !name.contains(['/', '\\', '.', ' ', '"', '$', '\0']);
    if !is_legal {
        return Err("MONGODB_DATABASE is no legal database name".to_owned());
    }
    if matches!(name, "admin" | "local" | "config") {
        return Err(format!(
            "MONGODB_DATABASE cannot be {name}: it is MongoDB's own database"
        ));
    }
    Ok(())
}

fn read_state(role: Role, state: Option<String>, redis: Option<String>) -> Result<StateChoice, String> {
    let missing = || "Required environment variable REDIS_URI is not set".to_owned();
    match (state, redis) {
        (None, None) if role == Role::Dev => Ok(StateChoice::Embedded(
            PathBuf::from(DEV_FOLDER).join("state.redb"),
        )),
        (None, redis) => redis.map(StateChoice::Redis).ok_or_else(missing),
        (Some(state), _) => {
            let path = state.strip_prefix("embedded:").filter(|path| !path.is_empty());
            let path = path.ok_or("CONDUIT_STATE must be embedded:PATH")?;
            if matches!(role, Role::Api | Role::Worker) {
                return Err(
                    "CONDUIT_STATE=embedded is for run and dev only: api and worker share a Redis".to_owned(),
                );
            }
            Ok(StateChoice::Embedded(PathBuf::from(path)))
        }
    }
}

pub(crate) fn read_port(name: &str, text: Option<String>, default: u16) -> Result<u16, String> {
    let Some(text) = text else { return Ok(default) };
    text.parse()
        .map_err(|_| format!("{name} must be a port number from 0 to 65535"))
}

pub(crate) fn read_host(text: Option<String>, has_token: bool, anonymous: bool) -> Result<IpAddr, String> {
    let default = if has_token {
        IpAddr::from([0, 0, 0, 0])
    } else {
        IpAddr::from([127, 0, 0, 1])
    };
    let host = match text.as_deref() {
        None => default,
        Some("localhost") => IpAddr::from([127, 0, 0, 1]),
        Some(text) => text
            .parse()
            .map_err(|_| "HOST must be an IP address".to_owned())?,
    };
    if !host.is_loopback() && !has_token && !anonymous {
        return Err(format!(
            "HOST {host} is reachable from elsewhere: set CONDUIT_API_TOKEN, or CONDUIT_ALLOW_ANONYMOUS=1 to let everybody in"
        ));
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(role: Role, variables: &[(&str, &str)]) -> Result<Environment, String> {
        let own = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::from_variables(role, &own.collect())
    }

    const ALL: [(&str, &str); 3] = [
        ("MONGODB_URI", "mongodb://a"),
        ("MONGODB_DATABASE", "db"),
        ("REDIS_URI", "redis://a"),
    ];

    #[test]
    fn what_is_missing_is_named() {
        for (index, (name, _)) in ALL.iter().enumerate() {
            let mut some = ALL.to_vec();
            some.remove(index);
            let error = read(Role::Run, &some).err();
            assert_eq!(
                error,
                Some(format!("Required environment variable {name} is not set"))
            );
        }
        assert!(read(Role::Dev, &[]).is_ok());
    }

    #[test]
    fn an_embedded_state_is_for_one_process() {
        let with = [ALL[0], ALL[1], ("CONDUIT_STATE", "embedded:/tmp/x")];
        assert_eq!(
            read(Role::Run, &with).ok().map(|e| e.state),
            Some(StateChoice::Embedded("/tmp/x".into()))
        );
        assert!(read(Role::Api, &with).is_err());
        assert!(read(Role::Worker, &with).is_err());
    }

    #[test]
    fn another_address_than_loopback_needs_a_token() {
        let with =
            |extra: &[(&str, &str)]| read(Role::Run, &[&ALL[..], extra].concat()).map(|e| e.host.to_string());
        assert_eq!(with(&[]), Ok("127.0.0.1".to_owned()));
        assert_eq!(with(&[("CONDUIT_API_TOKEN", "t")]), Ok("0.0.0.0".to_owned()));
        assert!(with(&[("HOST", "0.0.0.0")]).is_err());
        assert!(with(&[("HOST", "0.0.0.0"), ("CONDUIT_ALLOW_ANONYMOUS", "1")]).is_ok());
    }

    #[test]
    fn wrong_values_are_refused() {
        for (name, value) in [
            ("PORT", "x"),
            ("PORT", "65536"),
            ("SYNC_INTERVAL", "30"),
            ("LEASE_TIME", "0s"),
            ("IDEMPOTENCY", "no"),
            ("LOG_FORMAT", "xml"),
            ("CONDUIT_STATE", "memory"),
            ("CONDUIT_EGRESS", "private"),
            ("CONDUIT_FILE_DIR", "/nowhere/at/all"),
            ("HOST", "example"),
            ("CONDUIT_SECRET_KEY", "k"),
            ("CONDUIT_SECRETS_DIR", "/nowhere/at/all"),
            ("MONGODB_DATABASE", "a.b"),
            ("MONGODB_DATABASE", "config"),
        ] {
            let mut all: Vec<(&str, &str)> = ALL.into_iter().filter(|(known, _)| *known != name).collect();
            all.push((name, value));
            let error = read(Role::Run, &all).err();
            assert!(error.is_some_and(|error| error.contains(name)), "{name}={value}");
        }
    }
}
