//! The types that a server knows.

use std::sync::Arc;

use serde_json::Map;

use super::field::{check_all, names};
use super::http::Http;
use super::meilisearch::Meilisearch;
use super::{DestinationSettings, DestinationType, Field};
use crate::catalog::{COMMON_FIELDS, Fields};
use conduit_sinks::http::HttpClient;

/// The types of destinations, by name; the last of a name counts.
#[derive(Clone, Debug)]
pub struct DestinationTypes(Vec<Arc<dyn DestinationType>>);

impl DestinationTypes {
    /// The types that every server has.
    pub(crate) fn built_in(client: HttpClient) -> Self {
        Self(vec![
            Arc::new(Http {
                client: client.clone(),
            }),
            Arc::new(Meilisearch { client }),
        ])
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::built_in(HttpClient::new().unwrap())
    }

    pub(crate) fn add(&mut self, kind: Arc<dyn DestinationType>) {
        self.0.retain(|known| known.name() != kind.name());
        self.0.push(kind);
    }

    /// Returns the type of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn DestinationType>> {
        self.0.iter().find(|kind| kind.name() == name)
    }

    /// Returns the names, for messages.
    pub(crate) fn names(&self) -> String {
        let quoted: Vec<String> = self.0.iter().map(|kind| format!("{:?}", kind.name())).collect();
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
