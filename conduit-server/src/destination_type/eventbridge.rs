//! Buses of Amazon EventBridge.

use std::sync::Arc;

use conduit_core::Sink;
use conduit_sinks::eventbridge::{
    DEFAULT_MAX_REQUEST_BYTES, DEFAULT_SOURCE, EventBridgeClient, EventBridgeConfig, EventBridgeSink,
};

use super::{DestinationSettings, DestinationType, Field, SettingFault, SinkRequest, setting_faults};

/// The type `eventbridge`.
#[derive(Debug)]
pub(super) struct EventBridge {
    pub(super) client: EventBridgeClient,
}

impl DestinationType for EventBridge {
    fn name(&self) -> &str {
        "eventbridge"
    }

    fn fields(&self) -> Vec<Field> {
        vec![
            Field::text("event_bus_name").required().such_as("orders"),
            Field::text("region").such_as("eu-west-1"),
            Field::text("source").or(DEFAULT_SOURCE),
            Field::text("detail_type"),
            Field::text("role_arn").such_as("arn:aws:iam::123456789012:role/conduit"),
            Field::integer("max_request_bytes", 1024..=1_048_576).or(DEFAULT_MAX_REQUEST_BYTES),
            Field::url("endpoint"),
        ]
    }

    fn target(&self, settings: &DestinationSettings) -> String {
        let parts =
            ["endpoint", "region", "event_bus_name"].map(|field| settings.text(field).unwrap_or_default());
        parts.join("\n")
    }

    fn takes_cloud_events(&self) -> bool {
        true
    }

    fn sink(&self, request: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
        let settings = request.settings;
        let bus = settings.text("event_bus_name").unwrap_or_default();
        let mut config = EventBridgeConfig::new(bus).with_format(request.format);
        if let Some(region) = settings.text("region") {
            config = config.with_region(region);
        }
        if let Some(source) = settings.text("source") {
            config = config.with_source(source);
        }
        if let Some(detail_type) = settings.text("detail_type") {
            config = config.with_detail_type(detail_type);
        }
        if let Some(role) = settings.text("role_arn") {
            config = config.with_role_arn(role);
        }
        if let Some(bytes) = settings.integer("max_request_bytes") {
            config = config.with_max_request_bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        if let Some(endpoint) = settings.text("endpoint") {
            config = config.with_endpoint(endpoint);
        }
        let sink = EventBridgeSink::with_client(config, self.client.clone());
        Ok(Arc::new(sink.map_err(|invalid| setting_faults(&invalid))?))
    }
}
