//! What values come to when they are calculated, over what a run may know.

use gorch_schema::Expression;
use serde_json::{Value, json};

use crate::lower::said::Said;
use crate::lower::value::{MOST, Need, Values, field, literal};
use crate::plan::tests::{attribute, node, operation, service};
use crate::plan::{DEPLOY, Plan, Survey, UNDEPLOY, plans};
use crate::report::Report;
use crate::service::Service;
use crate::term::{Attribute, Entity, Key, Term};

/// What a text of the document comes to in this context.
fn evaluated(text: &str, context: &Value) -> Result<Value, String> {
    let expression = text.strip_prefix("${ ").and_then(|text| text.strip_suffix(" }")).expect(text);
    Expression::parse(expression).unwrap().evaluate(context).map_err(|error| error.to_string())
}

fn plan_of(service: &Service, name: &str) -> Plan {
    plans(&Survey::of(service), &mut Report::default()).remove(name).unwrap()
}

/// A service whose `app:start` asks for the attribute `url` of `db`, which has three operations.
fn asking() -> Service {
    let mut service = service("db: create configure start\n app: create start\n app -db-> db");
    let url = attribute(&service, "db", "url");
    operation(&mut service, "app", "start").inputs.insert("url".into(), url);
    service
}

/// A value of the service, as a text behind all steps.
fn text_of(service: &Service, workflow: &str, term: &Term) -> String {
    let survey = Survey::of(service);
    let plan = plan_of(service, workflow);
    let said = Said::of(&survey, &plan);
    Values { survey: &survey, plan: &plan, said: &said }.text(term, plan.steps.len())
}

#[test]
fn the_latest_step_that_has_said_it_wins() {
    let service = asking();
    let text = text_of(&service, DEPLOY, &attribute(&service, "db", "url"));
    let said = |name: &str, url: &str| (name.to_owned(), json!({"output": {"url": url}}));
    let nodes = |said: &[(String, Value)]| json!({"nodes": said.iter().cloned().collect::<serde_json::Map<_, _>>()});
    let both = nodes(&[said("db:create", "first"), said("db:configure", "second")]);
    assert_eq!(evaluated(&text, &both), Ok(json!("second")));
    assert_eq!(evaluated(&text, &nodes(&[said("db:create", "first")])), Ok(json!("first")));
    assert_eq!(evaluated(&text, &nodes(&[])), Err("nobody has said the attribute `url` of `db`".to_owned()));
}

#[test]
fn what_the_template_says_stands_behind_what_steps_say() {
    let mut service = asking();
    let db = node(&service, "db");
    service.nodes[db.0 as usize].properties.insert("url".into(), Term::text("by property"));
    let url = attribute(&service, "db", "url");
    let text = text_of(&service, DEPLOY, &url);
    assert_eq!(evaluated(&text, &json!({"nodes": {}})), Ok(json!("by property")));
    service.nodes[db.0 as usize].attributes.insert("url".into(), Some(Term::text("by attribute")));
    let text = text_of(&service, DEPLOY, &url);
    assert_eq!(evaluated(&text, &json!({"nodes": {}})), Ok(json!("by attribute")));
    assert_eq!(evaluated(&text, &json!({"nodes": {"db:start": {"output": {"url": "said"}}}})), Ok(json!("said")));
}

#[test]
fn a_later_workflow_hears_what_an_earlier_one_said() {
    let service = asking();
    let text = text_of(&service, UNDEPLOY, &attribute(&service, "db", "url"));
    let context = json!({"nodes": {}, "inputs": {"attributes": {"db": {"url": "then"}}}});
    assert_eq!(evaluated(&text, &context), Ok(json!("then")));
    let nothing = json!({"nodes": {}, "inputs": {"attributes": {}}});
    assert!(evaluated(&text, &nothing).is_err());
}

#[test]
fn what_one_step_alone_can_say_is_a_plain_reference() {
    let mut service = service("db: create\n app: create\n app -db-> db");
    let url = attribute(&service, "db", "url");
    operation(&mut service, "app", "create").inputs.insert("url".into(), url.clone());
    assert_eq!(text_of(&service, DEPLOY, &url), "get_attribute db:create:url");
    let output = Term::OperationOutput {
        of: Entity::Node(node(&service, "db")),
        interface: "Standard".into(),
        operation: "create".into(),
        output: "a:b".into(),
    };
    assert_eq!(
        evaluated(&text_of(&service, DEPLOY, &output), &json!({"nodes": {"db:create": {"output": {"a:b": 1}}}})),
        Ok(json!(1)),
        "the last colon of a reference is its own"
    );
}

#[test]
fn what_the_template_says_stands_behind_the_one_step_too() {
    let mut service = service("db: create");
    let url = attribute(&service, "db", "url");
    service.nodes[0].properties.insert("url".into(), Term::text("by property"));
    service.nodes[0].properties.insert("asked".into(), url.clone());
    let text = text_of(&service, DEPLOY, &url);
    assert_eq!(evaluated(&text, &json!({"nodes": {}})), Ok(json!("by property")));
    assert_eq!(evaluated(&text, &json!({"nodes": {"db:create": {"output": {"url": "said"}}}})), Ok(json!("said")));
}

