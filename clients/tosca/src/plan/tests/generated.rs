//! Deploy and undeploy.

use insta::assert_snapshot;

use super::{attribute, deployed, node, operation, planned, service, shown};
use crate::plan::{At, DEPLOY, OperationKey, Survey, UNDEPLOY};
use crate::service::{OperationHost, RelationIx, Target};
use crate::term::Entity;

/// The service of the golden sequence: two programs on one machine, one needs the other.
const TWO: &str = "
    ws is Compute
    app: create configure start stop delete
    db: create configure start stop delete
    app -host-> ws
    db -host-> ws
    app -db-> db: pre_configure_source pre_configure_target post_configure_source post_configure_target";

#[test]
fn each_side_is_configured_by_its_relationships_and_a_target_has_started_before_its_source_is_created() {
    assert_snapshot!(deployed(TWO), @r"
    ws:noop
    db:create <- ws:noop
    app:db.pre_configure_target <- db:create
    db:configure <- app:db.pre_configure_target
    app:db.post_configure_target <- db:configure
    db:start <- app:db.post_configure_target
    app:create <- ws:noop, db:start
    app:db.pre_configure_source <- app:create
    app:configure <- app:db.pre_configure_source
    app:db.post_configure_source <- app:configure
    app:start <- app:db.post_configure_source
    ");
}

#[test]
fn undeploying_is_the_reverse() {
    let (plan, _) = planned(&service(TWO), UNDEPLOY);
    assert_snapshot!(shown(&plan.unwrap()), @r"
    app:stop
    app:delete <- app:stop
    db:stop <- app:delete
    db:delete <- db:stop
    ws:noop <- app:delete, db:delete
    ");
}

#[test]
fn both_sides_are_told_when_both_have_started_and_before_one_goes() {
    let text = "
        lb: create start stop
        web: create start stop
        web -lb-> lb: add_target add_source remove_target remove_source
        web -log-> lb: add_source remove_source";
    assert_snapshot!(deployed(text), @r"
    lb:create
    lb:start <- lb:create
    web:create <- lb:start
    web:start <- web:create
    web:lb.add_target <- web:start
    web:lb.add_source <- web:start
    web:log.add_source <- web:start
    ");
    let (plan, _) = planned(&service(text), UNDEPLOY);
    assert_snapshot!(shown(&plan.unwrap()), @r"
    web:log.remove_source
    web:lb.remove_source <- web:log.remove_source
    web:lb.remove_target <- web:lb.remove_source
    web:stop <- web:lb.remove_target
    lb:stop <- web:stop
    ");
}

#[test]
fn requirements_of_one_name_are_told_apart() {
    let text = "
        a: start
        b: start
        app: start
        app -peer-> a: pre_configure_source
        app -peer-> b: pre_configure_source";
    assert_snapshot!(deployed(text), @r"
    a:start
    b:start
    app:peer_0.pre_configure_source <- a:start, b:start
    app:peer_1.pre_configure_source <- app:peer_0.pre_configure_source
    app:start <- app:peer_1.pre_configure_source
    ");
}

#[test]
fn a_machine_whose_address_is_asked_for_is_asked_first_and_one_that_is_made_once_it_is_there() {
    let mut service = service(
        "
        server is Compute: create start
        app: start
        app -host-> server",
    );
    let address = attribute(&service, "server", "private_address");
    operation(&mut service, "app", "start").inputs.insert("ip".into(), address);
    let (plan, _) = planned(&service, DEPLOY);
    assert_snapshot!(shown(&plan.unwrap()), @r"
    server:facts
    server:create <- server:facts
    server:start <- server:create
    app:start <- server:start
    ");
    operation(&mut service, "server", "create").implementation.as_mut().unwrap().host =
        Some(OperationHost::Orchestrator);
    let (plan, _) = planned(&service, DEPLOY);
    assert_snapshot!(shown(&plan.unwrap()), @r"
    server:create
    server:facts <- server:create
    server:start <- server:facts
    app:start <- server:start
    ");
}

#[test]
fn a_machine_whose_address_an_operation_says_is_not_asked() {
    let mut service = service("server is Compute: create");
    let of = Entity::Node(node(&service, "server"));
    let address = attribute(&service, "server", "private_address");
    service.nodes[0].properties.insert("asked".into(), address);
    assert!(Survey::of(&service).facts(node(&service, "server")).is_some());
    let said = Target { of, capability: None, attribute: "private_address".into() };
    operation(&mut service, "server", "create").outputs.insert("ip".into(), Some(said));
    assert!(Survey::of(&service).facts(node(&service, "server")).is_none());
}

#[test]
fn a_cycle_is_told_by_its_templates_and_requirements() {
    let service = service(
        "
        x: start
        a: start
        b: start
        c: start
        a -needs-> b
        b -uses-> c
        c -calls-> a
        x -needs-> a",
    );
    let (plan, told) = planned(&service, DEPLOY);
    assert_eq!(plan, None);
    assert_eq!(told.errors[0].rule, "cycle");
    assert_snapshot!(told.errors[0].message, @"found a cycle of requirements, expected an order in which nodes can be created: `a` requires `b` as `needs`, `b` requires `c` as `uses`, `c` requires `a` as `calls`");
    assert_eq!(told.errors.len(), 1);
}

#[test]
fn a_target_that_asks_what_its_source_will_have_is_told_of() {
    let mut service = service(
        "
        db: create
        app: create
        app -db-> db: pre_configure_target",
    );
    let port = attribute(&service, "app", "port");
    let configure = service.relations[0].interfaces.get_mut("Configure").unwrap();
    configure.operations.get_mut("pre_configure_target").unwrap().inputs.insert("port".into(), port);
    let (_, told) = planned(&service, DEPLOY);
    assert_eq!(told.warnings.len(), 1);
    assert_snapshot!(told.warnings[0].message, @"the input `port` of `pre_configure_target` asks for `port` of `app`, which is created only after its target has started");
}

#[test]
fn an_operation_that_no_workflow_calls_is_told_of() {
    let (_, told) = planned(&service("app: create Backup.run"), DEPLOY);
    let said: Vec<&str> = told.warnings.iter().map(|warning| &*warning.message).collect();
    assert_eq!(said, ["no workflow calls the operation `run` of the interface `Backup`"]);
}

#[test]
fn an_operation_of_a_relationship_is_done_where_its_side_is() {
    let service = service(
        "
        here is Compute
        there is Compute
        app
        db
        app -host-> here
        db -host-> there
        app -db-> db: pre_configure_source pre_configure_target post_configure_source post_configure_target \
         add_target add_source remove_target remove_source Other.run",
    );
    let survey = Survey::of(&service);
    let relation = Entity::Relation(RelationIx(2));
    let at = |interface: &str, operation: &str| {
        let key = OperationKey { of: relation, interface: interface.into(), operation: operation.into() };
        match survey.at(&key, None) {
            At::Host(host) => service.node(host).name.to_string(),
            At::Executor => "anywhere".to_owned(),
        }
    };
    for operation in ["pre_configure_source", "post_configure_source", "add_target", "remove_target"] {
        assert_eq!(at("Configure", operation), "here", "{operation}");
    }
    for operation in ["pre_configure_target", "post_configure_target", "add_source", "remove_source"] {
        assert_eq!(at("Configure", operation), "there", "{operation}");
    }
    assert_eq!(at("Other", "run"), "here");
}
