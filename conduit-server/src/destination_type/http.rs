//! HTTP endpoints.

use std::sync::Arc;
use std::time::Duration;

use conduit_core::Sink;
use conduit_sinks::http::{HttpClient, HttpConfig, HttpSink};
use url::Url;

use super::{DestinationSettings, DestinationType, Field, SettingFault, SinkRequest, setting_faults, url_of};

/// The type `http`.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) client: HttpClient,
}

impl DestinationType for Http {
    fn name(&self) -> &str {
        "http"
    }

    fn fields(&self) -> Vec<Field> {
        vec![
            Field::url("endpoint").required(),
            Field::secret("bearer_token"),
            Field::duration("timeout", Duration::from_millis(1)..=Duration::from_secs(300)).or("30s"),
        ]
    }

    /// Never of a query, which may hold credentials.
    fn target(&self, settings: &DestinationSettings) -> String {
        let target = |url: Url| format!("{}{}", url.origin().ascii_serialization(), url.path());
        url_of(settings).map_or_else(String::new, target)
    }

    fn keeper_of_secrets(&self, settings: &DestinationSettings) -> String {
        url_of(settings).map_or_else(String::new, |url| url.origin().ascii_serialization())
    }

    fn sink(&self, request: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
        let settings = request.settings;
        let mut config = HttpConfig::new(settings.text("endpoint").unwrap_or_default());
        if let Some(timeout) = settings.duration("timeout") {
            config = config.with_timeout(timeout);
        }
        if let Some(token) = settings.secret("bearer_token") {
            config = config.with_bearer_token(token);
        }
        let sink = HttpSink::with_client(config, self.client.clone());
        Ok(Arc::new(sink.map_err(|invalid| setting_faults(&invalid))?))
    }
}
