//! The API's description: OpenAPI 3.1 for machines, Swagger UI for people.
//!
//! Owns the document. Promises: it is made from the handlers' own words and from the table (roles, common refusals), so
//! that it cannot say of a role what the table does not; the pages work offline. Never describes the executors' API.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use gorch_schema::definition::RevisionList;
use gorch_schema::view::{Counts, EdgeView, LiveNode};
use gorch_schema::{Failure, Problem};
use http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};
use utoipa_swagger_ui::Config;
use warp::reply::Response;

use super::problem::{Answer, Trouble};
use super::route::{Call, Route};
use super::{reply, table, text as texts};

/// Where the description tells which role a route needs.
pub(super) const ROLE: &str = "x-gorch-role";
/// Everything comes from here; the pages of Swagger UI style themselves inline.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// A gorch document: what is submitted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes: documents are read by the schema's own reader")]
#[schema(example = json!({"name": "demo",
    "digraph": [0, 1, 0, 0],
    "nodes": [{"id": 0, "name": "build", "engine": "shell", "artifact": "make", "args": ["all"]},
              {"id": 1, "name": "deploy", "engine": "shell", "artifact": "./deploy.sh"}]}))]
pub(super) struct Document {
    /// Any text.
    name: Option<String>,
    /// 0 or 1; ignored.
    state: Option<u8>,
    /// Flat, row by row, n x n cells: row = predecessor, column = successor; 0 no edge, 1 on success, 4 on failure.
    digraph: Option<Vec<u8>>,
    /// Instead of `digraph`: `{"from", "to", "when"}`, ids or names.
    #[schema(value_type = Option<Vec<Object>>)]
    edges: Option<Vec<Value>>,
    /// `{"id", "name", "engine", "artifact", "args", "output", "target", ..}` and the options of a node.
    #[schema(value_type = Vec<Object>)]
    nodes: Vec<Value>,
    /// Whose it is.
    namespace: Option<String>,
    /// Free text for filters.
    labels: Option<BTreeMap<String, String>>,
    /// After this long every open step fails with `timeout.run`.
    timeout: Option<String>,
    /// After this long everything is cancelled.
    kill_after: Option<String>,
    /// Most attempts on executors at the same time.
    max_parallel: Option<u32>,
    /// `go_on` or `stop`.
    on_failure: Option<String>,
    /// What `get_input` reads.
    #[schema(value_type = Option<Object>)]
    inputs: Option<BTreeMap<String, Value>>,
    /// What inputs it takes: a JSON Schema (draft 2020-12) of the object of all inputs.
    #[schema(value_type = Option<Object>)]
    inputs_schema: Option<Value>,
}

/// A start: a document that is kept, or one that comes with it, and what is said besides.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes: starts are read by the schema's own reader")]
#[schema(example = json!({"definition": "ship", "inputs": {"version": "1.2.3"}}))]
pub(super) struct Start {
    /// `NAME`, or `NAME@REVISION`.
    definition: Option<String>,
    /// Whose the definition is.
    namespace: Option<String>,
    /// Instead of `definition`: a gorch document.
    #[schema(inline)]
    document: Option<Document>,
    /// Over those of the document.
    #[schema(value_type = Option<Object>)]
    inputs: Option<BTreeMap<String, Value>>,
    /// The run's name instead of the document's.
    name: Option<String>,
    /// Over those of the document.
    labels: Option<BTreeMap<String, String>>,
}

