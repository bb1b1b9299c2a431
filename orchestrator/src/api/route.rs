//! Routes: from a row of the table to a warp filter.
//!
//! Owns what every request goes through: path, identity, method, role, query, the way to where the run lives, and one
//! log line. Promises: a row without
//! a role does not compile; the path is matched first and the method after it, so that a wrong method is told what the
//! path has; every refusal is a problem+json. Never answers a request itself.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use gorch_certs::{Peer, Role};
use gorch_schema::RunId;
use http::{HeaderMap, Method};
use slog::{Logger, debug};
use tokio::sync::Semaphore;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::Settings;
use super::body::Body;
use super::elsewhere::{self, Asked, Repeat};
use super::homes::Homes;
use super::problem::{Answer, Trouble};
use super::query::Query;
use super::rate::Rates;
use super::text::{Plus, decode};
use crate::artifacts::Artifacts;
use crate::conductor::Handle;

/// What everybody in the house shares.
pub(super) struct House {
    pub(super) handle: Handle,
    pub(super) artifacts: Artifacts,
    pub(super) settings: Settings,
    pub(super) submits: Arc<Semaphore>,
    pub(super) rates: Rates,
    pub(super) homes: Homes,
    pub(super) log: Logger,
}

impl House {
    pub(super) fn new(handle: Handle, artifacts: Artifacts, settings: Settings, log: Logger) -> Self {
        let submits = Arc::new(Semaphore::new(settings.max_submits));
        let rates = Rates::new(settings.max_rate);
        let homes = Homes::of(Arc::clone(handle.journal()));
        House { handle, artifacts, settings, submits, rates, homes, log }
    }
}

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// A certificate of ours, whatever its roles.
    Identity,
    /// This role.
    Role(Role),
    /// One of these roles.
    OneOf(&'static [Role]),
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Needs::Identity => f.write_str("any"),
            Needs::Role(role) => role.fmt(f),
            Needs::OneOf(roles) => {
                for (index, role) in roles.iter().enumerate() {
                    write!(f, "{}{role}", if index == 0 { "" } else { " or " })?;
                }
                Ok(())
            }
        }
    }
}

/// A request that got as far as its handler.
pub(super) struct Call {
    pub(super) house: Arc<House>,
    pub(super) peer: Peer,
    /// The path as it was asked for.
    pub(super) path: String,
    /// What stands in the path for the names in braces, in their order.
    pub(super) places: Vec<String>,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

impl Call {
    /// The run that the path names.
    pub(super) fn run(&self) -> Result<RunId, Trouble> {
        let text = self.places.first().map_or("", String::as_str);
        text.parse().map_err(|error: gorch_schema::id::NotAnId| Trouble::new("not_found", error.to_string()))
    }

    /// The second name in the path.
    pub(super) fn second(&self) -> &str {
        self.places.get(1).map_or("", String::as_str)
    }
}

type Handler = Box<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A row of the table.
pub(super) struct Route {
    pub(super) method: Method,
    /// With names in braces: `/v1/tasks/{id}`.
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    /// The parameters that it knows.
    pub(super) query: &'static [&'static str],
    answered: Answered,
    handler: Handler,
}

/// Where a request can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// By any orchestrator.
    Anywhere,
    /// Where the run lives that the path names.
    AtTheRun(Repeat),
}

impl Route {
    /// A row: there is none without a role.
    pub(super) fn new<F>(
        method: Method,
        path: &'static str,
        needs: Needs,
        query: &'static [&'static str],
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let handler: Handler = Box::new(move |call| handler(call).boxed());
        Route { method, path, needs, query, answered: Answered::Anywhere, handler }
    }

    /// Only who goes on with the run can answer it.
    pub(super) fn at_the_run(self) -> Self {
        Route { answered: Answered::AtTheRun(Repeat::Harmless), ..self }
    }

    /// The same, and it is said to one only, once.
    pub(super) fn at_the_run_once(self) -> Self {
        Route { answered: Answered::AtTheRun(Repeat::Never), ..self }
    }
}

/// All rows that share a path.
struct Place {
    path: &'static str,
    routes: Vec<Route>,
}

impl Place {
    /// What stands for the names in braces, if this is the place of the path. A slash at the end makes no difference.
    fn find(&self, path: &str) -> Option<Vec<String>> {
        let mut places = Vec::new();
        let path = path.strip_suffix('/').filter(|shorter| !shorter.is_empty()).unwrap_or(path);
        let mut found = path.split('/');
        for expected in self.path.split('/') {
            let found = found.next()?;
            if expected.starts_with('{') {
                if found.is_empty() {
                    return None;
                }
                places.push(decode(found, Plus::Plus));
            } else if found != expected {
                return None;
            }
        }
        found.next().is_none().then_some(places)
    }

    /// The row of a method. Whoever may GET may HEAD.
    fn of(&self, method: &Method) -> Result<&Route, Trouble> {
        let asked = if *method == Method::HEAD { &Method::GET } else { method };
        let found = self.routes.iter().find(|route| route.method == *asked);
        found.ok_or_else(|| {
            Trouble::method(method, self.path, self.routes.iter().map(|route| route.method.clone()).collect())
        })
    }

