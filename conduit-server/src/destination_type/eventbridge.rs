//! Buses of Amazon EventBridge.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_sinks::eventbridge::{
    BusCheck, DEFAULT_MAX_REQUEST_BYTES, DEFAULT_SOURCE, EventBridgeClient, EventBridgeConfig,
    EventBridgeSink,
};

use tokio::time::timeout;

use super::{DestinationSettings, DestinationType, Field, SettingFault, SinkRequest, setting_faults};
use crate::doctor::Finding;

/// How long an answer to a probe may take. A machine's metadata service, which is asked for credentials last, takes longer
/// where there is none.
const PATIENCE: Duration = Duration::from_secs(4);
/// What is to be done where nothing can be asked.
const CREDENTIALS: &str = "Give the server credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the \
                           machine's role) that may events:PutEvents and events:DescribeEventBus, and a region; `aws events \
                           describe-event-bus` shows the same.";

/// The type `eventbridge`.
#[derive(Debug)]
pub(super) struct EventBridge {
    pub(super) client: EventBridgeClient,
}

#[async_trait]
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
        Ok(Arc::new(self.make(request)?))
    }

    /// Asks for the bus, which needs what a delivery needs: the way there, the region, credentials.
    async fn probe(&self, request: SinkRequest<'_>) -> Finding {
        let bus = request.settings.text("event_bus_name").unwrap_or_default();
        let sink = match self.make(request) {
            Ok(sink) => sink,
            Err(_) => return Finding::skipped("its settings are refused"),
        };
        let Ok(answer) = timeout(PATIENCE, sink.check_bus()).await else {
            return Finding::failed(
                format!(
                    "eventbridge does not answer within {} s, or no credentials are found",
                    PATIENCE.as_secs()
                ),
                CREDENTIALS,
            );
        };
        match answer {
            Ok(BusCheck::Exists) => Finding::ok(format!("the event bus {bus} exists")),
            Ok(BusCheck::Missing(why)) => Finding::failed(
                format!("there is no event bus {bus}: {why}"),
                format!(
                    "Create it: aws events create-event-bus --name {bus}. Or correct event_bus_name or region of the destination."
                ),
            ),
            Ok(BusCheck::NotPermitted(why)) => Finding::warning(
                format!("whether the event bus {bus} exists may not be asked: {why}"),
                "Allow events:DescribeEventBus beside events:PutEvents to the credentials or to role_arn: AWS may drop events to \
                 a bus that does not exist, without an error.",
            ),
            Ok(_) => Finding::skipped("what is known of the bus is not understood"),
            Err(error) => Finding::failed(
                format!(
                    "eventbridge cannot be asked for the bus {bus}: {}",
                    error.report()
                ),
                CREDENTIALS,
            ),
        }
    }
}

impl EventBridge {
    fn make(&self, request: SinkRequest<'_>) -> Result<EventBridgeSink, Vec<SettingFault>> {
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
        sink.map_err(|invalid| setting_faults(&invalid))
    }
}
