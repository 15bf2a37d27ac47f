//! Where events go.

use url::Url;

use super::EventBridgeConfig;

/// Most characters of a bus's name.
const MAX_NAME: usize = 256;

/// A checked bus, and how it is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bus {
    name: String,
    region: Option<String>,
    endpoint: Option<String>,
    role_arn: Option<String>,
    shown: String,
}

impl Bus {
    /// Checks what says where events go, telling `fault` what is wrong, by field; `None` if anything is.
    pub(super) fn parse(
        config: &EventBridgeConfig,
        fault: &mut impl FnMut(&'static str, &str),
    ) -> Option<Self> {
        let mut is_well = true;
        let mut refuse = |field, message: &str| {
            is_well = false;
            fault(field, message);
        };
        let mut region = config.region.clone();
        if region.as_deref().is_some_and(|region| !is_region(region)) {
            refuse("region", "is not the name of a region, such as eu-central-1");
        }
        let name = &config.event_bus_name;
        if name.starts_with("arn:") {
            match region_of_bus_arn(name) {
                None => refuse(
                    "event_bus_name",
                    "is not the ARN of a bus, such as arn:aws:events:eu-central-1:123456789012:event-bus/orders",
                ),
                Some(of_arn) if region.as_deref().is_some_and(|region| region != of_arn) => {
                    refuse(
                        "event_bus_name",
                        "is the ARN of a bus in another region than `region`",
                    );
                }
                Some(of_arn) => region = Some(of_arn.to_owned()),
            }
        } else if !is_bus_name(name) {
            refuse(
                "event_bus_name",
                "must be 1 to 256 letters, digits, or any of . - _ /",
            );
        }
        let endpoint = config.endpoint.as_deref().map(parse_endpoint);
        if let Some(Err(message)) = &endpoint {
            refuse("endpoint", message);
        }
        if !is_well {
            return None;
        }
        let endpoint = endpoint.and_then(Result::ok);
        let place = endpoint.as_deref().or(region.as_deref());
        Some(Self {
            shown: match place {
                Some(place) => format!("{}/{name}", place.trim_end_matches('/')),
                None => name.clone(),
            },
            name: name.clone(),
            region,
            endpoint,
            role_arn: config.role_arn.clone(),
        })
    }

    /// Returns the bus's name or ARN, as calls name it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the region, if the configuration says it.
    pub(super) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns the URL that stands in for AWS's own.
    pub(super) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Returns the role that is assumed.
    pub(super) fn role_arn(&self) -> Option<&str> {
        self.role_arn.as_deref()
    }

    /// Returns the bus as messages show it: its name, after its region or endpoint as far as configured.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns what tells this bus from all others: the same name in the accounts of two roles is two buses.
    pub(super) fn identity(&self) -> String {
        match &self.role_arn {
            Some(role) => format!("eventbridge {} as {role}", self.shown),
            None => format!("eventbridge {}", self.shown),
        }
    }
}

/// Checks an endpoint and returns it as it is called and shown.
pub(super) fn parse_endpoint(text: &str) -> Result<String, &'static str> {
    let Ok(url) = Url::parse(text) else {
        return Err("is not a valid URL, such as http://localhost:4566");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("cannot hold a user name or password: credentials come from the environment");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("cannot hold a query or a fragment");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether this is `arn:<partition>:iam::<account>:role/<path and name>`.
pub(super) fn is_role_arn(arn: &str) -> bool {
    let Some(("iam", "", resource)) = parse_arn(arn) else {
        return false;
    };
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
    resource.strip_prefix("role/").is_some_and(|role| {
        role.len() <= 512 + 64 && !role.is_empty() && !role.ends_with('/') && role.bytes().all(is_legal)
    })
}

/// Splits an ARN into service, region and resource; checks partition and account.
fn parse_arn(arn: &str) -> Option<(&str, &str, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", partition, service, region, account, resource] = &parts[..] else {
        return None;
    };
    let is_partition = partition == "aws" || partition.strip_prefix("aws-").is_some_and(is_region);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_partition && is_account).then_some((service, region, resource))
}

fn region_of_bus_arn(arn: &str) -> Option<&str> {
    let ("events", region, resource) = parse_arn(arn)? else {
        return None;
    };
    let is_bus = resource.strip_prefix("event-bus/").is_some_and(is_bus_name);
    (is_bus && is_region(region)).then_some(region)
}

