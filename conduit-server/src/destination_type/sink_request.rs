//! What a sink is made of, asked for by name.

use std::time::Duration;

use super::{SettingFault, SinkRequest};

/// A value that is not there is a fault of the request, so that `?` passes it on. It cannot be missing if the type's
/// [`fields`](super::DestinationType::fields) make it required or give it a default.
impl<'a> SinkRequest<'a> {
    /// Returns a text or a URL.
    ///
    /// # Errors
    /// If it is not there.
    pub fn text(&self, path: &str) -> Result<&'a str, Vec<SettingFault>> {
        there(self.settings.text(path), path)
    }

    /// Returns a whole number.
    ///
    /// # Errors
    /// If it is not there.
    pub fn integer(&self, path: &str) -> Result<u64, Vec<SettingFault>> {
        there(self.settings.integer(path), path)
    }

    /// Returns a duration.
    ///
    /// # Errors
    /// If it is not there.
    pub fn duration(&self, path: &str) -> Result<Duration, Vec<SettingFault>> {
        there(self.settings.duration(path), path)
    }

    /// Returns a secret.
    ///
    /// # Errors
    /// If it is not there.
    pub fn secret(&self, path: &str) -> Result<&'a str, Vec<SettingFault>> {
        there(self.settings.secret(path), path)
    }
}

fn there<T>(value: Option<T>, path: &str) -> Result<T, Vec<SettingFault>> {
    value.ok_or_else(|| vec![SettingFault::new(path, "is required")])
}

#[cfg(test)]
mod tests {
    use conduit_core::CollectionName;
    use serde_json::{Map, json};

    use super::*;
    use crate::PayloadFormat;
    use crate::destination_type::DestinationSettings;

    #[test]
    fn what_is_not_there_is_a_fault_that_names_it() {
        let Ok(values) = serde_json::from_value::<Map<_, _>>(json!({"address": "a:1"})) else {
            panic!("an object");
        };
        let settings = DestinationSettings::new(values);
        let collection = CollectionName::new("orders").unwrap();
        let request = SinkRequest {
            collection: &collection,
            format: PayloadFormat::Conduit,
            settings: &settings,
        };
        assert_eq!(request.text("address"), Ok("a:1"));
        let missing = |field: &str| vec![SettingFault::new(field, "is required")];
        assert_eq!(request.text("subject"), Err(missing("subject")));
        assert_eq!(request.duration("timeout"), Err(missing("timeout")));
        assert_eq!(request.integer("limit"), Err(missing("limit")));
        // A text is not a secret.
        assert_eq!(request.secret("address"), Err(missing("address")));
    }
}
