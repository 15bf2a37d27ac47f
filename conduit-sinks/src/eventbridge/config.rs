//! What an EventBridge destination is configured with.

use std::fmt;
use std::time::Duration;

use super::bus::{self, Bus};
use crate::format::PayloadFormat;
use crate::{ConfigFault, InvalidConfig};

/// The `source` of events if the configuration does not say.
pub const DEFAULT_SOURCE: &str = "conduit-mongodb";

/// The size limit of a call if the configuration does not say: what every region takes.
pub const DEFAULT_MAX_REQUEST_BYTES: usize = 262_144;

/// The smallest size limit of a call that is accepted.
pub const SMALLEST_MAX_REQUEST_BYTES: usize = 1_024;

/// The largest size limit of a call that is accepted: what the most generous regions take.
pub const LARGEST_MAX_REQUEST_BYTES: usize = 1_048_576;

/// How long a delivery may take if the configuration does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest time-out that is accepted: a record that hangs keeps later records of its document waiting.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// Most bytes of a source.
const MAX_SOURCE: usize = 256;

/// Most characters of a detail type.
const MAX_DETAIL_TYPE: usize = 128;

/// The settings of an EventBridge destination; [`EventBridgeSink::new`](super::EventBridgeSink::new) checks them.
///
/// There are no credentials among them: they come from the AWS SDK's default chain, or from the
/// [`EventBridgeClient`](super::EventBridgeClient).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventBridgeConfig {
    /// The bus: its name, or its ARN, which names the region as well.
    pub event_bus_name: String,
    /// The region, such as `eu-central-1`. Default: that of the bus's ARN, else what the SDK's chain says (`AWS_REGION`,
    /// the profile, the instance); with an `endpoint`, `us-east-1` if environment and profile say nothing.
    pub region: Option<String>,
    /// The events' `source`; must not start with `aws.`. Default [`DEFAULT_SOURCE`].
    pub source: String,
    /// The events' `detail-type`, at most 128 characters. Default: the record's type, `INSERT`, `MODIFY` or `REMOVE`.
    pub detail_type: Option<String>,
    /// What the events' `detail` is: the record (the default), or the record as a CloudEvent.
    pub format: PayloadFormat,
    /// The ARN of a role that is assumed for the calls. Default: none, the credentials are used as they are.
    pub role_arn: Option<String>,
    /// Most bytes of the entries of one call, as AWS counts them: 1,024 to 1,048,576. Default
    /// [`DEFAULT_MAX_REQUEST_BYTES`].
    pub max_request_bytes: usize,
    /// The URL of an emulator or of a private endpoint: `http` or `https`, with a host, without user info, query or
    /// fragment. Default: AWS's own in the region.
    pub endpoint: Option<String>,
    /// How long a delivery may take, credentials and all. Default 30 seconds, at most an hour.
    pub timeout: Duration,
}

impl EventBridgeConfig {
    /// Makes settings with the defaults for everything but the bus.
    #[must_use]
    pub fn new(event_bus_name: impl Into<String>) -> Self {
        Self {
            event_bus_name: event_bus_name.into(),
            region: None,
            source: DEFAULT_SOURCE.to_owned(),
            detail_type: None,
            format: PayloadFormat::Conduit,
            role_arn: None,
            max_request_bytes: DEFAULT_MAX_REQUEST_BYTES,
            endpoint: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets the region.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the events' `source`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Sets the events' `detail-type`.
    #[must_use]
    pub fn with_detail_type(mut self, detail_type: impl Into<String>) -> Self {
        self.detail_type = Some(detail_type.into());
        self
    }

    /// Sets the role that is assumed.
    #[must_use]
    pub fn with_role_arn(mut self, role_arn: impl Into<String>) -> Self {
        self.role_arn = Some(role_arn.into());
        self
    }

    /// Sets the size limit of a call.
    #[must_use]
    pub fn with_max_request_bytes(mut self, max_request_bytes: usize) -> Self {
        self.max_request_bytes = max_request_bytes;
        self
    }

    /// Sets the endpoint.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the time-out.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets what the events' `detail` is.
    #[must_use]
    pub fn with_format(mut self, format: PayloadFormat) -> Self {
        self.format = format;
        self
    }

    /// Checks every field, without asking anybody.
    ///
    /// # Errors
    /// With all faults at once, each naming its field.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        self.check().map(|_| ())
    }

    /// Checks every field and returns where events go.
    pub(super) fn check(&self) -> Result<Bus, InvalidConfig> {
        let mut faults = Vec::new();
        let mut fault = |field, message: &str| faults.push(ConfigFault::new(field, message));
        let bus = Bus::parse(self, &mut fault);
        if let Err(message) = check_text(&self.source) {
            fault("source", message);
        } else if self.source.len() > MAX_SOURCE {
            fault("source", &format!("can have at most {MAX_SOURCE} bytes"));
        } else if self.source.starts_with("aws.") {
            fault("source", "cannot start with aws., which is AWS's own");
        }
        if let Some(detail_type) = &self.detail_type {
            if let Err(message) = check_text(detail_type) {
                fault("detail_type", message);
            } else if detail_type.chars().count() > MAX_DETAIL_TYPE {
                fault(
                    "detail_type",
                    &format!("can have at most {MAX_DETAIL_TYPE} characters"),
                );
            }
        }
        if self.role_arn.as_deref().is_some_and(|arn| !bus::is_role_arn(arn)) {
            fault(
                "role_arn",
                "is not the ARN of a role, such as arn:aws:iam::123456789012:role/conduit",
            );
        }
        let range = SMALLEST_MAX_REQUEST_BYTES..=LARGEST_MAX_REQUEST_BYTES;
        if !range.contains(&self.max_request_bytes) {
            fault(
                "max_request_bytes",
                &format!("must be {} to {}", range.start(), range.end()),
            );
        }
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            let seconds = MAX_TIMEOUT.as_secs();
            fault("timeout", &format!("must be more than 0 and at most {seconds}s"));
        }
        match bus {
            Some(bus) if faults.is_empty() => Ok(bus),
            _ => Err(InvalidConfig::new(faults)),
        }
    }
}