fn is_bus_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_legal)
}

/// Whether a text may be a part of a host's name, where regions end up.
fn is_region(region: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&region.len())
        && region.bytes().all(is_legal)
        && !region.starts_with('-')
        && !region.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:events:eu-central-1:123456789012:event-bus/orders";

    fn parsed(config: &EventBridgeConfig) -> Result<Bus, Vec<String>> {
        let mut faults = Vec::new();
        Bus::parse(config, &mut |field, message: &str| {
            faults.push(format!("{field}: {message}"));
        })
        .ok_or(faults)
    }

    #[test]
    fn a_bus_is_shown_after_its_region_or_its_endpoint() {
        let config = || EventBridgeConfig::new("orders");
        assert_eq!(parsed(&config()).unwrap().shown(), "orders");
        let with_region = config().with_region("eu-central-1");
        assert_eq!(parsed(&with_region).unwrap().shown(), "eu-central-1/orders");
        let with_endpoint = with_region.with_endpoint("HTTP://127.0.0.1:5000/");
        assert_eq!(
            parsed(&with_endpoint).unwrap().shown(),
            "http://127.0.0.1:5000/orders"
        );
    }

    #[test]
    fn the_same_bus_under_two_roles_is_two() {
        let role = |name| format!("arn:aws:iam::123456789012:role/{name}");
        let identity = |config: EventBridgeConfig| parsed(&config).unwrap().identity();
        let config = || EventBridgeConfig::new("orders").with_region("eu-central-1");
        assert_eq!(identity(config()), "eventbridge eu-central-1/orders");
        assert_ne!(
            identity(config().with_role_arn(role("a"))),
            identity(config().with_role_arn(role("b")))
        );
    }

    #[test]
    fn the_arn_of_a_bus_says_its_region() {
        let bus = parsed(&EventBridgeConfig::new(ARN)).unwrap();
        assert_eq!((bus.name(), bus.region()), (ARN, Some("eu-central-1")));
        assert!(parsed(&EventBridgeConfig::new(ARN).with_region("eu-central-1")).is_ok());
        let faults = parsed(&EventBridgeConfig::new(ARN).with_region("us-east-1")).unwrap_err();
        assert_eq!(
            faults,
            ["event_bus_name: is the ARN of a bus in another region than `region`"]
        );
    }

    #[test]
    fn names_of_buses_are_checked() {
        let longest = "b".repeat(MAX_NAME);
        for good in ["default", "aws.partner/example.com/a_b-c", &longest, ARN] {
            assert!(
                parsed(&EventBridgeConfig::new(good)).is_ok(),
                "{good} was refused"
            );
        }
        let too_long = "b".repeat(MAX_NAME + 1);
        for bad in [
            "",
            "a b",
            "ü",
            "a:b",
            "arn:aws:events:eu-central-1:123456789012:rule/orders",
            "arn:aws:events:eu-central-1:12:event-bus/orders",
            "arn:aws:events::123456789012:event-bus/orders",
            &too_long,
        ] {
            assert!(parsed(&EventBridgeConfig::new(bad)).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn arns_of_roles_are_checked() {
        for good in [
            "arn:aws:iam::123456789012:role/conduit",
            "arn:aws-us-gov:iam::123456789012:role/path/to/con@du_it",
        ] {
            assert!(is_role_arn(good), "{good} was refused");
        }
        for bad in [
            "",
            "conduit",
            "arn:aws:iam::123456789012:user/conduit",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::12345678901:role/conduit",
            "arn:aws:iam:us-east-1:123456789012:role/conduit",
            "arn:azure:iam::123456789012:role/conduit",
            "arn:aws:iam::123456789012:role/con duit",
        ] {
            assert!(!is_role_arn(bad), "{bad} was taken");
        }
    }

    #[test]
    fn endpoints_are_web_addresses_with_nothing_but_a_path() {
        assert_eq!(
            parse_endpoint("http://localhost:4566/").unwrap(),
            "http://localhost:4566"
        );
        for bad in [
            "",
            "localhost:4566",
            "ftp://a",
            "http://me@a/",
            "http://a/?q",
            "http://a/#f",
        ] {
            assert!(parse_endpoint(bad).is_err(), "{bad} was taken");
        }
    }
}
