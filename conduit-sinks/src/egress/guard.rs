//! Resolves names and checks what comes of it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::{EgressError, EgressPolicy, Resolver, SystemResolver};

/// Tells the addresses that may be connected to for a host. Cloning is cheap.
///
/// Whoever connects uses these addresses and resolves nothing again. A connection that is kept and used again needs no
/// second check: it leads where it was checked to lead, whatever the name says by now.
#[derive(Clone, Debug)]
pub struct EgressGuard {
    policy: EgressPolicy,
    resolver: Arc<dyn Resolver>,
}

impl EgressGuard {
    /// Makes a guard that resolves names as the operating system does.
    #[must_use]
    pub fn new(policy: EgressPolicy) -> Self {
        Self {
            policy,
            resolver: Arc::new(SystemResolver),
        }
    }

    /// Resolves names by `resolver` instead.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> EgressPolicy {
        self.policy
    }

    /// Returns the addresses of `host`, a name or an address with or without brackets, if the policy allows all of them;
    /// never an empty list. Resolves a name once. Cancel-safe.
    ///
    /// # Errors
    /// [`EgressError::Refused`] if one of the addresses is refused, even though others are not: a name that mixes them is
    /// misconfigured or hostile. [`EgressError::Unresolved`] if the name has no address now.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, EgressError> {
        if let Some(address) = literal(host) {
            self.policy.check_address(address)?;
            return Ok(vec![address]);
        }
        self.policy.check_name(host)?;
        let found = self.resolver.resolve(host).await;
        let addresses = found.map_err(EgressError::Unresolved)?;
        if addresses.is_empty() {
            let none = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return Err(EgressError::Unresolved(none));
        }
        for address in &addresses {
            self.policy.check_address_of(host, *address)?;
        }
        Ok(addresses)
    }
}

/// The address that a host is, if it is one. Other spellings than the usual ones are names here: the system's resolver may
/// take them for addresses, and what it makes of them is checked.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let plain = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    plain.unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// Answers every name with the same addresses.
    #[derive(Debug)]
    struct Fixed(Vec<IpAddr>);

    #[async_trait]
    impl Resolver for Fixed {
        async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    async fn resolve(policy: EgressPolicy, host: &str, addresses: &[&str]) -> Result<Vec<IpAddr>, String> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let guard = EgressGuard::new(policy).with_resolver(Arc::new(Fixed(addresses)));
        guard.resolve(host).await.map_err(|error| match error {
            EgressError::Refused(refused) => refused.to_string(),
            EgressError::Unresolved(error) => error.to_string(),
        })
    }

    #[tokio::test]
    async fn one_bad_address_among_good_ones_refuses_the_name_in_any_order() {
        let refused =
            "a.example has a private, loopback or reserved address, and only public ones are allowed";
        for addresses in [
            ["8.8.8.8", "10.0.0.1"],
            ["10.0.0.1", "8.8.8.8"],
            ["8.8.8.8", "::1"],
        ] {
            let answer = resolve(EgressPolicy::Public, "a.example", &addresses).await;
            assert_eq!(answer, Err(refused.to_owned()));
            assert!(resolve(EgressPolicy::Any, "a.example", &addresses).await.is_ok());
        }
        let metadata = ["8.8.8.8", "169.254.169.254"];
        assert_eq!(
            resolve(EgressPolicy::Any, "a.example", &metadata).await,
            Err("a.example has a link-local or cloud metadata address, which is always refused".to_owned())
        );
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_not_resolved() {
        let answer = resolve(EgressPolicy::Any, "a.example", &[]).await;
        assert_eq!(answer, Err("the name has no address".to_owned()));
    }

    #[tokio::test]
    async fn literals_and_names_of_this_machine_are_not_asked_for() {
        for host in ["127.0.0.1", "::1", "[::1]", "localhost", "a.LOCALHOST."] {
            let answer = resolve(EgressPolicy::Public, host, &["8.8.8.8"]).await;
            assert!(answer.is_err(), "{host}");
        }
        let answer = resolve(EgressPolicy::Any, "[::1]", &["8.8.8.8"]).await;
        assert_eq!(answer, Ok(vec!["::1".parse().unwrap()]));
    }

    /// The system's resolver takes them for addresses, as `inet_aton` does, and no URL parser was in between.
    #[tokio::test]
    async fn unusual_spellings_are_checked_as_what_the_system_makes_of_them() {
        let guard = EgressGuard::new(EgressPolicy::Public);
        for host in ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "0"] {
            let answer = guard.resolve(host).await;
            assert!(answer.is_err(), "{host}: {answer:?}");
        }
    }
}
