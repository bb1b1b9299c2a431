//! What every answer of the door says to the browser, and the plain pages of the door itself.
//!
//! Owns the policies. Promises: no answer goes out without them. Never runs a script that the build did not make.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use warp::Reply as _;
use warp::reply::Response;

/// For pages: everything of this origin, nothing inline, nothing from elsewhere, in nobody's frame.
const PAGES: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For what the orchestrator says: data, also where a browser shows it. A file that a job left may be a page, and
/// that page is not to speak with the session of whoever looks at it.
const DATA: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// The same on every answer.
const ALWAYS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Something of the client.
pub(super) fn page(mut reply: Response) -> Response {
    always(reply.headers_mut(), PAGES);
    reply
}

/// Something of the orchestrator: it is kept by nobody who does not say so.
pub(super) fn data(mut reply: Response) -> Response {
    always(reply.headers_mut(), DATA);
    reply.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    reply
}

fn always(headers: &mut HeaderMap, policy: &'static str) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A page of the door itself: a heading and paragraphs, without script or style.
pub(super) fn plain(status: StatusCode, heading: &'static str, paragraphs: &[&'static str]) -> Response {
    let paragraphs: String = paragraphs.iter().map(|text| format!("<p>{text}</p>\n")).collect();
    let mut reply = warp::reply::html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>gorch: {heading}</title>\n<h1>{heading}</h1>\n{paragraphs}</html>\n"
    ))
    .into_response();
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
