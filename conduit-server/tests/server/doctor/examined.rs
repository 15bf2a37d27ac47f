//! A setup that was examined.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::harness::{PATIENCE, World};

/// What `conduit doctor` said of a setup.
pub(super) struct Examined {
    pub(super) code: i32,
    pub(super) text: String,
    checks: Vec<Value>,
}

impl Examined {
    /// Examines a world as its server is configured, but for these variables; an empty one is not set.
    pub(super) async fn of(world: &World, variables: &[(&str, &str)]) -> Self {
        let database = world.database.name().to_owned();
        let redis = world.redis.uri();
        let mut all = vec![
            ("MONGODB_URI", world.mongodb_uri.as_str()),
            ("MONGODB_DATABASE", &database),
            ("REDIS_URI", &redis),
        ];
        all.retain(|(name, _)| !variables.iter().any(|(other, _)| other == name));
        all.extend_from_slice(variables);
        let (code, text) = run(&all, &["--json"]).await;
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let checks = report["checks"].as_array().unwrap().clone();
        Self { code, text, checks }
    }

    /// Returns a check by its name.
    pub(super) fn check(&self, name: &str) -> &Value {
        let found = self.checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no check {name:?}: {}", self.text))
    }

    /// Expects a verdict, and something in the cure.
    pub(super) fn expect(&self, name: &str, verdict: &str, cure: &str) {
        let check = self.check(name);
        assert_eq!(check["verdict"], verdict, "{check}");
        let given = check["cure"].as_str().unwrap_or_default();
        assert!(given.contains(cure), "no {cure:?} in the cure: {check}");
        assert_eq!(self.code, i32::from(self.has("failed")), "{}", self.text);
    }

    /// Whether a check is there and has this verdict.
    pub(super) fn says(&self, name: &str, verdict: &str) -> bool {
        let mut named = self.checks.iter().filter(|check| check["name"] == name);
        named.any(|check| check["verdict"] == verdict)
    }

    /// Whether any check has this verdict.
    pub(super) fn has(&self, verdict: &str) -> bool {
        self.checks.iter().any(|check| check["verdict"] == verdict)
    }
}

/// Runs `conduit doctor` with these variables alone, and returns its exit code and what it printed.
pub(super) async fn run(variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conduit"));
    command
        .env_clear()
        .envs(variables.iter().copied().filter(|(_, value)| !value.is_empty()))
        .arg("doctor")
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .unwrap()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}
