//! The built web client, as it is in this binary.
//!
//! Owns its files, their types and how long a browser may keep them. Promises: what is shipped is what was in `dist` when
//! this was built, in a debug build too. Never reads a file while it runs.

use http::header::{self, HeaderValue};
use warp::Reply as _;
use warp::reply::Response;

/// What the build found; empty where the client was not built.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/dist.rs"));

/// The types of files by the ends of their names. Nothing else is guessed, here or in the browser.
const KINDS: &[(&str, &str)] = &[
    (".css", "text/css; charset=utf-8"),
    (".html", "text/html; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".json", "application/json"),
    (".png", "image/png"),
    (".svg", "image/svg+xml"),
    (".txt", "text/plain; charset=utf-8"),
    (".webmanifest", "application/manifest+json"),
    (".woff2", "font/woff2"),
];

/// The page that all addresses of the client share.
const INDEX: &str = "index.html";

/// The files of a web client. No compression: nothing goes farther than this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files(&'static [(&'static str, &'static [u8])]);

impl Files {
    /// Those of this binary.
    pub(crate) fn embedded() -> Self {
        Files(EMBEDDED)
    }

    /// Some of a test's own.
    #[cfg(test)]
    pub(crate) const fn of(files: &'static [(&'static str, &'static [u8])]) -> Self {
        Files(files)
    }

    /// Was the client built before this binary was?
    pub(crate) fn are_there(self) -> bool {
        self.content(INDEX).is_some()
    }

    /// The page, made anew for each visit: it names the assets of this build.
    pub(super) fn index(self) -> Option<Response> {
        self.content(INDEX).map(|content| reply(INDEX, content, "no-store"))
    }

    /// The file at this path, beside the page. Assets are named by their content, so they never change.
    pub(super) fn beside_index(self, path: &str) -> Option<Response> {
        let name = path.strip_prefix('/').filter(|name| *name != INDEX)?;
        let keep = if is_asset(path) { "public, max-age=31536000, immutable" } else { "no-store" };
        self.content(name).map(|content| reply(name, content, keep))
    }

    fn content(self, name: &str) -> Option<&'static [u8]> {
        self.0.iter().find(|(its, _)| *its == name).map(|(_, content)| *content)
    }
}

/// Is this the path of something that a page is made of, and so never a page?
pub(super) fn is_asset(path: &str) -> bool {
    path.starts_with("/assets/")
}

fn kind(name: &str) -> Option<&'static str> {
    KINDS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| *kind)
}

fn reply(name: &str, content: &'static [u8], keep: &'static str) -> Response {
    let mut reply = content.into_response();
    let kind = kind(name).unwrap_or("application/octet-stream");
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_shipped_has_its_type() {
        let without: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).filter(|name| kind(name).is_none()).collect();
        assert_eq!(without, [""; 0], "browsers guess no types: give them a row");
    }

    #[test]
    fn a_built_client_is_shipped_with_its_page() {
        assert_eq!(EMBEDDED.is_empty(), !Files::embedded().are_there());
    }
}
