//! What the door answers.
//!
//! Owns which address is what, and what each needs. Promises: the API is reached only from a page of this door in a
//! browser that came in by a link; whatever is refused was not sent on. Never holds back the client's own files: they say
//! nothing that is not in the binary.

use std::sync::Arc;

use gorch_client::Client;
use gorch_schema::Problem;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use warp::reply::Response;

use super::files::{Files, is_asset};
use super::keys::Keys;
use super::seal;
use crate::gateway::{Asked, Guard, Way, is_visit, pass, problem};

/// What the client's pages say with each request of theirs. A page of another origin can only send it after asking
/// (CORS), and nobody here says yes.
const OURS: &str = "x-gorch-ui";

/// Everything that an answer needs.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) guard: Guard,
    pub(super) keys: Arc<Keys>,
    pub(super) files: Files,
}

/// What an address is.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// The orchestrator's.
    Api,
    /// A link, with its secret.
    Link(&'a str),
    /// Something that the page is made of.
    Asset,
    /// The page, or a file beside it.
    Page,
}

impl Place<'_> {
    fn of(path: &str) -> Place<'_> {
        if let Some(secret) = path.strip_prefix("/door/") {
            return Place::Link(secret);
        }
        match path {
            "/v1" | "/openapi.json" => Place::Api,
            _ if path.starts_with("/v1/") => Place::Api,
            _ if is_asset(path) => Place::Asset,
            _ => Place::Page,
        }
    }
}

impl Desk {
    pub(super) async fn answer(self, asked: Asked) -> Response {
        match Place::of(&asked.path) {
            Place::Api => seal::data(match self.refusal(&asked) {
                Some(refusal) => problem(&refusal),
                None => pass(&self.client, asked).await,
            }),
            Place::Link(secret) => self.page(&asked, || self.enter(&asked.method, secret)),
            Place::Asset => self.page(&asked, || self.asset(&asked.path)),
            Place::Page => {
                self.page(&asked, || self.files.beside_index(&asked.path).unwrap_or_else(|| self.index(&asked.headers)))
            }
        }
    }

    /// Why this is not sent to the orchestrator, if it is not.
    fn refusal(&self, asked: &Asked) -> Option<Problem> {
        let Asked { method, headers, .. } = asked;
        if let Some(refusal) = self.guard.refusal(headers, Way::OwnPage) {
            return Some(refusal);
        }
        if !self.keys.know(headers) {
            let detail = "this browser has no session here: open the link that `gorch ui` printed last in its terminal";
            return Some(Problem::new("no_session", detail));
        }
        // A form of another page can send no such header, whatever the browser knows of sites and origins.
        let is_ours = headers.get(OURS).is_some_and(|said| said == "1");
        if !is_read(method) && !is_ours {
            let detail =
                format!("{method} without the header `X-Gorch-UI: 1` (expected on all that is not GET or HEAD)");
            return Some(Problem::new("foreign_page", detail));
        }
        None
    }

    /// What a person sees, if this one may.
    fn page(&self, asked: &Asked, shown: impl FnOnce() -> Response) -> Response {
        let Asked { method, headers, .. } = asked;
        // A link is clicked where it was shown, and that may be a page: a terminal in a browser, a chat. The secret
        // lets in, not the place that it is clicked at.
        let foreign = self.guard.refusal(headers, Way::AnyLink);
        let written = || Problem::new("method_not_allowed", format!("{method} of a page (expected GET or HEAD)"));
        let refusal = foreign.or_else(|| (!is_read(method)).then(written));
        seal::page(refusal.map_or_else(shown, |refusal| problem(&refusal)))
    }

    fn asset(&self, path: &str) -> Response {
        self.files.beside_index(path).unwrap_or_else(|| {
            let detail = format!("this build of the client has no `{path}`: load the page again");
            problem(&Problem::new("not_found", detail))
        })
    }

    fn enter(&self, method: &Method, secret: &str) -> Response {
        // Who only asks for the head does not come in, and uses no link up.
        let cookie = if method == Method::GET { self.keys.enter(secret) } else { None };
        let Some(cookie) = cookie else {
            return seal::plain(
                StatusCode::FORBIDDEN,
                "This link does not open",
                &[
                    "A link opens once, as long as the <code>gorch ui</code> (or <code>gorch dev</code>) that printed it runs.",
                    "Take the last one from its terminal. If it was this browser that came in by this link, <a href=\"/\">go on</a>.",
                ],
            );
        };
        let mut reply = seal::plain(StatusCode::SEE_OTHER, "Come in", &["<a href=\"/\">Go on</a>."]);
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
        reply.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
        reply
    }

    fn index(&self, headers: &HeaderMap) -> Response {
        // Who follows a link of another page brings no strict cookie, inside or not. The page is shown, and its own
        // requests tell.
        if !self.keys.know(headers) && !is_visit(headers) {
            return seal::plain(
                StatusCode::UNAUTHORIZED,
                "This browser has not come in yet",
                &[
                    "Open the link that <code>gorch ui</code> (or <code>gorch dev</code>) printed last in its terminal. \
                   It opens once; the next one is printed then.",
                ],
            );
        }
        self.files.index().unwrap_or_else(|| {
            seal::plain(
                StatusCode::OK,
                "This gorch was built without its web client",
                &[
                    "In the folder of its sources: <code>cd clients/web &amp;&amp; npm ci &amp;&amp; npm run build</code> \
                     (Node 20.19 or later), then build gorch again and start this command again.",
                    "Without it: <code>gorch get</code>, <code>gorch watch</code>, and <code>gorch proxy</code> for the API.",
                ],
            )
        })
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

#[cfg(test)]
mod tests;