/// Shows no user info of an endpoint that is refused for having one.
impl fmt::Debug for EventBridgeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &String| bus::parse_endpoint(text).unwrap_or_else(|_| "(not valid)".to_owned());
        f.debug_struct("EventBridgeConfig")
            .field("event_bus_name", &self.event_bus_name)
            .field("region", &self.region)
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("format", &self.format)
            .field("role_arn", &self.role_arn)
            .field("max_request_bytes", &self.max_request_bytes)
            .field("endpoint", &self.endpoint.as_ref().map(shown))
            .field("timeout", &self.timeout)
            .finish()
    }
}

fn check_text(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() {
        Err("cannot be empty")
    } else if text.chars().any(char::is_control) {
        Err("cannot hold control characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty_fields(config: &EventBridgeConfig) -> Vec<&'static str> {
        match config.validate() {
            Ok(()) => Vec::new(),
            Err(refused) => refused.faults().iter().map(|fault| fault.field).collect(),
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let config = EventBridgeConfig::new("no spaces")
            .with_region("evil.example.com/#")
            .with_source("aws.ec2")
            .with_detail_type("")
            .with_role_arn("arn:aws:iam::1:user/x")
            .with_max_request_bytes(1_023)
            .with_endpoint("ftp://example.com")
            .with_timeout(Duration::ZERO);
        let fields = [
            "region",
            "event_bus_name",
            "endpoint",
            "source",
            "detail_type",
            "role_arn",
            "max_request_bytes",
            "timeout",
        ];
        assert_eq!(faulty_fields(&config), fields);
    }

    #[test]
    fn limits_of_every_field_are_inclusive() {
        let config = || EventBridgeConfig::new("orders");
        for good in [
            config().with_max_request_bytes(SMALLEST_MAX_REQUEST_BYTES),
            config().with_max_request_bytes(LARGEST_MAX_REQUEST_BYTES),
            config().with_source("aws"),
            config().with_source("s".repeat(MAX_SOURCE)),
            config().with_detail_type("ä".repeat(MAX_DETAIL_TYPE)),
            config().with_timeout(MAX_TIMEOUT),
        ] {
            assert!(faulty_fields(&good).is_empty(), "{good:?}");
        }
        for (bad, field) in [
            (
                config().with_max_request_bytes(LARGEST_MAX_REQUEST_BYTES + 1),
                "max_request_bytes",
            ),
            (config().with_source("aws.s3"), "source"),
            (config().with_source(" "), "source"),
            (config().with_source("s".repeat(MAX_SOURCE + 1)), "source"),
            (
                config().with_detail_type("ä".repeat(MAX_DETAIL_TYPE + 1)),
                "detail_type",
            ),
            (config().with_detail_type("a\nb"), "detail_type"),
            (
                config().with_timeout(MAX_TIMEOUT + Duration::from_nanos(1)),
                "timeout",
            ),
        ] {
            assert_eq!(faulty_fields(&bad), [field], "{bad:?}");
        }
    }

    #[test]
    fn neither_the_debug_form_nor_a_fault_shows_user_info_of_an_endpoint() {
        let config = EventBridgeConfig::new("orders").with_endpoint("https://me:hidden@example.com/");
        let refused = config.validate().unwrap_err();
        assert!(!format!("{config:?} {refused:?} {refused}").contains("hidden"));
    }
}