#[test]
fn a_long_way_from_attribute_to_attribute_is_given_up() {
    let mut service = service("a: create");
    for n in 0..10_000 {
        let next = attribute(&service, "a", &format!("a{}", n + 1));
        service.nodes[0].attributes.insert(format!("a{n}").into(), Some(next));
    }
    assert!(text_of(&service, DEPLOY, &attribute(&service, "a", "a0")).len() > MOST);
    assert!(text_of(&service, DEPLOY, &attribute(&service, "a", "a9990")).len() < MOST);
}

#[test]
fn a_part_of_a_value_is_had_from_json_in_a_text_too() {
    let service = asking();
    let path = vec![Key::Field("ports".into()), Key::Index(1)];
    let term = Term::Attribute(Attribute {
        of: Entity::Node(node(&service, "db")),
        capability: None,
        name: "url".into(),
        path,
    });
    let text = text_of(&service, DEPLOY, &term);
    for said in [json!("{\"ports\": [1, 2]}"), json!({"ports": [1, 2]})] {
        assert_eq!(evaluated(&text, &json!({"nodes": {"db:start": {"output": {"url": said}}}})), Ok(json!(2)));
    }
}

#[test]
fn the_state_follows_from_the_plan() {
    let service = asking();
    let state = attribute(&service, "db", "state");
    assert_eq!(evaluated(&text_of(&service, DEPLOY, &state), &json!({})), Ok(json!("started")));
    let survey = Survey::of(&service);
    let plan = plan_of(&service, DEPLOY);
    let said = Said::of(&survey, &plan);
    let values = Values { survey: &survey, plan: &plan, said: &said };
    let at = |name: &str| plan.steps.iter().position(|step| step.name == name).unwrap();
    assert_eq!(values.text(&state, at("db:create")), "${ \"initial\" }");
    assert_eq!(values.text(&state, at("db:start")), "${ \"configured\" }");
    assert_eq!(values.text(&attribute(&service, "db", "tosca_name"), 0), "${ \"db\" }");
}

#[test]
fn attributes_that_are_made_of_each_other_end() {
    let mut service = asking();
    let (url, port) = (attribute(&service, "db", "url"), attribute(&service, "db", "port"));
    let db = &mut service.nodes[0];
    db.interfaces.clear();
    db.attributes = [("url".into(), Some(port)), ("port".into(), Some(url.clone()))].into_iter().collect();
    let text = text_of(&service, DEPLOY, &url);
    assert_eq!(
        evaluated(&text, &json!({"nodes": {}})),
        Err("the attribute `url` of `db` is made of itself".to_owned())
    );
}

#[test]
fn attributes_that_double_with_each_other_are_given_up_early() {
    let mut service = service("a: create");
    for n in 0..60 {
        let next = attribute(&service, "a", &format!("a{}", n + 1));
        let twice = Term::Call(crate::function::Function::Concat, vec![next.clone(), next]);
        service.nodes[0].attributes.insert(format!("a{n}").into(), Some(twice));
    }
    assert!(text_of(&service, DEPLOY, &attribute(&service, "a", "a0")).len() > MOST);
}

#[test]
fn a_literal_is_never_taken_for_a_reference() {
    for text in
        ["get_attribute a:b", "get_input x", "get_item", "get_item a", "${ 1 + 1 }", "${\n\"\\(1)\" }", "${ open"]
    {
        assert_eq!(evaluated(&literal(text), &json!({})), Ok(json!(text)));
    }
    for text in ["", "${HOME}", "a get_input x", "get_items", "it's $(x) \\(1)"] {
        assert_eq!(literal(text), text);
    }
}

#[test]
fn every_name_is_the_name_of_a_field() {
    for name in ["url", "_x1", "and", "try", "not", "__loc__", "1a", "a-b", "a.b", "", "\"\\(1)", "größe", "\u{7f}\n"]
    {
        let text = format!("${{ .item{} }}", field(name));
        assert_eq!(evaluated(&text, &json!({"item": {name: 1}})), Ok(json!(1)), "{text}");
    }
    assert_eq!(field("url"), ".url");
}

#[test]
fn values_keep_their_types_in_json_and_order_in_texts() {
    let service = asking();
    let survey = Survey::of(&service);
    let plan = plan_of(&service, DEPLOY);
    let said = Said::of(&survey, &plan);
    let values = Values { survey: &survey, plan: &plan, said: &said };
    let map = Term::Map(vec![
        (Term::text("z"), Term::List(vec![Term::Float(1.5), Term::Null])),
        (Term::Integer(1), Term::text("get_input x")),
    ]);
    let json = |term: &Term| {
        let mut text = String::new();
        values.json(term, plan.steps.len(), Need::Must, &mut text);
        text
    };
    assert_eq!(json(&map), r#"{"z": [1.5, null], "1": "${ \"get_input x\" }"}"#);
    assert_eq!(values.text(&map, 0), r#"{"z":[1.5,null],"1":"get_input x"}"#);
    assert_eq!(json(&Term::List(Vec::new())) + &json(&Term::Map(Vec::new())), "[]{}");
    let unknown = Term::Map(vec![(Term::text("u"), attribute(&service, "db", "url"))]);
    let text = values.text(&unknown, plan.steps.len());
    assert_eq!(evaluated(&text, &json!({"nodes": {"db:start": {"output": {"url": "x"}}}})), Ok(json!({"u": "x"})));
}
