//! HTTP endpoints.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::{
    HttpBatch, HttpClient, HttpConfig, HttpSink, MAX_BATCH_BYTES, MAX_BATCH_RECORDS, MAX_BATCH_WAIT,
    MIN_BATCH_BYTES,
};
use url::Url;

use super::connection::try_connection;
use super::{
    DestinationSettings, DestinationType, Field, SettingFault, SinkRequest, check_egress, setting_faults,
    url_of,
};
use crate::catalog::show_duration;
use crate::doctor::Finding;

/// The type `http`.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) client: HttpClient,
    pub(super) egress: EgressPolicy,
}

fn batch(settings: &DestinationSettings) -> HttpBatch {
    let mut batch = HttpBatch::default();
    let number = |path: &str| {
        settings
            .integer(path)
            .and_then(|number| usize::try_from(number).ok())
    };
    if let Some(records) = number("batch.max_records") {
        batch.max_records = records;
    }
    if let Some(bytes) = number("batch.max_bytes") {
        batch.max_bytes = bytes;
    }
    if let Some(wait) = settings.duration("batch.max_wait") {
        batch.max_wait = wait;
    }
    batch
}

#[async_trait]
impl DestinationType for Http {
    fn name(&self) -> &str {
        "http"
    }

    fn fields(&self) -> Vec<Field> {
        let batch = HttpBatch::default();
        vec![
            Field::url("endpoint").required(),
            Field::secret("bearer_token"),
            Field::secrets("signing_secret", 2),
            Field::secret_map("headers"),
            Field::duration("timeout", Duration::from_millis(1)..=Duration::from_secs(300)).or("30s"),
            Field::group(
                "batch",
                vec![
                    Field::integer("max_records", 1..=MAX_BATCH_RECORDS as u64).or(batch.max_records),
                    Field::integer("max_bytes", MIN_BATCH_BYTES as u64..=MAX_BATCH_BYTES as u64)
                        .or(batch.max_bytes),
                    Field::duration("max_wait", Duration::ZERO..=MAX_BATCH_WAIT)
                        .or(show_duration(batch.max_wait)),
                ],
            ),
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

    fn takes_cloud_events(&self) -> bool {
        true
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
        for secret in settings.secrets("signing_secret") {
            config = config.with_signing_secret(secret);
        }
        for (name, value) in settings.secret_map("headers") {
            config = config.with_header(name, value);
        }
        if settings.has("batch") {
            config = config.with_batch(batch(settings));
        }
        config = config.with_format(request.format);
        check_egress(settings, self.egress)?;
        let sink = HttpSink::with_client(config, self.client.clone());
        Ok(Arc::new(sink.map_err(|invalid| setting_faults(&invalid))?))
    }

    /// Connects and sends nothing: what a request would do at the endpoint is not known.
    async fn probe(&self, request: SinkRequest<'_>) -> Finding {
        match url_of(request.settings) {
            Some(url) => try_connection(&self.client, &url).await,
            None => Finding::failed("its endpoint is no URL", "Correct its endpoint."),
        }
    }
}
