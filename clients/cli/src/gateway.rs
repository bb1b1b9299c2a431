//! A gateway for browsers: plain HTTP on loopback in, mutual TLS out.
//!
//! Owns who may use it and how a request and its answer are passed on. Promises: a page of another origin, and a name
//! that somebody else's DNS points here, are refused before anything is sent; bodies and event streams pass as they
//! come, both ways. Never looks into a body. Whoever can open a socket on this machine speaks with its certificate.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt as _};
use gorch_client::Client;
use gorch_schema::Problem;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use tokio::sync::mpsc;
use warp::filters::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Reply};

/// Headers that belong to one connection and are not passed on (RFC 9110, 7.6.1), and `host`, which is ours to say.
const OWN: [HeaderName; 8] = [
    header::CONNECTION,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Chunks of an answer that may wait for a slow reader.
const AHEAD: usize = 8;

/// Passes everything on to the orchestrator of `client`, for pages that were opened at `address`.
pub(crate) fn gateway(
    client: Client,
    address: SocketAddr,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let door = Door::at(address);
    warp::method()
        .and(warp::path::full())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method: Method, path: FullPath, query: String, headers: HeaderMap, body| {
            let (client, refusal) = (client.clone(), door.refusal(&headers));
            async move {
                match refusal {
                    Some(refusal) => problem(&refusal),
                    None => pass(&client, method, path.as_str(), &query, headers, body).await,
                }
            }
        })
        .or_else(|_| async { Ok::<_, Infallible>((problem(&Problem::new("bad_request", "unreadable request")),)) })
}

/// The names under which this gateway lets itself be called.
#[derive(Debug, Clone)]
struct Door {
    hosts: BTreeSet<String>,
}

impl Door {
    fn at(address: SocketAddr) -> Self {
        let port = address.port();
        let mut hosts = BTreeSet::from([address.to_string()]);
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            hosts.insert(format!("{host}:{port}"));
            if port == 80 {
                hosts.insert(host.to_owned());
            }
        }
        Door { hosts }
    }

    /// Why this request is refused, if it is. A foreign `Host` is DNS rebinding; a foreign `Origin` or fetch site is
    /// a page of somebody else that uses the browser's way to here.
    fn refusal(&self, headers: &HeaderMap) -> Option<Problem> {
        let refuse = |what: &str, found: &str, expected: &str| {
            let found: String = found.chars().take(100).collect();
            Some(Problem::new("not_allowed", format!("{what} is `{found}` (expected {expected})")))
        };
        let named = self.hosts.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let mut hosts = headers.get_all(header::HOST).iter();
        match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(host)), None) if self.hosts.contains(&host.to_ascii_lowercase()) => {}
            (Some(Ok(host)), None) => return refuse("the host of this request", host, &named),
            (Some(_), _) | (None, _) => return refuse("the host of this request", "unreadable", &named),
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or("unreadable");
            let own = origin.strip_prefix("http://").is_some_and(|host| self.hosts.contains(host));
            if !own {
                return refuse("the origin of this request", origin, "a page of this gateway");
            }
        }
        for site in headers.get_all("sec-fetch-site") {
            let site = site.to_str().unwrap_or("unreadable");
            if !matches!(site, "same-origin" | "none") {
                return refuse("the site that sent this request", site, "a page of this gateway, or a typed address");
            }
        }
        None
    }
}

async fn pass(
    client: &Client,
    method: Method,
    path: &str,
    query: &str,
    mut headers: HeaderMap,
    body: impl Stream<Item = Result<impl Buf + Send, warp::Error>> + Send + 'static,
) -> Response {
    let mut url = client.base().clone();
    url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), path));
    url.set_query(Some(query).filter(|query| !query.is_empty()));
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    strip(&mut headers);
    let mut request = client.http().request(method, url).headers(headers);
    if has_body {
        let chunks = body.map(|chunk| chunk.map(|mut buf| buf.copy_to_bytes(buf.remaining())));
        request = request.body(reqwest::Body::wrap_stream(chunks));
    }
    match request.send().await {
        Ok(response) => answer(response),
        Err(error) => {
            let error = client.unreachable(error);
            let hint = error.hint().unwrap_or_default();
            problem(&Problem::new("unavailable", format!("{error}: {hint}")))
        }
    }
}

fn answer(response: reqwest::Response) -> Response {
    let (status, mut headers) = (response.status(), response.headers().clone());
    strip(&mut headers);
    let (chunks, mut inbox) = mpsc::channel::<Result<Bytes, reqwest::Error>>(AHEAD);
    tokio::spawn(async move {
        let mut body = response.bytes_stream();
        loop {
            tokio::select! {
                chunk = body.next() => match chunk {
                    Some(chunk) => if chunks.send(chunk).await.is_err() { return },
                    None => return,
                },
                // The browser left, perhaps in the middle of a silent event stream.
                () = chunks.closed() => return,
            }
        }
    });
    let mut reply = warp::reply::stream(futures::stream::poll_fn(move |cx| inbox.poll_recv(cx))).into_response();
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply
}

fn strip(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in OWN.iter().chain(&listed) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}

fn problem(problem: &Problem) -> Response {
    let mut reply = warp::reply::json(problem).into_response();
    *reply.status_mut() = StatusCode::from_u16(problem.status).expect("the codes' table holds HTTP statuses");
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(headers: &[(&'static str, &str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let door = Door::at("127.0.0.1:8080".parse().unwrap());
        door.refusal(&headers.collect()).map(|problem| problem.detail)
    }

    #[test]
    fn the_own_page_and_a_plain_client_come_in() {
        assert_eq!(refused(&[("host", "127.0.0.1:8080")]), None);
        assert_eq!(refused(&[("host", "LOCALHOST:8080"), ("sec-fetch-site", "none")]), None);
        let page = [("host", "[::1]:8080"), ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")];
        assert_eq!(refused(&page), None);
    }

    #[test]
    fn foreign_hosts_origins_and_sites_stay_out() {
        for host in ["evil.example:8080", "127.0.0.1", "127.0.0.1:8081", "localhost:8080.evil.example", ""] {
            assert!(refused(&[("host", host)]).unwrap().contains("host"), "{host}");
        }
        assert!(refused(&[]).is_some(), "a request without a host");
        assert!(refused(&[("host", "localhost:8080"), ("host", "localhost:8080")]).is_some(), "two hosts");
        for origin in ["http://evil.example", "null", "https://localhost:8080", "http://localhost:3000"] {
            assert!(refused(&[("host", "localhost:8080"), ("origin", origin)]).is_some(), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert!(refused(&[("host", "localhost:8080"), ("sec-fetch-site", site)]).is_some(), "{site}");
        }
    }

    #[test]
    fn headers_of_one_connection_are_not_passed_on() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", HeaderValue::from_static("close, X-Mine"));
        headers.insert("x-mine", HeaderValue::from_static("1"));
        headers.insert("host", HeaderValue::from_static("a"));
        headers.insert("last-event-id", HeaderValue::from_static("7"));
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["last-event-id"]);
    }
}
