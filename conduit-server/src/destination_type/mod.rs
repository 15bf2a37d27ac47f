//! The types of destinations that a server has: its own, and those that its host registers.

mod connection;
mod destination_types;
mod eventbridge;
mod field;
mod http;
mod lines;
mod meilisearch;
mod settings;
mod sink_request;
mod stored_secret;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::{CollectionName, Sink};
use conduit_sinks::InvalidConfig;
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::format::PayloadFormat;
use url::Url;

pub use field::Field;
pub use settings::DestinationSettings;

use crate::doctor::Finding;
use field::target_of;

pub(crate) use field::schema;

pub(crate) use destination_types::{DestinationTypes, Reach, check_fields, field_names, read_settings};

/// Why a destination cannot be used: which of its fields, and what is wrong with it.
///
/// The message names neither the field nor its value, which may be a secret, and says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// The field, such as `batch.max_records`; empty if it is about the destination as a whole.
    pub field: String,
    /// What is wrong, and the cure.
    pub message: String,
}

/// The field and what is wrong with it.
impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}

impl SettingFault {
    /// Makes a fault.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// A destination to make a sink for.
///
/// What its type requires, or has a default for, is asked of it; what may be missing, of its
/// [`settings`](Self::settings).
#[derive(Clone, Copy, Debug)]
pub struct SinkRequest<'a> {
    /// The collection whose records it gets.
    pub collection: &'a CollectionName,
    /// How they are written.
    pub format: PayloadFormat,
    /// The type's own fields, read and checked as [`DestinationType::fields`] has them.
    pub settings: &'a DestinationSettings,
}

/// A type of destination: what the REST API takes as `type`, with the fields of its own.
///
/// The API reads and checks the fields, masks secrets in every answer, and keeps a secret that is sent back masked; the
/// worker has the sink made. Register one with [`Host::with_destination_type`](crate::Host::with_destination_type).
#[async_trait]
pub trait DestinationType: fmt::Debug + Send + Sync + 'static {
    /// The value of `type`: `a-z`, `0-9` and `-`.
    fn name(&self) -> &str;

    /// Returns its own fields, beside those that every destination has (`id`, `event_types`, `filter_criteria`, `max_retries`,
    /// `format`).
    fn fields(&self) -> Vec<Field>;

    /// Names where records go, without secrets: the id of a destination that is given none is made of it, and a stored secret
    /// is kept for the same target only, so that nobody can have it sent elsewhere. Default: everything but secrets and
    /// durations; name less if yours has other fields that do not say where.
    fn target(&self, settings: &DestinationSettings) -> String {
        target_of(&self.fields(), &settings.shown()).to_string()
    }

    /// To whom its secrets go; kept ones are kept for the same only. Default: the [`target`](Self::target).
    fn keeper_of_secrets(&self, settings: &DestinationSettings) -> String {
        self.target(settings)
    }

    /// Whether it can write records as CloudEvents. Default: no.
    fn takes_cloud_events(&self) -> bool {
        false
    }

    /// Makes the sink. Called to check a configuration too, so it reaches for nothing outside; a secret that is not at hand
    /// then, since it names a variable or a file of the worker's, is some text in its place.
    ///
    /// # Errors
    /// Every fault of the settings.
    fn sink(&self, request: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>>;

    /// Looks whether the destination could take records now, for `conduit doctor`: connects, asks what can be asked, and
    /// changes nothing. Called with settings that [`sink`](Self::sink) takes; dropped after five seconds. Default: it is
    /// skipped. The trait is one of the crate `async_trait`, which an implementation of this method needs.
    async fn probe(&self, _request: SinkRequest<'_>) -> Finding {
        Finding::skipped("destinations of this type cannot be tried without a record")
    }
}

/// The faults that a sink of our own found.
fn setting_faults(invalid: &InvalidConfig) -> Vec<SettingFault> {
    let faults = invalid.faults().iter();
    faults
        .map(|fault| SettingFault::new(fault.field, fault.message.clone()))
        .collect()
}

/// The field `endpoint`.
fn url_of(settings: &DestinationSettings) -> Option<Url> {
    Url::parse(settings.text("endpoint")?).ok()
}

/// Refuses an endpoint that the policy does not allow, as far as that can be told without resolving its name.
fn check_egress(settings: &DestinationSettings, policy: EgressPolicy) -> Result<(), Vec<SettingFault>> {
    let checked = url_of(settings).map_or(Ok(()), |url| policy.check_url(&url));
    checked.map_err(|refused| vec![SettingFault::new("endpoint", refused.to_string())])
}
