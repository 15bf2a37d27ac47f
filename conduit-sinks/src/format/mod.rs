//! What a record looks like at its destination.
//!
//! ```
//! use conduit_sinks::format::PayloadFormat;
//!
//! assert_eq!("cloudevents".parse(), Ok(PayloadFormat::CloudEvents));
//! assert_eq!(PayloadFormat::CloudEvents.content_type(), "application/cloudevents+json");
//! ```

mod cloud_event;
mod payload_format;

pub use payload_format::PayloadFormat;
