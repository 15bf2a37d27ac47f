//! What is examined.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use conduit_core::StateStore;
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::HttpClient;

use crate::bulletin::Bulletin;
use crate::destination_type::{DestinationTypes, Reach};
use crate::environment::Role;
use crate::secrets::SecretSources;

/// The state of a server that runs in this process.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) bulletin: Bulletin,
}

/// The setup that is examined. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) role: Role,
    pub(crate) variables: Arc<HashMap<String, String>>,
    /// Where MongoDB is, if that is not in the variables: `dev` starts one itself.
    pub(crate) mongodb_uri: Option<String>,
    pub(crate) types: DestinationTypes,
    /// The server that asks; `None` for a process of its own, which looks into Redis.
    pub(crate) live: Option<Live>,
}

/// Shows no variables: they hold passwords.
impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("role", &self.role)
            .field("is_live", &self.live.is_some())
            .finish_non_exhaustive()
    }
}

impl Subject {
    /// What a server would be that this process's variables were given to.
    ///
    /// # Errors
    /// If TLS cannot be set up on this machine.
    pub(crate) fn of_variables(variables: HashMap<String, String>) -> Result<Self, String> {
        let get = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        // A wrong value is found with the environment.
        let egress = get("CONDUIT_EGRESS")
            .and_then(|policy| policy.parse().ok())
            .unwrap_or(EgressPolicy::Any);
        let client = HttpClient::new(egress).map_err(|error| error.to_string())?;
        let types = DestinationTypes::built_in(Reach {
            client,
            egress,
            folder: get("CONDUIT_FILE_DIR").map(PathBuf::from),
        });
        let folder_of_secrets = get("CONDUIT_SECRETS_DIR").map(PathBuf::from);
        let types = types.with_secrets(SecretSources::new(&variables, folder_of_secrets));
        Ok(Self {
            role: Role::Run,
            variables: Arc::new(variables),
            mongodb_uri: None,
            types,
            live: None,
        })
    }

    /// A variable's value; an empty one is none.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub(super) fn mongodb_uri(&self) -> Option<&str> {
        self.mongodb_uri
            .as_deref()
            .or_else(|| self.variable("MONGODB_URI"))
    }

    pub(super) fn database(&self) -> Option<&str> {
        let of_dev = (self.role == Role::Dev).then_some("conduit");
        self.variable("MONGODB_DATABASE").or(of_dev)
    }
}
