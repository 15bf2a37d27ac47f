//! The REST API, as commands use it.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, USER_AGENT};
use hyper::{Method, Request, Response};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::{Host, Url};

use super::console::Console;
use super::error::{CliError, Refusal};
use super::http::Http;
use super::token::Token;

/// How long an answer to a question may take.
const READ_PATIENCE: Duration = Duration::from_secs(30);
/// How long a change may take: redriving many dead letters does.
const WRITE_PATIENCE: Duration = Duration::from_secs(150);
/// The largest answer that is taken: a page of dead letters has at most 1000 records of up to 16 MiB.
const MAX_BYTES: usize = 1024 * 1024 * 1024;

/// One request, made part by part.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<String>,
    if_match: Option<String>,
}

impl Call {
    /// A request to a path, given by its segments, which need not be encoded.
    pub(crate) fn new(method: Method, segments: &[&str]) -> Self {
        Self {
            method,
            segments: segments.iter().map(|&segment| segment.to_owned()).collect(),
            query: Vec::new(),
            body: None,
            if_match: None,
        }
    }

    pub(crate) fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    pub(crate) fn post(segments: &[&str]) -> Self {
        Self::new(Method::POST, segments)
    }

    /// Adds a parameter, if there is a value for it.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        self.query.extend(value.map(|value| (name, value.into())));
        self
    }

    /// Adds a flag, if it is set.
    #[must_use]
    pub(crate) fn with_flag(self, name: &'static str, is_set: bool) -> Self {
        self.with(name, is_set.then_some("true"))
    }

    #[must_use]
    pub(crate) fn with_body(mut self, json: String) -> Self {
        self.body = Some(json);
        self
    }

    /// Has it refused if the configuration is not of this version any more.
    #[must_use]
    pub(crate) fn if_match(mut self, etag: Option<String>) -> Self {
        self.if_match = etag;
        self
    }
}

/// An answer that is no refusal.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    /// The version of the configuration that it shows, if the server says it.
    pub(crate) etag: Option<String>,
    place: String,
}

impl Answer {
    /// Reads it.
    ///
    /// # Errors
    /// If it is not what Conduit answers.
    pub(crate) fn read<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, CliError> {
        serde_json::from_str(&self.text).map_err(|error| self.odd(&error.to_string()))
    }

    fn odd(&self, why: &str) -> CliError {
        CliError::failed(format!("the answer is not what Conduit answers: {why}"))
            .at(self.place.as_str())
            .with_advice("check --url or CONDUIT_URL, and that server and command line are of one version")
    }
}

/// A client of one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    base: Url,
    token: Option<Token>,
    http: Http,
    console: Console,
}

impl Client {
    /// # Errors
    /// `Usage` if the URL is none of a server.
    pub(crate) fn new(url: &str, token: Option<Token>, console: Console) -> Result<Self, CliError> {
        let base = read_base(url)?;
        if token.is_some() && base.scheme() == "http" && !is_local(&base) {
            console.tell(&format!(
                "conduit: warning: the token goes to {} without encryption: use https",
                base.host_str().unwrap_or_default()
            ));
        }
        let http = Http::new(&base)?;
        Ok(Self {
            base,
            token,
            http,
            console,
        })
    }

    /// Sends a request and reads the answer whole.
    ///
    /// # Errors
    /// If the server cannot be reached, or refuses.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, CliError> {
        let place = self.place(&call);
        let patience = match call.method {
            Method::GET => READ_PATIENCE,
            _ => WRITE_PATIENCE,
        };
        let answered = async {
            let response = self.http.send(self.request(&call)?, patience).await?;
            self.read(response, &place, patience).await
        };
        let what = format!("waiting for {place}");
        let answer = self.console.wait(&what, answered).await;
        answer.map_err(|error| error.at(place))
    }

    /// Sends a request and reads the answer as JSON.
    ///
    /// # Errors
    /// As [`send`](Self::send), and if it is not what Conduit answers.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, CliError> {
        self.send(call).await?.read()
    }

    /// Sends a request whose answer comes bit by bit.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) async fn open(&self, call: &Call) -> Result<Incoming, CliError> {
        let place = self.place(call);
        let opened = async {
            let response = self.http.send(self.request(call)?, READ_PATIENCE).await?;
            if response.status().is_success() {
                return Ok(response.into_body());
            }
            match self.read(response, &place, READ_PATIENCE).await {
                Ok(answer) => Err(answer.odd("it ended at once")),
                Err(error) => Err(error),
            }
        };
        opened.await.map_err(|error: CliError| error.at(place))
    }

    fn place(&self, call: &Call) -> String {
        format!("{} {}", call.method, self.url(call))
    }

    fn url(&self, call: &Call) -> Url {
        let mut url = self.base.clone();
        // A base that was read has a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&call.segments);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, CliError> {
        let agent = concat!("conduit-cli/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(self.url(call).as_str())
            .header(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.header());
        }
        if let Some(etag) = &call.if_match {
            request = request.header(IF_MATCH, etag);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = Full::new(Bytes::from(call.body.clone().unwrap_or_default()));
        request
            .body(body)
            .map_err(|error| CliError::usage(format!("this is no request: {error}")))
    }

    async fn read(
        &self,
        response: Response<Incoming>,
        place: &str,
        patience: Duration,
    ) -> Result<Answer, CliError> {
        let status = response.status();
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.map(str::to_owned);
        let body = Limited::new(response.into_body(), MAX_BYTES);
        let bytes = match timeout(patience, body.collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) => return Err(CliError::failed(format!("the answer broke off: {error}"))),
            Err(_elapsed) => return Err(CliError::failed("the answer did not come to its end in time")),
        };
        let answer = Answer {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            etag,
            place: place.to_owned(),
        };
        if status.is_success() {
            return Ok(answer);
        }
        match serde_json::from_str::<Refusal>(&answer.text) {
            Ok(refusal) => {
                let place = format!("{place} ({} {})", status.as_u16(), refusal.code);
                Err(CliError::refused(refusal).at(place))
            }
            Err(_) => Err(answer.odd(&format!("{status} without a reason"))),
        }
    }
}

fn read_base(text: &str) -> Result<Url, CliError> {
    let wrong = |why: &str| {
        let advice = "--url or CONDUIT_URL is where the server listens, such as http://127.0.0.1:8080";
        CliError::usage(format!("the server's URL {why}")).with_advice(advice)
    };
    let url = Url::parse(text).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "cannot hold user info: the token goes into CONDUIT_API_TOKEN",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("cannot hold a query or a fragment"));
    }
    Ok(url)
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Form;

    fn url(base: &str, call: &Call) -> String {
        let client = Client::new(base, None, Console::new(Form::Json)).unwrap();
        client.url(call).into()
    }

    #[test]
    fn names_are_encoded_and_a_base_may_have_a_path() {
        let call = Call::get(&["api", "collections", "a/b ü"]).with("destination", Some("x&y"));
        assert_eq!(
            url("http://h:1", &call),
            "http://h:1/api/collections/a%2Fb%20%C3%BC?destination=x%26y"
        );
        let plain = Call::get(&["health"]).with_flag("dry_run", false);
        assert_eq!(url("https://h/cdc/", &plain), "https://h/cdc/health");
    }

    #[test]
    fn a_url_with_a_password_is_refused_and_not_repeated() {
        for wrong in ["h:8080", "ftp://h/", "http://u:s3cret@h/", "http://h/?t=s3cret"] {
            let error = read_base(wrong).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
