//! Indexes of Meilisearch.

use std::sync::Arc;

use conduit_core::Sink;
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::HttpClient;
use conduit_sinks::meilisearch::{MeilisearchConfig, MeilisearchSink};

use super::{
    DestinationSettings, DestinationType, Field, SettingFault, SinkRequest, check_egress, setting_faults,
    url_of,
};

/// The type `meilisearch`.
#[derive(Debug)]
pub(super) struct Meilisearch {
    pub(super) client: HttpClient,
    pub(super) egress: EgressPolicy,
}

impl DestinationType for Meilisearch {
    fn name(&self) -> &str {
        "meilisearch"
    }

    fn fields(&self) -> Vec<Field> {
        vec![
            Field::url("endpoint").required(),
            Field::secret("bearer_token"),
            Field::text("index_name").such_as("orders"),
            Field::object("settings"),
        ]
    }

    fn target(&self, settings: &DestinationSettings) -> String {
        let index = settings.text("index_name").unwrap_or_default();
        let target =
            url_of(settings).map(|url| format!("{}{}", url.origin().ascii_serialization(), url.path()));
        format!("{}\n{index}", target.unwrap_or_default())
    }

    fn keeper_of_secrets(&self, settings: &DestinationSettings) -> String {
        url_of(settings).map_or_else(String::new, |url| url.origin().ascii_serialization())
    }

    fn sink(&self, request: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
        let settings = request.settings;
        let index = settings.text("index_name").unwrap_or(request.collection.as_str());
        let mut config = MeilisearchConfig::new(settings.text("endpoint").unwrap_or_default(), index);
        if let Some(token) = settings.secret("bearer_token") {
            config = config.with_bearer_token(token);
        }
        if let Some(given) = settings.object("settings") {
            config = config.with_settings(given.clone());
        }
        check_egress(settings, self.egress)?;
        let sink = MeilisearchSink::with_client(config, self.client.clone());
        Ok(Arc::new(sink.map_err(|invalid| setting_faults(&invalid))?))
    }
}
