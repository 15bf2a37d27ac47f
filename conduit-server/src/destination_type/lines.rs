//! Records as lines of JSON: on standard output, or in a file.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_sinks::file::{FileConfig, FileSink};
use conduit_sinks::stdout::StdoutSink;

use super::{DestinationSettings, DestinationType, Field, SettingFault, SinkRequest, setting_faults};
use crate::doctor::Finding;

/// The type `stdout`.
#[derive(Debug)]
pub(super) struct Stdout;

#[async_trait]
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

    async fn probe(&self, _request: SinkRequest<'_>) -> Finding {
        Finding::ok("records go to the standard output of the worker")
    }
}

/// The type `file`.
#[derive(Debug)]
pub(super) struct File {
    /// Where files may be; without it there are none.
    pub(super) folder: Option<PathBuf>,
}

#[async_trait]
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
        Ok(Arc::new(self.make(request)?))
    }

    /// Looks at the way to the file, and makes nothing.
    async fn probe(&self, request: SinkRequest<'_>) -> Finding {
        let Ok(sink) = self.make(request) else {
            return Finding::skipped("its settings are refused");
        };
        let path = request.settings.text("path").unwrap_or_default();
        match sink.check_place().await {
            Ok(()) => Finding::ok(format!("{path} can be written to")),
            Err(error) => Finding::failed(
                error.report(),
                format!(
                    "Give the user that the server runs as the right to write there, and have no link or folder in place of the \
                     file: ls -ld \"$CONDUIT_FILE_DIR\" \"$CONDUIT_FILE_DIR/{path}\""
                ),
            ),
        }
    }
}

impl File {
    fn make(&self, request: SinkRequest<'_>) -> Result<FileSink, Vec<SettingFault>> {
        let Some(folder) = &self.folder else {
            let message = "this server writes no files: set CONDUIT_FILE_DIR to the folder where it may";
            return Err(vec![SettingFault::new("type", message)]);
        };
        let config = FileConfig::new(request.settings.text("path").unwrap_or_default());
        let sink = FileSink::new(config.with_format(request.format), folder);
        sink.map_err(|invalid| setting_faults(&invalid))
    }
}
