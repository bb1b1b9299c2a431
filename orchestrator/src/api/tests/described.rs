//! The description agrees with the routes, and the copy in the repository with the description.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::stand::{Stand, by, executor};
use crate::api::{apidocs, table};

fn described() -> Value {
    serde_json::from_str(apidocs::text()).unwrap()
}

/// Method and path of every operation, with the operation.
fn operations(described: &Value) -> BTreeMap<(String, String), &Value> {
    let paths = described["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &'static str)| (item.to_uppercase(), path.clone());
    let mut all = BTreeMap::new();
    for (path, item) in paths {
        for method in ["get", "put", "post", "delete", "patch", "head", "options", "trace"] {
            if let Some(operation) = item.get(method) {
                all.insert(of((path, method)), operation);
            }
        }
    }
    all
}

#[test]
fn every_route_is_described_and_every_description_has_a_route() {
    let described = described();
    let operations = operations(&described);
    let routes: BTreeSet<_> =
        table::routes().iter().map(|route| (route.method.to_string(), route.path.to_owned())).collect();
    assert_eq!(operations.keys().cloned().collect::<BTreeSet<_>>(), routes);
}

#[test]
fn a_description_names_the_role_the_parameters_and_the_refusals_of_its_route() {
    let described = described();
    let operations = operations(&described);
    for route in table::routes() {
        let operation = operations[&(route.method.to_string(), route.path.to_owned())];
        assert_eq!(operation[apidocs::ROLE], route.needs.to_string(), "{}", route.path);
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let of = |place: &str| -> BTreeSet<String> {
            let found = parameters.iter().filter(|parameter| parameter["in"] == place);
            found.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of("query"), route.query.iter().map(|name| (*name).to_owned()).collect(), "{}", route.path);
        let braces = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(of("path"), braces.map(str::to_owned).collect(), "{}", route.path);
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key("401") && responses.contains_key("503"), "{}", route.path);
        assert!(operation["summary"].is_string(), "{}", route.path);
    }
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let described = described();
    let operations = operations(&described);
    let names: BTreeSet<_> = operations.values().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len(), "{names:?}");
}

#[test]
fn every_reference_in_the_description_leads_somewhere() {
    let described = described();
    assert_eq!(described["openapi"], "3.1.0");
    let mut todo = vec![&described];
    let mut seen = 0;
    while let Some(value) = todo.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(described.pointer(&reference[1..]).is_some(), "{reference}");
            seen += 1;
        }
        todo.extend(value.as_array().into_iter().flatten());
        todo.extend(value.as_object().into_iter().flatten().map(|(_, value)| value));
    }
    assert!(seen > 10);
}

/// `GORCH_UPDATE_OPENAPI=1 cargo test -p gorch-orchestrator` writes the copy anew.
#[test]
fn the_copy_in_the_repository_is_this_description() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("GORCH_UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, apidocs::text()).unwrap();
    }
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        copy == apidocs::text(),
        "docs/openapi.json is old: GORCH_UPDATE_OPENAPI=1 cargo test -p gorch-orchestrator"
    );
}

#[tokio::test]
async fn the_pages_are_served_from_the_binary_and_ask_nobody_else() {
    let stand = Stand::open().await;
    let redirect = stand.get("/apidocs").await;
    assert_eq!((redirect.status.as_u16(), redirect.header("location")), (308, "/apidocs/"));
    let page = stand.send(by(&executor("e1")).path("/apidocs/")).await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(!page.text().contains("://"), "{}", page.text());
    let parts = page.text();
    let files = parts.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css"));
    let mut served = 0;
    for file in files {
        let answer = stand.get(&format!("/apidocs/{}", file.trim_start_matches("./"))).await;
        assert!(answer.status == 200 && !answer.body.is_empty(), "{file}");
        served += 1;
    }
    assert!(served >= 4, "{served}");
    let start = stand.get("/apidocs/swagger-initializer.js").await.text();
    assert!(start.contains("\"/openapi.json\"") && start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert_eq!(stand.get("/openapi.json").await.text(), apidocs::text());
}