    async fn take(&self, method: &Method, raw: Raw) -> Answer {
        let Raw { house, peer, path, places, query: raw_query, headers, mut body } = raw;
        let asked = Asked::of(peer, &headers);
        let passed_on = matches!(asked, Ok(Asked::For(_)));
        match asked.and_then(|asked| self.admit(method, asked, &raw_query)) {
            Ok((route, peer, query)) => {
                let mut call = Call { house, peer, path, places, query, headers, body };
                if let Answered::AtTheRun(repeat) = route.answered
                    && !passed_on
                    && let Some(response) = elsewhere::ask(method, &mut call, &raw_query, repeat).await?
                {
                    return Ok(response);
                }
                (route.handler)(call).await
            }
            Err(trouble) => {
                // Refused before its body was read: a caller who is still writing would see a broken pipe.
                body.drain().await;
                Err(trouble)
            }
        }
    }

    /// Who may call what, with which parameters.
    fn admit(&self, method: &Method, asked: Asked, query: &str) -> Result<(&Route, Peer, Query), Trouble> {
        let route = self.of(method)?;
        let (peer, may) = match (asked, route.needs) {
            // The orchestrator that passes it on has looked; and there is nothing else that one passes on.
            (Asked::For(peer), _) => (peer, matches!(route.answered, Answered::AtTheRun(_))),
            (Asked::By(peer), Needs::Identity) => (peer, true),
            (Asked::By(peer), Needs::Role(role)) => {
                let may = peer.may(role);
                (peer, may)
            }
            (Asked::By(peer), Needs::OneOf(roles)) => {
                let may = roles.iter().any(|role| peer.may(*role));
                (peer, may)
            }
        };
        if !may {
            let role = route.needs;
            let has = if peer.roles.is_empty() { "no role".to_owned() } else { format!("`{}`", peer.roles) };
            let who = &peer.identity;
            let detail = format!("{method} {} needs the role `{role}`; `{who}` has {has}", self.path);
            return Err(Trouble::new("not_allowed", detail));
        }
        let query = Query::read(query, route.query)?;
        Ok((route, peer, query))
    }
}

/// A request as warp has it.
struct Raw {
    house: Arc<House>,
    peer: Option<Peer>,
    path: String,
    places: Vec<String>,
    query: String,
    headers: HeaderMap,
    body: Body,
}

/// The whole table as one filter.
pub(super) fn filter(
    routes: Vec<Route>,
    house: &Arc<House>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + use<> + 'static {
    let mut places: Vec<Place> = Vec::new();
    for route in routes {
        match places.iter_mut().find(|place| place.path == route.path) {
            Some(place) => place.routes.push(route),
            None => places.push(Place { path: route.path, routes: vec![route] }),
        }
    }
    let known: Vec<&str> = places.iter().map(|place| place.path).collect();
    let known: Arc<str> = format!("there is no such path (there are {})", known.join(", ")).into();
    let nothing: BoxedFilter<(Response,)> =
        warp::any().and_then(|| async { Err::<Response, Rejection>(warp::reject::not_found()) }).boxed();
    let all = places.into_iter().rev().fold(nothing, |rest, place| at(Arc::new(place), house).or(rest).unify().boxed());
    let log = house.log.clone();
    all.recover(move |_rejection: Rejection| {
        let trouble = Trouble::new("not_found", known.to_string());
        let response = trouble.into_response(&log, &Method::GET, "", "");
        async move { Ok::<_, Infallible>(response) }
    })
    .unify()
}

/// One path with all its methods.
fn at(place: Arc<Place>, house: &Arc<House>) -> BoxedFilter<(Response,)> {
    let (here, house) = (place.clone(), house.clone());
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path::full()
        .and_then(move |full: FullPath| {
            let found = here.find(full.as_str()).map(|places| (full.as_str().to_owned(), places));
            async move { found.ok_or_else(warp::reject::not_found) }
        })
        .untuple_one()
        .and(warp::method())
        .and(warp::ext::optional::<Peer>())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::stream().map(Body::new))
        .then(move |path, places, method, peer, query, headers, body| {
            let raw = Raw { house: house.clone(), peer, path, places, query, headers, body };
            answer(place.clone(), method, raw)
        })
        .boxed()
}

async fn answer(place: Arc<Place>, method: Method, raw: Raw) -> Response {
    let (began, house) = (Instant::now(), raw.house.clone());
    let identity = raw.peer.as_ref().map(|peer| peer.identity.clone());
    let identity = identity.map_or_else(|| "nobody".to_owned(), |identity| identity.to_string());
    let mut response = match place.take(&method, raw).await {
        Ok(response) => response,
        Err(trouble) => trouble.into_response(&house.log, &method, place.path, &identity),
    };
    if method == Method::HEAD {
        // HTTP/2 would send the body.
        *response.body_mut() = Response::default().into_body();
    }
    debug!(house.log, "request"; "method" => %method, "path" => place.path, "status" => response.status().as_u16(),
        "ms" => began.elapsed().as_millis() as u64, "identity" => identity);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &'static str) -> Place {
        Place { path, routes: Vec::new() }
    }

    #[test]
    fn a_path_is_found_with_what_stands_in_its_braces() {
        let logs = place("/v1/tasks/{id}/nodes/{node}/logs");
        let found = logs.find("/v1/tasks/0f/nodes/a%2Fb%20c/logs");
        assert_eq!(found, Some(vec!["0f".to_owned(), "a/b c".to_owned()]));
        assert_eq!(logs.find("/v1/tasks/0f/nodes//logs"), None);
        assert_eq!(logs.find("/v1/tasks/0f/nodes/a/logs/x"), None);
        assert_eq!(place("/").find("/"), Some(vec![]));
        assert_eq!(place("/v1/tasks").find("/v1/tasks/"), Some(vec![]));
        assert_eq!(place("/v1/tasks").find("/v1/tasks//"), None);
        assert_eq!(place("/v1/tasks/{id}").find("/v1/tasks/"), None);
    }
}
