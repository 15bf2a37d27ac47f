//! The forms in which a server runs.

use crate::harness::{Api, Server, World};

/// How API and worker are put into processes, and where their state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One process, state in Redis.
    Run,
    /// A process each, which meet in Redis.
    Apart,
    /// One process, state in a file.
    Dev,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Run, Self::Apart, Self::Dev];

    pub(crate) async fn start(self, world: &World) -> Running {
        let servers = match self {
            Self::Run => vec![world.start("run").await],
            Self::Apart => vec![world.start("api").await, world.start("worker").await],
            Self::Dev => vec![world.start_with("dev", &[("REDIS_URI", "")]).await],
        };
        Running { servers }
    }
}

/// The processes of a form; the API is in the first.
pub(crate) struct Running {
    pub(crate) servers: Vec<Server>,
}

impl Running {
    pub(crate) fn api(&self) -> &Api {
        &self.servers[0].api
    }

    pub(crate) async fn stop(self) {
        for server in self.servers {
            assert!(server.stop().await.success());
        }
    }

    pub(crate) async fn kill(self) {
        for server in self.servers {
            server.kill().await;
        }
    }
}
