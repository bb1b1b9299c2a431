//! A request passed on to the orchestrator, and its answer passed back.
//!
//! Owns which headers go through. Promises: bodies and event streams pass as they come; who leaves in the middle of a
//! stream ends it behind the gateway, too; an orchestrator that does not answer is told as such. Never passes a cookie,
//! neither way: those are between the browser and whoever serves it pages.

use bytes::Bytes;
use futures::StreamExt as _;
use gorch_client::Client;
use gorch_schema::Problem;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;
use warp::Reply as _;
use warp::reply::Response;

use super::Asked;

/// Headers that belong to one connection and are not passed on (RFC 9110, 7.6.1), `host`, which is ours to say, `origin`,
/// which was judged here, and cookies.
const OWN: [HeaderName; 11] = [
    header::CONNECTION,
    header::COOKIE,
    header::HOST,
    header::ORIGIN,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Chunks of an answer that may wait for a slow reader.
const AHEAD: usize = 8;

/// Passes a request on to the orchestrator of `client`, and its answer back.
pub(crate) async fn pass(client: &Client, asked: Asked) -> Response {
    let Asked { method, path, query, mut headers, body } = asked;
    if is_roundabout(&path) {
        return problem(&Problem::new("bad_request", format!("`{path}` leads elsewhere by its dots")));
    }
    let mut url = client.base().clone();
    url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    strip(&mut headers);
    let mut request = client.http().request(method, url).headers(headers);
    if has_body {
        request = request.body(reqwest::Body::wrap_stream(body));
    }
    match request.send().await {
        Ok(response) => answer(response),
        Err(error) => {
            let error = client.unreachable(error);
            let hint = error.hint().unwrap_or_default();
            problem(&Problem::new("orchestrator_away", format!("{error}: {hint}")))
        }
    }
}

/// Would a URL of this path lead to another one? Who was let through by the path that he named gets that path.
fn is_roundabout(path: &str) -> bool {
    let plain = |part: &str| part.to_ascii_lowercase().replace("%2e", ".");
    path.split(['/', '\\']).any(|part| matches!(plain(part).as_str(), "." | ".."))
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

/// A refusal of the gateway itself.
pub(crate) fn problem(problem: &Problem) -> Response {
    let mut reply = warp::reply::json(problem).into_response();
    *reply.status_mut() = StatusCode::from_u16(problem.status).expect("the codes' table holds HTTP statuses");
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_connection_are_not_passed_on() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", HeaderValue::from_static("close, X-Mine"));
        headers.insert("x-mine", HeaderValue::from_static("1"));
        headers.insert("host", HeaderValue::from_static("a"));
        headers.insert("cookie", HeaderValue::from_static("gorch-ui-8080=secret"));
        headers.insert("origin", HeaderValue::from_static("http://127.0.0.1:8080"));
        headers.insert("set-cookie", HeaderValue::from_static("a=b"));
        headers.insert("last-event-id", HeaderValue::from_static("7"));
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["last-event-id"]);
    }

    #[test]
    fn a_path_that_its_dots_lead_elsewhere_is_found() {
        for path in ["/v1/../apidocs/", "/v1/%2e%2E/x", "/v1/.%2e", "/v1/..\\x", "/v1/./tasks"] {
            assert!(is_roundabout(path), "{path}");
        }
        for path in ["/v1/tasks/a..b/", "/v1/tasks/x/nodes/...", "/openapi.json", "/"] {
            assert!(!is_roundabout(path), "{path}");
        }
    }
}
