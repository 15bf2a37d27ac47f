//! Where requests may go: a guard between a destination's name and the connection to it.
//!
//! Whoever may configure a destination can have this process send requests. Without a guard these reach what only this
//! machine can: a cloud's metadata service with its credentials, a database on the private network. The guard looks at
//! the addresses that a connection is made to, not at the text of the endpoint: names are resolved once, every address
//! of the answer is checked, and the connection is made to one of the checked addresses, with no second resolution in
//! between that could say otherwise.
//!
//! | address | [`Any`](EgressPolicy::Any) | [`Public`](EgressPolicy::Public) |
//! |---|---|---|
//! | link-local (`169.254.0.0/16`, `fe80::/10`), cloud metadata | refused | refused |
//! | loopback, unspecified (`0.0.0.0`, `::`), which connects to loopback | allowed | refused |
//! | private (RFC 1918, ULA), shared (`100.64.0.0/10`), site-local | allowed | refused |
//! | multicast, broadcast, reserved, documentation, benchmarks | allowed | refused |
//! | everything else | allowed | allowed |
//!
//! An IPv6 address that carries an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) is refused
//! if the one that it carries is. A name is refused as a whole if one of its addresses is.
//!
//! ```
//! use conduit_sinks::egress::EgressPolicy;
//! use url::Url;
//!
//! let url = Url::parse("http://0xa9fea9fe/latest/meta-data/").unwrap();
//! assert!(EgressPolicy::Any.check_url(&url).is_err());
//! ```

mod address;
mod guard;
mod policy;
mod refused;
mod resolver;

pub use guard::EgressGuard;
#[cfg(feature = "http")]
pub(crate) use guard::literal;
pub use policy::EgressPolicy;
pub use refused::{EgressError, EgressRefused};
pub use resolver::{Resolver, SystemResolver};
