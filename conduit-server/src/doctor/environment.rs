//! The variables that a server is started with.

use std::net::IpAddr;

use super::check::Check;
use super::finding::Finding;
use super::subject::Subject;
use crate::environment::Environment;

/// The shortest token that is not guessed.
const SHORTEST_TOKEN: usize = 16;

/// Examines them as a start would.
pub(super) fn examine(subject: &Subject) -> Vec<Check> {
    let environment = match Environment::from_variables(subject.role, &subject.variables) {
        Ok(environment) => environment,
        Err(message) => {
            let finding = Finding::failed(message.clone(), cure(&message));
            return vec![Check::new("environment", finding)];
        }
    };
    let tokens = [&environment.api_token, &environment.read_token];
    vec![
        Check::new("environment", Finding::ok("all variables can be used")),
        Check::new("access", access(environment.host, tokens)),
    ]
}

fn cure(message: &str) -> String {
    let example = [
        ("MONGODB_URI", "mongodb://127.0.0.1:27017/?replicaSet=rs0"),
        ("MONGODB_DATABASE", "shop"),
        ("REDIS_URI", "redis://127.0.0.1:6379"),
    ];
    let missing = message
        .strip_prefix("Required environment variable ")
        .and_then(|rest| rest.split(' ').next());
    if let Some((name, value)) = example.iter().find(|(name, _)| Some(*name) == missing) {
        return format!("Set {name} where the server is started, for example: export {name}='{value}'");
    }
    if message.starts_with("HOST ") {
        return "Set CONDUIT_API_TOKEN to what this prints: openssl rand -hex 32. Or set HOST=127.0.0.1, so that only this \
                machine reaches it."
            .to_owned();
    }
    let variable = message.split(' ').next().unwrap_or_default();
    format!("Correct {variable} where the server is started; the README says what it takes.")
}

fn access(host: IpAddr, tokens: [&Option<String>; 2]) -> Finding {
    let [admin, _] = tokens;
    if admin.is_none() && !host.is_loopback() {
        return Finding::warning(
            format!("everybody who reaches {host} may read and change everything"),
            "Unset CONDUIT_ALLOW_ANONYMOUS and set CONDUIT_API_TOKEN to what this prints: openssl rand -hex 32",
        );
    }
    let is_short = |token: &&Option<String>| token.as_ref().is_some_and(|token| token.len() < SHORTEST_TOKEN);
    if tokens.iter().any(is_short) {
        return Finding::warning(
            format!("a token has less than {SHORTEST_TOKEN} characters and can be guessed"),
            "Set CONDUIT_API_TOKEN and CONDUIT_API_READ_TOKEN to what this prints each time: openssl rand -hex 32",
        );
    }
    match admin {
        Some(_) => Finding::ok(format!("{host}, with a token")),
        None => Finding::ok(format!("{host}: without a token, from this machine alone")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_is_missing_is_named_with_an_example() {
        let cure = cure("Required environment variable REDIS_URI is not set");
        assert!(cure.contains("export REDIS_URI='redis://"), "{cure}");
    }

    #[test]
    fn an_open_address_without_a_token_is_a_warning_where_it_is_allowed() {
        let open = IpAddr::from([0, 0, 0, 0]);
        assert_eq!(access(open, [&None, &None]).verdict, Verdict::Warning);
        let long = Some("0123456789abcdef".to_owned());
        assert_eq!(access(open, [&long, &None]).verdict, Verdict::Ok);
        assert_eq!(
            access(open, [&long, &Some("short".to_owned())]).verdict,
            Verdict::Warning
        );
        let local = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(access(local, [&None, &None]).verdict, Verdict::Ok);
    }
}
