//! The types that a server knows.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Map;

use super::eventbridge::EventBridge;
use super::field::{check_all, names};
use super::http::Http;
use super::lines::{File, Stdout};
use super::meilisearch::Meilisearch;
use super::{DestinationSettings, DestinationType, Field};
use crate::catalog::{COMMON_FIELDS, Fields};
use crate::secrets::SecretSources;
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::eventbridge::EventBridgeClient;
use conduit_sinks::http::HttpClient;

/// What the built-in types may reach.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) client: HttpClient,
    pub(crate) egress: EgressPolicy,
    /// Where files may be written.
    pub(crate) folder: Option<PathBuf>,
}

/// The types of destinations, by name; the last of a name counts.
#[derive(Clone, Debug)]
pub(crate) struct DestinationTypes {
    types: Vec<Arc<dyn DestinationType>>,
    /// Where the secrets are that destinations refer to.
    secrets: SecretSources,
}

impl DestinationTypes {
    /// The types that every server has.
    pub(crate) fn built_in(reach: Reach) -> Self {
        let Reach {
            client,
            egress,
            folder,
        } = reach;
        let types: Vec<Arc<dyn DestinationType>> = vec![
            Arc::new(Http {
                client: client.clone(),
                egress,
            }),
            Arc::new(EventBridge {
                client: EventBridgeClient::new().with_egress(egress),
            }),
            Arc::new(Meilisearch { client, egress }),
            Arc::new(Stdout),
            Arc::new(File { folder }),
        ];
        Self {
            types,
            secrets: SecretSources::default(),
        }
    }

    /// Has sinks made with the secrets of these sources where destinations refer to them.
    pub(crate) fn with_secrets(mut self, secrets: SecretSources) -> Self {
        self.secrets = secrets;
        self
    }

    pub(crate) fn secrets(&self) -> &SecretSources {
        &self.secrets
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::built_in(Reach {
            client: HttpClient::new(EgressPolicy::Any).unwrap(),
            egress: EgressPolicy::Any,
            folder: None,
        })
    }

    pub(crate) fn add(&mut self, kind: Arc<dyn DestinationType>) {
        self.types.retain(|known| known.name() != kind.name());
        self.types.push(kind);
    }

    /// Returns the type of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<dyn DestinationType>> {
        self.types.iter().find(|kind| kind.name() == name)
    }

    /// Returns all of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn DestinationType> {
        self.types.iter().map(|kind| &**kind)
    }

    /// Returns the names, for messages.
    pub(crate) fn names(&self) -> String {
        let quoted: Vec<String> = self
            .types
            .iter()
            .map(|kind| format!("{:?}", kind.name()))
            .collect();
        quoted.join(", ")
    }
}

/// Reads a type's own fields off a body. Returns them with the names of the secrets that were kept.
pub(crate) fn read_settings(
    kind: &dyn DestinationType,
    fields: &mut Fields<'_>,
    stored: Option<&DestinationSettings>,
) -> (DestinationSettings, Vec<String>) {
    let (mut values, mut kept) = (Map::new(), Vec::new());
    let nothing = DestinationSettings::default();
    for field in kind.fields() {
        let stored = stored.unwrap_or(&nothing).raw(field.name());
        let value = field.read(fields, stored, &mut kept);
        values.insert(field.name().to_owned(), value);
    }
    (DestinationSettings::new(values), kept)
}

/// Says what is wrong with the fields that a type declares, if anything is.
pub(crate) fn check_fields(kind: &dyn DestinationType) -> Result<(), String> {
    let fields = kind.fields();
    if let Some(taken) = fields
        .iter()
        .find(|field| COMMON_FIELDS.split(", ").any(|common| common == field.name()))
    {
        return Err(format!(
            "destinations of every type have a field {:?}",
            taken.name()
        ));
    }
    check_all(&fields)
}

/// Names a type's own fields, for messages.
pub(crate) fn field_names(kind: &dyn DestinationType) -> String {
    let fields: Vec<Field> = kind.fields();
    names(&fields)
}
