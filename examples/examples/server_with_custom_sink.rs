//! The server with a type of destination of your own: the REST API takes `{"type": "line-log", …}` like the built-in ones.
//!
//! ```sh
//! export MONGODB_URI='mongodb://127.0.0.1:27017/?replicaSet=rs0' MONGODB_DATABASE=shop
//! CONDUIT_STATE=embedded:line-log.redb cargo run -p conduit-examples --example server_with_custom_sink
//! curl -X POST http://127.0.0.1:8080/api/collections -H 'Content-Type: application/json' -d '{
//!   "collection_name": "orders", "stream_enabled": true,
//!   "destinations": [{"type": "line-log", "address": "127.0.0.1:9999", "token": "…", "timeout": "5s"}]}'
//! ```
//!
//! The sink is that of docs/writing-a-sink.md, in `examples/line-log`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use conduit_core::Sink;
use conduit_server::{Command, DestinationType, Field, Host, SettingFault, SinkRequest};
use line_log::LineLogSink;

#[derive(Debug)]
struct LineLog;

impl DestinationType for LineLog {
    fn name(&self) -> &str {
        "line-log"
    }

    fn fields(&self) -> Vec<Field> {
        vec![
            Field::address("address").required(),
            Field::secret("token").required(),
            Field::duration("timeout", Duration::from_millis(1)..=Duration::from_secs(60)).or("10s"),
        ]
    }

    fn sink(&self, request: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
        let address = request.text("address")?.to_owned();
        let token = request.secret("token")?.to_owned();
        let timeout = request.duration("timeout")?;
        Ok(Arc::new(LineLogSink {
            address,
            token,
            timeout,
        }))
    }
}

fn main() -> ExitCode {
    Host::new().with_destination_type(LineLog).serve(Command::Run)
}
