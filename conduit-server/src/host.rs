//! The server, with what its host adds to it.

use std::process::ExitCode;
use std::sync::Arc;

use crate::destination_type::{DestinationType, check_fields};
use crate::server::{self, Command};

/// A server to run, with destination types of the host's own beside the built-in ones.
///
/// ```no_run
/// use conduit_server::{Command, Host};
///
/// fn main() -> std::process::ExitCode {
///     Host::new().serve(Command::Run)
/// }
/// ```
#[derive(Debug, Default)]
pub struct Host {
    pub(crate) types: Vec<Arc<dyn DestinationType>>,
}

impl Host {
    /// A server as it comes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the REST API take destinations of this type. One of the name of a built-in type replaces that.
    ///
    /// # Panics
    /// If the type's name is not 1 to 32 of the characters `a-z`, `0-9` and `-`; if one of its fields has a name that is
    /// taken, or a default that would be refused.
    #[must_use]
    pub fn with_destination_type(mut self, kind: impl DestinationType) -> Self {
        let name = kind.name();
        let is_legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        assert!(
            (1..=32).contains(&name.len()) && name.bytes().all(is_legal),
            "the name of a destination type must be 1 to 32 of the characters a-z, 0-9 and -, not {name:?}"
        );
        if let Err(fault) = check_fields(&kind) {
            panic!("the destination type {name:?} cannot be registered: {fault}");
        }
        self.types.push(Arc::new(kind));
        self
    }

    /// Runs the server until a signal ends it, with the settings that the environment has.
    ///
    /// Returns 0 after a graceful stop and 1 after a line `FATAL: ...` on stderr.
    #[must_use]
    pub fn serve(self, command: Command) -> ExitCode {
        server::serve(self, command)
    }
}

#[cfg(test)]
mod tests {
    use conduit_core::Sink;

    use super::*;
    use crate::{Field, SettingFault, SinkRequest};

    #[derive(Debug)]
    struct Declared(&'static str, Vec<Field>);

    impl DestinationType for Declared {
        fn name(&self) -> &str {
            self.0
        }

        fn fields(&self) -> Vec<Field> {
            self.1.clone()
        }

        fn sink(&self, _: SinkRequest<'_>) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
            Err(Vec::new())
        }
    }

    #[test]
    fn a_sound_type_is_registered() {
        let host = Host::new().with_destination_type(Declared("line-log", vec![Field::text("address")]));
        assert_eq!(host.types.len(), 1);
    }

    #[test]
    #[should_panic(expected = "1 to 32 of the characters")]
    fn a_name_that_no_id_can_be_made_of_is_refused() {
        let _ = Host::new().with_destination_type(Declared("Line log", Vec::new()));
    }

    #[test]
    #[should_panic(expected = "destinations of every type have a field \"max_retries\"")]
    fn a_field_that_every_destination_has_is_refused() {
        let _ = Host::new().with_destination_type(Declared("line-log", vec![Field::text("max_retries")]));
    }
}
