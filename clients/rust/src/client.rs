//! One orchestrator, spoken to.
//!
//! Owns the base URL, the HTTP client with the caller's certificate, and how an answer becomes a value or an
//! [`Error`]. Promises: one connection pool per client (clones share it); every path segment is encoded, so that a
//! node may be called anything. Never retries by itself: whoever may try again says so ([`crate::runs`],
//! [`crate::events`]).

use gorch_certs::{Connector, Credentials, Expect, Kind};
use gorch_schema::Problem;
use http::Method;
use reqwest::{RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;

use crate::error::Error;

/// A client of one orchestrator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    http: reqwest::Client,
    credentials: Option<Credentials>,
}

impl Client {
    /// Speaks to the orchestrator at `base` (`https://HOST:PORT`) over mutual TLS with these credentials. Whoever
    /// answers must be an orchestrator of the same trust domain.
    pub fn connect(base: &str, credentials: &Credentials) -> Result<Self, Error> {
        let http = Connector::new(Expect::Kind(Kind::Orchestrator)).client(credentials);
        let http = http.map_err(|source| Error::Certificates(Box::new(source)))?;
        Ok(Client { credentials: Some(credentials.clone()), ..Client::new(base, http)? })
    }

    /// Speaks to the orchestrator at `base` (`https://HOST:PORT`) through `http`, which holds the certificates (or
    /// through a loopback gateway that holds them).
    pub fn new(base: &str, http: reqwest::Client) -> Result<Self, Error> {
        let wrong = || Error::BadUrl { found: base.to_owned() };
        let mut url: Url = base.parse().map_err(|_| wrong())?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() || url.query().is_some() {
            return Err(wrong());
        }
        let path = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Client { base: url, http, credentials: None })
    }

    /// The base URL, with a slash at its end.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The HTTP client, for what has no method here.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The error of a request that was sent through [`Client::http`] and got no answer, with its hint.
    pub fn unreachable(&self, source: reqwest::Error) -> Error {
        Error::of_send(&self.base, self.credentials.as_ref(), source)
    }

    /// The URL of these path segments, each encoded.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("checked: the base has a host").pop_if_empty().extend(segments);
        url
    }

    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> Request {
        let url = self.url(segments);
        Request { builder: self.http.request(method, url.clone()), url, credentials: self.credentials.clone() }
    }

    pub(crate) fn get(&self, segments: &[&str]) -> Request {
        self.request(Method::GET, segments)
    }
}

/// A request on its way.
pub(crate) struct Request {
    pub(crate) builder: RequestBuilder,
    pub(crate) url: Url,
    credentials: Option<Credentials>,
}

impl Request {
    pub(crate) fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.builder = self.builder.query(&[(name, value.to_string())]);
        self
    }

    pub(crate) fn query_if(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.builder = self.builder.header(name, value.as_ref());
        self
    }

    pub(crate) fn json_body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.builder = self.builder.header("content-type", "application/json").body(body);
        self
    }

    /// Sends; an answer that is no success becomes an error.
    pub(crate) async fn send(self) -> Result<Answer, Error> {
        let Request { builder, url, credentials } = self;
        let of_send = |source| Error::of_send(&url, credentials.as_ref(), source);
        let response = builder.send().await.map_err(of_send)?;
        if response.status().is_success() {
            return Ok(Answer { url, response });
        }
        Err(refusal(&url, response).await)
    }

    /// Sends and reads the answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(self, expected: &'static str) -> Result<T, Error> {
        self.send().await?.json(expected).await
    }
}

/// A success.
pub(crate) struct Answer {
    pub(crate) url: Url,
    pub(crate) response: Response,
}

impl Answer {
    pub(crate) async fn json<T: DeserializeOwned>(self, expected: &'static str) -> Result<T, Error> {
        let Answer { url, response } = self;
        let body = response.bytes().await.map_err(|source| Error::of_body(&url, source))?;
        serde_json::from_slice(&body).map_err(|source| Error::Unexpected { url: url.to_string(), expected, source })
    }

    pub(crate) async fn text(self) -> Result<String, Error> {
        let Answer { url, response } = self;
        response.text().await.map_err(|source| Error::of_body(&url, source))
    }
}

async fn refusal(url: &Url, response: Response) -> Error {
    let status = response.status().as_u16();
    let body = match response.bytes().await {
        Ok(body) => body,
        Err(source) => return Error::of_body(url, source),
    };
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Error::Problem(Box::new(problem)),
        Err(_) => Error::Strange {
            url: url.to_string(),
            status,
            body: String::from_utf8_lossy(&body).chars().take(300).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(base: &str) -> Result<Client, Error> {
        gorch_certs::install_provider();
        Client::new(base, reqwest::Client::new())
    }

    #[test]
    fn a_node_may_be_called_anything() {
        let client = client("https://127.0.0.1:8443").unwrap();
        let url = client.url(&["v1", "tasks", "0f", "nodes", "a/b ?#ä%"]);
        assert_eq!(url.as_str(), "https://127.0.0.1:8443/v1/tasks/0f/nodes/a%2Fb%20%3F%23%C3%A4%25");
    }

    #[test]
    fn a_base_may_have_a_path_and_a_slash_or_not() {
        for base in ["http://localhost:1/gorch", "http://localhost:1/gorch/", "http://localhost:1/gorch//"] {
            assert_eq!(client(base).unwrap().url(&["v1", "whoami"]).path(), "/gorch/v1/whoami");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_what_was_expected() {
        for base in ["", "127.0.0.1:8443", "ftp://x", "https://x/?a=b"] {
            assert!(client(base).unwrap_err().to_string().contains("https://HOST:PORT"), "{base}");
        }
    }
}