/// What a submit may be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes")]
#[serde(untagged)]
pub(super) enum Asked {
    Document(#[schema(inline)] Document),
    Start(#[schema(inline)] Start),
}

/// What is shown of a definition.
#[derive(ToSchema)]
#[expect(dead_code, clippy::large_enum_variant, reason = "it only describes")]
#[serde(untagged)]
pub(super) enum Shown {
    Document(#[schema(inline)] Document),
    Revisions(#[schema(inline)] RevisionList),
}

/// The live document of a run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes: the document is written page by page")]
pub(super) struct LiveDocument {
    /// The run: 32 hex digits.
    id: String,
    /// The document's name.
    name: String,
    /// The state's number: 0, 1, 2, 3, 4, 5, 10, 11.
    state: u8,
    /// Of an ended run: `succeeded`, `failed`, `cancelled`.
    outcome: Option<String>,
    /// When it was accepted.
    #[schema(format = DateTime)]
    start_date: String,
    /// When it ended.
    #[schema(format = DateTime)]
    stop_date: Option<String>,
    /// Why it failed.
    failure: Option<Failure>,
    /// Whose it is.
    namespace: Option<String>,
    /// Free text for filters.
    labels: Option<BTreeMap<String, String>>,
    /// By id.
    nodes: Vec<LiveNode>,
    /// Row by row; a cell that is not 0 shows the state of its row's node, 1 while it waits.
    digraph: Option<Vec<u8>>,
    /// Above 2,000 nodes.
    edges: Option<Vec<EdgeView>>,
    /// Nodes by state.
    counts: Counts,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "gorch",
        description = "gorch runs graphs: send a graph, get a run. Every request is made over mutual TLS; the role that \
            a route needs stands in `x-gorch-role`. Refusals are `application/problem+json` with a stable `code`.",
        license(name = "MIT OR Apache-2.0"),
    ),
    paths(
        super::submit::submit,
        super::tasks::list,
        super::tasks::show,
        super::tasks::delete,
        super::tasks::cancel,
        super::tasks::pause,
        super::tasks::resume,
        super::again::rerun,
        super::again::undo,
        super::wishes::signal,
        super::tasks::document,
        super::events::of_run,
        super::artifacts::put,
        super::artifacts::get,
        super::definitions::list,
        super::definitions::put,
        super::definitions::show,
        super::definitions::delete,
        super::nodes::show,
        super::wishes::cancel_node,
        super::wishes::approve,
        super::wishes::refuse,
        super::logs::show,
        super::why::show,
        super::events::of_all,
        super::system::whoami,
        super::system::retention,
        super::validate::validate,
        super::executors::list,
        super::executors::register,
        super::executors::drain,
        super::executors::undrain,
        super::system::welcome,
        openapi,
        page,
        file,
    ),
    tags(
        (name = "tasks", description = "Runs as a whole"),
        (name = "definitions", description = "Documents that are kept under a name"),
        (name = "nodes", description = "Nodes of a run"),
        (name = "events", description = "What happens, as it happens"),
        (name = "executors", description = "Who runs things"),
        (name = "system", description = "The orchestrator itself"),
    ),
    components(schemas(Problem))
)]
struct Described;

/// The description, with what the table says of each route.
pub(super) fn description() -> utoipa::openapi::OpenApi {
    let mut described = Described::openapi();
    for route in table::routes() {
        let item = described.paths.paths.get_mut(route.path);
        if let Some(operation) = item.and_then(|item| operation_of(item, &route)) {
            complete(operation, &route);
        }
    }
    described
}

fn operation_of<'a>(item: &'a mut PathItem, route: &Route) -> Option<&'a mut Operation> {
    match route.method.as_str() {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

/// The role, and what every route can answer.
fn complete(operation: &mut Operation, route: &Route) {
    let needs = route.needs.to_string();
    let role = format!("Needs the role `{needs}`.");
    let role = if needs == "any" { "Needs a certificate of ours, and no role.".to_owned() } else { role };
    let description = operation.description.take().map(|text| format!("{text}\n\n")).unwrap_or_default();
    operation.description = Some(description + &role);
    operation.extensions = Some(Extensions::from_iter([(ROLE, Value::String(needs.clone()))]));
    let mut add = |status: &str, description: &str| {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(description).content(reply::PROBLEM, problem).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
    };
    add("401", "`not_authenticated`: the connection carries no identity");
    if needs != "any" {
        add("403", "`not_allowed`: the identity lacks the role");
    }
    add("500", "`internal`, `run_quarantined`: the log has the cause");
    add("503", "`unavailable`, `shutting_down`: nothing was done, try again");
}

/// The description as it is served, and as it stands in the repository.
pub(super) fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = description().to_pretty_json();
        text.expect("the description's types have text keys only, so JSON can say them") + "\n"
    });
    &TEXT
}

/// This description
#[utoipa::path(get, path = "/openapi.json", operation_id = "show_openapi", tag = "system",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn openapi(_call: Call) -> Answer {
    Ok(reply::bytes(StatusCode::OK, reply::JSON, text().as_bytes()))
}

/// This description for people
///
/// Swagger UI. Without the slash at its end the path redirects to the one with it.
#[utoipa::path(get, path = "/apidocs", operation_id = "show_apidocs", tag = "system",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 308, description = "To `/apidocs/`"),
    ))]
pub(super) async fn page(call: Call) -> Answer {
    if call.path.ends_with('/') {
        return serve("index.html");
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/apidocs/"));
    Ok(response)
}

/// A file of Swagger UI
#[utoipa::path(get, path = "/apidocs/{file}", operation_id = "show_apidocs_file", tag = "system",
    params(("file" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn file(call: Call) -> Answer {
    serve(call.places.first().map_or("", String::as_str))
}

fn serve(name: &str) -> Answer {
    static CONFIG: LazyLock<Arc<Config<'static>>> =
        LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none").try_it_out_enabled(true)));
    let found = utoipa_swagger_ui::serve(name, CONFIG.clone())
        .map_err(|error| Trouble::caused("internal", "the page cannot be made", error.to_string()))?;
    let found = found.ok_or_else(|| {
        Trouble::new("not_found", format!("Swagger UI has no file `{}` (expected /apidocs/)", texts::cut(name)))
    })?;
    let mut response = Response::new(found.bytes.into_owned().into());
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(http::header::CONTENT_TYPE, &found.content_type);
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if found.gzpipped {
        set(CONTENT_ENCODING, "gzip");
    }
    Ok(response)
}
