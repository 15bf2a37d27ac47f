//! Connections and credentials, which sinks share.

use std::fmt;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::timeout::TimeoutConfig;
use aws_sdk_eventbridge::config::{Builder, SharedHttpClient, StalledStreamProtectionConfig};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use conduit_core::{SinkError, SinkErrorKind};

use super::bus::Bus;
use crate::egress::{EgressGuard, EgressPolicy};

/// How long an unused connection is kept: a request must not meet a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a connection may take to be made; a time-out of the delivery that is shorter comes first.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What assumed roles' sessions are called in AWS's logs.
const SESSION_NAME: &str = "conduit";

/// The region that calls to an emulator are signed for if nothing says another.
const EMULATOR_REGION: &str = "us-east-1";

/// A pool of connections to EventBridge, and where credentials come from. Cloning is cheap and shares the pool.
///
/// Speaks HTTP/1.1, and HTTP/2 where a TLS server offers it. Follows no redirect, uses no proxy, trusts the machine's
/// certificate authorities.
///
/// Credentials come from the AWS SDK's default chain: environment, profile files and `credential_process`, web identity,
/// the container's or the instance's role. Sign-on through IAM Identity Center is not built in: give a provider of your own.
#[derive(Clone)]
pub struct EventBridgeClient {
    egress: EgressPolicy,
    deliveries: Connections,
    /// Not the same as the deliveries': metadata services and STS are the operator's, whatever a destination is
    /// configured with.
    questions: Connections,
    credentials: Option<SharedCredentialsProvider>,
    sts_endpoint: Option<String>,
}

impl EventBridgeClient {
    /// Makes a client with a pool of its own. Nothing is read or asked before the first delivery.
    #[must_use]
    pub fn new() -> Self {
        Self {
            egress: EgressPolicy::Any,
            deliveries: Connections::guarded(EgressPolicy::Any),
            questions: Connections::new(None),
            credentials: None,
            sts_endpoint: None,
        }
    }

    /// Sends events only where `policy` allows it. Default [`EgressPolicy::Any`]. Credentials are asked for wherever the SDK
    /// does, the machine's metadata service included.
    #[must_use]
    pub fn with_egress(mut self, policy: EgressPolicy) -> Self {
        self.egress = policy;
        self.deliveries = Connections::guarded(policy);
        self
    }

    pub(super) fn egress(&self) -> EgressPolicy {
        self.egress
    }

    /// Takes credentials from `provider` instead of the SDK's default chain. A sink's role is assumed with them.
    #[must_use]
    pub fn with_credentials(mut self, provider: SharedCredentialsProvider) -> Self {
        self.credentials = Some(provider);
        self
    }

    /// Assumes roles at this URL. Default: AWS's own in the sink's region, or what `AWS_ENDPOINT_URL_STS` says.
    #[must_use]
    pub fn with_sts_endpoint(mut self, url: impl Into<String>) -> Self {
        self.sts_endpoint = Some(url.into());
        self
    }

    /// Makes the SDK's client for a bus: finds the region, and who to ask for credentials. May read files and ask the
    /// instance's metadata service.
    pub(super) async fn connect(&self, bus: &Bus) -> Result<Client, SinkError> {
        let shared = self.load(bus).await?;
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let mut config = Builder::from(&shared)
            .http_client(self.deliveries.to(bus.endpoint()))
            // The engine retries: durably, in order, and counted.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = bus.endpoint() {
            config = config.endpoint_url(endpoint);
        }
        if let Some(role) = bus.role_arn() {
            config = config.credentials_provider(self.role(role, shared).await);
        }
        Ok(Client::from_conf(config.build()))
    }

    async fn load(&self, bus: &Bus) -> Result<SdkConfig, SinkError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(self.questions.to(None));
        if let Some(region) = bus.region() {
            loader = loader.region(Region::new(region.to_owned()));
        } else if bus.endpoint().is_some() {
            // The instance's metadata service is not asked: where there is none, that takes seconds.
            loader = loader.region(
                RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                    .or_else(ProfileFileRegionProvider::new())
                    .or_else(EMULATOR_REGION),
            );
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        let config = Box::pin(loader.load()).await;
        if config.region().is_none() {
            return Err(SinkError::new(
                SinkErrorKind::Unauthorized,
                format!(
                    "no region is known for the event bus {}: set `region`, or AWS_REGION",
                    bus.shown()
                ),
            ));
        }
        Ok(config)
    }

    async fn role(&self, role: &str, shared: SdkConfig) -> AssumeRoleProvider {
        let mut config = shared.into_builder();
        if let Some(url) = &self.sts_endpoint {
            config.set_endpoint_url(Some(url.clone()));
            config.set_http_client(Some(self.questions.to(Some(url))));
        }
        let role = AssumeRoleProvider::builder(role)
            .session_name(SESSION_NAME)
            .configure(&config.build());
        Box::pin(role.build()).await
    }
}

impl Default for EventBridgeClient {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EventBridgeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBridgeClient")
            .field("has_credentials", &self.credentials.is_some())
            .field("sts_endpoint", &self.sts_endpoint)
            .finish_non_exhaustive()
    }
}

/// The SDK's HTTP clients for one purpose.
#[derive(Clone)]
struct Connections {
    encrypted: SharedHttpClient,
    in_clear: SharedHttpClient,
}

impl Connections {
    fn new(guard: Option<GuardedDns>) -> Self {
        Self {
            encrypted: http_client(TrustStore::default(), guard.clone()),
            // Reads no certificates: a machine that only speaks to an emulator need not have any.
            in_clear: http_client(TrustStore::empty(), guard),
        }
    }

    /// Connects only where the policy allows it.
    fn guarded(policy: EgressPolicy) -> Self {
        Self::new(Some(GuardedDns(EgressGuard::new(policy))))
    }

    /// Returns the client for a URL, or for AWS's own endpoints.
    fn to(&self, url: Option<&str>) -> SharedHttpClient {
        let is_clear = url.is_some_and(|url| url.starts_with("http://"));
        (if is_clear { &self.in_clear } else { &self.encrypted }).clone()
    }
}

/// Resolves names for the SDK, which connects to what this answers. It is not asked about a host that is an address: that
/// is checked with the configuration.
#[derive(Clone, Debug)]
struct GuardedDns(EgressGuard);

impl ResolveDns for GuardedDns {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move { self.0.resolve(name).await.map_err(ResolveDnsError::new) })
    }
}

/// Makes an HTTP client for the SDK: the one place where its connections come from.
fn http_client(trust: TrustStore, guard: Option<GuardedDns>) -> SharedHttpClient {
    // It can be refused for certificates of our own only, of which there are none.
    let context = TlsContext::builder().with_trust_store(trust).build();
    let builder = aws_smithy_http_client::Builder::new()
        .pool_idle_timeout(IDLE_TIMEOUT)
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(context.unwrap_or_default());
    match guard {
        Some(guard) => builder.build_with_resolver(guard),
        None => builder.build_https(),
    }
}
