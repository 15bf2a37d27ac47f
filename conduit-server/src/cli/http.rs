//! HTTP requests to a server, with or without TLS.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;
use url::Url;

use super::error::CliError;

/// How long a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Sends requests. Follows no redirect and uses no proxy; trusts the machine's certificate authorities.
#[derive(Clone, Debug)]
pub(crate) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    /// # Errors
    /// If TLS cannot be set up, for an https URL.
    pub(crate) fn new(base: &Url) -> Result<Self, CliError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_PATIENCE));
        connector.set_nodelay(true);
        let provider = || rustls::crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let no_tls =
            |error: &dyn std::fmt::Display| CliError::failed(format!("TLS cannot be set up: {error}"));
        // Looking for the machine's certificates takes time, which plain HTTP does not need.
        let builder = if base.scheme() == "https" {
            builder
                .with_provider_and_native_roots(provider())
                .map_err(|error| no_tls(&error))?
        } else {
            builder
                .with_provider_and_webpki_roots(provider())
                .map_err(|error| no_tls(&error))?
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends a request and waits for the head of the answer, for so long at most.
    ///
    /// # Errors
    /// If nobody is there, or nobody answers in time.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, CliError> {
        let is_read = request.method() == hyper::Method::GET;
        match timeout(patience, self.0.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let cause = root_cause(&error);
                if error.is_connect() {
                    let advice =
                        "is the server running (`conduit-server dev`), and is --url or CONDUIT_URL right?";
                    Err(CliError::failed(format!("the server cannot be reached: {cause}"))
                        .with_advice(advice))
                } else {
                    Err(unfinished(
                        &format!("the server gave no answer: {cause}"),
                        is_read,
                    ))
                }
            }
            Err(_elapsed) => {
                let message = format!("the server did not answer within {} s", patience.as_secs());
                Err(unfinished(&message, is_read))
            }
        }
    }
}

/// A change that got no answer may have been made all the same.
fn unfinished(message: &str, is_read: bool) -> CliError {
    let error = CliError::failed(message);
    match is_read {
        true => error,
        false => error.with_advice("it may have been done all the same: look before repeating it"),
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
