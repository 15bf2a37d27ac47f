//! Records as lines of JSON: on standard output, or in a file.

use std::path::PathBuf;
use std::sync::Arc;

use conduit_core::Sink;
use conduit_sinks::file::{FileConfig, FileSink};
use conduit_sinks::stdout::StdoutSink;

use super::{DestinationSettings, DestinationType, Field, SettingFault, SinkRequest, setting_faults};

/// The type `stdout`.
#[derive(Debug)]
pub(super) struct Stdout;

impl DestinationType for Stdout {
    fn name(&self) -> &str {
        "stdout"
    }

    fn fields(&self) -> Vec<Field> {
        Vec::new()
    }

    fn takes_cloud_events(&self) -> bool {
        true
    }

    fn sink(&self, request: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
        let sink = StdoutSink::new(request.format);
        let fault = |error| {
            vec![SettingFault::new(
                "",
                format!("standard output cannot be used: {error}"),
            )]
        };
        Ok(Arc::new(sink.map_err(fault)?))
    }
}

/// The type `file`.
#[derive(Debug)]
pub(super) struct File {
    /// Where files may be; without it there are none.
    pub(super) folder: Option<PathBuf>,
}

impl DestinationType for File {
    fn name(&self) -> &str {
        "file"
    }

    fn fields(&self) -> Vec<Field> {
        vec![Field::text("path").required().such_as("orders.ndjson")]
    }

    fn target(&self, settings: &DestinationSettings) -> String {
        settings.text("path").unwrap_or_default().to_owned()
    }

    fn takes_cloud_events(&self) -> bool {
        true
    }

    fn sink(&self, request: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
        let Some(folder) = &self.folder else {
            let message = "this server writes no files: set CONDUIT_FILE_DIR to the folder where it may";
            return Err(vec![SettingFault::new("type", message)]);
        };
        let config = FileConfig::new(request.settings.text("path").unwrap_or_default());
        let sink = FileSink::new(config.with_format(request.format), folder);
        Ok(Arc::new(sink.map_err(|invalid| setting_faults(&invalid))?))
    }
}
