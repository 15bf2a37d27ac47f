//! Which hosts requests may go to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use super::address::{is_never_allowed, is_public};
use super::refused::{EgressRefused, Reason};

/// Names by which clouds serve a machine's metadata.
const METADATA_NAMES: [&str; 3] = ["metadata", "metadata.google.internal", "metadata.tencentyun.com"];

/// Which hosts requests may go to; see the [module](super) for what each policy refuses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EgressPolicy {
    /// Everywhere but to link-local addresses and clouds' metadata services.
    #[default]
    Any,
    /// To public addresses only.
    Public,
}

impl EgressPolicy {
    /// Returns the policy's name in a configuration: `any` or `public`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Public => "public",
        }
    }

    /// Checks what can be known of a URL's host without resolving it: an address in any spelling that URLs have, and names
    /// that mean this machine or a metadata service. For refusing a configuration early; the connection is checked again.
    ///
    /// # Errors
    /// If the host is refused. A URL without a host is not: it cannot be connected to either.
    pub fn check_url(self, url: &Url) -> Result<(), EgressRefused> {
        match url.host() {
            None => Ok(()),
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(name)) => self.check_name(name),
        }
    }

    /// Checks an address.
    ///
    /// # Errors
    /// If it is refused.
    pub fn check_address(self, address: IpAddr) -> Result<(), EgressRefused> {
        self.check_address_of(&address.to_string(), address)
    }

    /// Checks an address that a name has.
    pub(super) fn check_address_of(self, host: &str, address: IpAddr) -> Result<(), EgressRefused> {
        let refused = |reason| {
            Err(EgressRefused {
                host: host.into(),
                address: Some(address),
                reason,
            })
        };
        if is_never_allowed(address) {
            refused(Reason::NeverAllowed)
        } else if self == Self::Public && !is_public(address) {
            refused(Reason::NotPublic)
        } else {
            Ok(())
        }
    }

    /// Checks a name without resolving it.
    pub(super) fn check_name(self, name: &str) -> Result<(), EgressRefused> {
        let refused = |reason| {
            Err(EgressRefused {
                host: name.into(),
                address: None,
                reason,
            })
        };
        let plain = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if METADATA_NAMES.contains(&&*plain) {
            return refused(Reason::NeverAllowed);
        }
        // By RFC 6761 these are loopback whatever a name server says.
        let is_local = plain == "localhost" || plain.ends_with(".localhost");
        if self == Self::Public && is_local {
            return refused(Reason::NotPublic);
        }
        Ok(())
    }
}

impl fmt::Display for EgressPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EgressPolicy {
    type Err = &'static str;

    /// Reads `any` or `public`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "public" => Ok(Self::Public),
            _ => Err("must be any or public"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: EgressPolicy, host: &str) -> Result<(), EgressRefused> {
        policy.check_url(&Url::parse(&format!("http://{host}/x")).unwrap())
    }

    #[test]
    fn metadata_services_are_refused_however_they_are_spelled() {
        for host in [
            "169.254.169.254",
            "169.254.43518",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "%31%36%39.254.169.254",
            "１６９.254.169.254",
            "169。254。169。254",
            "metadata",
            "Metadata.Google.Internal",
            "metadata.google.internal.",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
        ] {
            for policy in [EgressPolicy::Any, EgressPolicy::Public] {
                let refused = check(policy, host).unwrap_err();
                assert_eq!(refused.reason, Reason::NeverAllowed, "{host}");
            }
        }
    }

    #[test]
    fn this_machine_and_private_networks_are_refused_by_public_alone() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "017700000001",
            "0.0.0.0",
            "0",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "10.1.2.3",
            "[fd12::1]",
        ] {
            assert_eq!(check(EgressPolicy::Any, host), Ok(()), "{host}");
            let refused = check(EgressPolicy::Public, host).unwrap_err();
            assert_eq!(refused.reason, Reason::NotPublic, "{host}");
        }
        for host in [
            "example.com",
            "metadata.example.com",
            "localhost.example.com",
            "8.8.8.8",
        ] {
            assert_eq!(check(EgressPolicy::Public, host), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_policy_is_read_by_its_name() {
        for policy in [EgressPolicy::Any, EgressPolicy::Public] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert!("private".parse::<EgressPolicy>().is_err());
    }
}
