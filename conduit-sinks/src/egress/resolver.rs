//! Who knows the addresses of a name.

use std::fmt;
use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

/// Knows the addresses of a name.
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// Returns all addresses of `name`, in the order in which they are to be tried. Called once for each connection; the
    /// future may be dropped at any await.
    ///
    /// # Errors
    /// If the name cannot be resolved now.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver: the hosts file, the name servers that the machine is configured with. It has no
/// time-out of its own: the caller's applies.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}
