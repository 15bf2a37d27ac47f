//! Indexes of Meilisearch.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{Sink, SinkErrorKind};
use conduit_sinks::egress::EgressPolicy;
use conduit_sinks::http::HttpClient;
use conduit_sinks::meilisearch::{IndexCheck, MeilisearchConfig, MeilisearchSink};

use super::connection::try_connection;
use super::{
    DestinationSettings, DestinationType, Field, SettingFault, SinkRequest, check_egress, setting_faults,
    url_of,
};
use crate::doctor::{Finding, Verdict};

/// How long an answer to a probe may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// The type `meilisearch`.
#[derive(Debug)]
pub(super) struct Meilisearch {
    pub(super) client: HttpClient,
    pub(super) egress: EgressPolicy,
}

#[async_trait]
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
        Ok(Arc::new(self.make(request)?))
    }

    /// Connects, then asks for the index, which needs a key that is valid.
    async fn probe(&self, request: SinkRequest<'_>) -> Finding {
        let (Ok(sink), Some(url)) = (self.make(request), url_of(request.settings)) else {
            return Finding::skipped("its settings are refused");
        };
        let connection = try_connection(&self.client, &url).await;
        if connection.verdict == Verdict::Failed {
            return connection;
        }
        let index = request
            .settings
            .text("index_name")
            .unwrap_or(request.collection.as_str());
        match sink.check_index(PATIENCE).await {
            Ok(_) if connection.verdict == Verdict::Warning => connection,
            Ok(IndexCheck::Exists) => Finding::ok(format!("the server answers and has the index {index}")),
            Ok(IndexCheck::Missing) => Finding::ok(format!(
                "the server answers; the index {index} is made with the first record"
            )),
            Err(error) if error.kind() == SinkErrorKind::Unauthorized => Finding::failed(
                format!("the server refuses the key: {}", error.report()),
                "Set bearer_token of the destination to a key of this server that may indexes.get, indexes.create, settings.update, \
                 documents.add, documents.delete and tasks.get: GET /keys with the master key lists them.",
            ),
            Err(error) => Finding::failed(
                format!("the server cannot be used: {}", error.report()),
                "Look into the log of Meilisearch; GET /health at its endpoint must answer {\"status\":\"available\"}.",
            ),
        }
    }
}

impl Meilisearch {
    fn make(&self, request: SinkRequest<'_>) -> Result<MeilisearchSink, Vec<SettingFault>> {
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
        sink.map_err(|invalid| setting_faults(&invalid))
    }
}
