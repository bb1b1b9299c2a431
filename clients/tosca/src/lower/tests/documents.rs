//! Whole documents, and what runs what.

use std::time::Duration;

use insta::assert_snapshot;

use super::{accepted, lines, lowered};
use crate::lower::{HostParallel, Saying, Via};
use crate::place::Files;
use crate::plan::tests::{artifact, attribute, operation, service, workflow};
use crate::plan::{DEPLOY, Survey, UNDEPLOY, plans};
use crate::report::Report;
use crate::service::{Artifact, OperationHost, Service};
use crate::term::{Entity, Term};

/// A program and its database on one machine.
fn shop() -> Service {
    let mut service = service(
        "
        server is Compute
        app: create start stop
        db: create delete
        app -host-> server
        db -host-> server
        app -db-> db: add_source",
    );
    let url = attribute(&service, "db", "url");
    let start = operation(&mut service, "app", "start");
    start.inputs = [("db".into(), url.clone()), ("port".into(), Term::Integer(80))].into_iter().collect();
    start.implementation.as_mut().unwrap().timeout = Some(Duration::from_millis(1500));
    let place = service.nodes[0].place;
    service.outputs.push(("url".into(), url, place));
    service
}

#[test]
fn a_deploy_becomes_a_document() {
    let (lowered, told) = lowered(&shop(), DEPLOY, Via::Host);
    assert_eq!(told.warnings, []);
    accepted(&lowered.document);
    assert_eq!(lowered.attributes.as_deref(), Some("tosca.attributes"));
    let said_by = vec![("db:create".to_owned(), "url".into())];
    assert_eq!(lowered.said, [Saying { of: "db".into(), key: "url".into(), said_by }]);
    let files: Vec<&str> = lowered.files.iter().map(|file| &**file).collect();
    assert_eq!(
        files,
        ["scripts/app-create.sh", "scripts/app-db-add_source.sh", "scripts/app-start.sh", "scripts/db-create.sh"]
    );
    assert_snapshot!(lowered.document, @r##"
    {
      "name": "test deploy",
      "labels": {"tosca.template": "test", "tosca.workflow": "deploy"},
      "nodes": [
        {"name": "server:noop", "engine": "nil"},
        {"name": "db:create", "engine": "toscassh", "target": "server", "artifact": "file:scripts/db-create.sh", "output": {"url": ""}, "lock": "host/server"},
        {"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "file:scripts/app-create.sh", "lock": "host/server"},
        {"name": "app:start", "engine": "toscassh", "target": "server", "artifact": "file:scripts/app-start.sh", "args": ["db=get_attribute db:create:url", "port=80"], "lock": "host/server", "timeout": "1.5s"},
        {"name": "app:db.add_source", "engine": "toscassh", "target": "server", "artifact": "file:scripts/app-db-add_source.sh", "lock": "host/server"}
      ],
      "edges": [
        {"from": "server:noop", "to": "db:create"},
        {"from": "server:noop", "to": "app:create"},
        {"from": "db:create", "to": "app:create"},
        {"from": "app:create", "to": "app:start"},
        {"from": "app:start", "to": "app:db.add_source"}
      ],
      "outputs": {
        "url": "${ try (first((.nodes[\"db:create\"].output.url, error(\"nobody has said the attribute `url` of `db`\")) | values)) catch null }",
        "tosca.attributes": {"db": {"url": "${ .nodes[\"db:create\"].output.url }"}}
      }
    }
    "##);
}

#[test]
fn an_undeploy_takes_what_the_deploy_said() {
    let mut service = shop();
    let url = attribute(&service, "db", "url");
    operation(&mut service, "app", "stop").inputs = [("db".into(), url)].into_iter().collect();
    let (lowered, _) = lowered(&service, UNDEPLOY, Via::Host);
    accepted(&lowered.document);
    assert_snapshot!(lowered.document, @r##"
    {
      "name": "test undeploy",
      "labels": {"tosca.template": "test", "tosca.workflow": "undeploy"},
      "inputs": {"attributes": {}},
      "nodes": [
        {"name": "app:stop", "engine": "toscassh", "target": "server", "artifact": "file:scripts/app-stop.sh", "args": ["db=${ first((.inputs.attributes.db.url, error(\"nobody has said the attribute `url` of `db`\")) | values) }"], "lock": "host/server"},
        {"name": "db:delete", "engine": "toscassh", "target": "server", "artifact": "file:scripts/db-delete.sh", "output": {"url": ""}, "lock": "host/server"},
        {"name": "server:noop", "engine": "nil"}
      ],
      "edges": [
        {"from": "app:stop", "to": "db:delete"},
        {"from": "app:stop", "to": "server:noop"},
        {"from": "db:delete", "to": "server:noop"}
      ]
    }
    "##);
}

fn with_primary(kind: &str, file: &str) -> Service {
    let mut service = service("server is Compute\n app: create\n app -host-> server");
    let create = operation(&mut service, "app", "create");
    create.inputs =
        [("size".into(), Term::List(vec![Term::Integer(1), Term::text("get_input x")]))].into_iter().collect();
    let types = if kind.is_empty() { Vec::new() } else { vec![kind.into(), "tosca.artifacts.Root".into()] };
    create.implementation.as_mut().unwrap().primary = Some(Artifact { types: types.into(), ..artifact(file) });
    service
}

fn create_of(service: &Service, via: Via) -> String {
    let (lowered, told) = lowered(service, DEPLOY, via);
    assert_eq!(told.errors, []);
    accepted(&lowered.document);
    lines(&lowered.document).lines().nth(1).unwrap().trim_end_matches(',').to_owned()
}

#[test]
fn the_type_of_an_artifact_chooses_the_engine() {
    let of = |kind: &str, file: &str| create_of(&with_primary(kind, file), Via::Host);
    let texts = [
        of("tosca.artifacts.Implementation.Bash", "a/run.sh"),
        of("tosca.artifacts.Implementation.Python", "a/silent's.py"),
        of("tosca.artifacts.Implementation.Python", "a/run.py"),
        of("radon.artifacts.Ansible", "a/play.yaml"),
        of("tosca.artifacts.Deployment.Image.Container.Docker", "registry/app:1"),
        of("tosca.artifacts.Implementation.Bash", "a/silent.sh"),
        of("", "a/silent.rb"),
        of("", "a/b.yml"),
        of("tosca.artifacts.Implementation", "a/b"),
    ];
    assert_snapshot!(texts.join("\n"), @r##"
    {"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "file:a/run.sh", "args": ["size=[1,\"get_input x\"]"], "lock": "host/server"}
    {"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "#!/bin/sh\npython3 './silent'\\''s.py'\n", "files": {"silent's.py": "file:a/silent's.py"}, "args": ["size=[1,\"get_input x\"]"], "lock": "host/server"}
    {"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "file:a/run.py", "args": ["size=[1,\"get_input x\"]"], "lock": "host/server"}
    {"name": "app:create", "engine": "ansible", "target": "server", "artifact": "file:a/play.yaml", "input": {"size": [1, "${ \"get_input x\" }"]}, "lock": "host/server"}
    {"name": "app:create", "engine": "docker", "target": "server", "artifact": "registry/app:1", "env": {"size": "[1,\"get_input x\"]"}, "lock": "host/server"}
    {"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "#!/usr/bin/env bash\n. './silent.sh'\n", "files": {"silent.sh": "file:a/silent.sh"}, "args": ["size=[1,\"get_input x\"]"], "lock": "host/server"}
    {"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "#!/bin/sh\nruby './silent.rb'\n", "files": {"silent.rb": "file:a/silent.rb"}, "args": ["size=[1,\"get_input x\"]"], "lock": "host/server"}
    {"name": "app:create", "engine": "ansible", "target": "server", "artifact": "file:a/b.yml", "input": {"size": [1, "${ \"get_input x\" }"]}, "lock": "host/server"}
    {"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "file:a/b", "args": ["size=[1,\"get_input x\"]"], "lock": "host/server"}
    "##);
}

#[test]
fn by_way_of_the_executor_on_a_machine_every_script_says_what_reads_it() {
    let of = |kind: &str, file: &str| create_of(&with_primary(kind, file), Via::Executor);
    let bash = "tosca.artifacts.Implementation.Bash";
    let texts = [of(bash, "a/run.sh"), of(bash, "a/silent.sh"), of("my.Ansible", "a/play.yaml")];
    assert_snapshot!(texts.join("\n"), @r##"
    {"name": "app:create", "engine": "shell", "target": "server", "artifact": "file:a/run.sh", "env": {"size": "[1,\"get_input x\"]"}, "lock": "host/server"}
    {"name": "app:create", "engine": "shell", "target": "server", "artifact": "#!/usr/bin/env bash\n. './silent.sh'\n", "files": {"silent.sh": "file:a/silent.sh"}, "env": {"size": "[1,\"get_input x\"]"}, "lock": "host/server"}
    {"name": "app:create", "engine": "ansible", "target": "server", "artifact": "file:a/play.yaml", "inventory": {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}, "limit": "localhost", "input": {"size": [1, "${ \"get_input x\" }"]}, "lock": "host/server"}
    "##);
}

#[test]
fn what_no_engine_runs_is_an_error_at_its_place() {
    for (kind, file) in
        [("", "app.jar"), ("my.artifacts.Chef", "recipe.rb"), ("tosca.artifacts.Deployment.Image.VM.ISO", "a")]
    {
        let (_, told) = lowered(&with_primary(kind, file), DEPLOY, Via::Host);
        assert_eq!(told.errors[0].rule, "no_engine", "{kind} {file}");
        assert!(told.errors[0].message.contains(file));
    }
}

#[test]
fn a_file_that_is_elsewhere_is_an_error() {
    let mut service = with_primary("", "https://example.org/a.sh");
    let create = operation(&mut service, "app", "create").implementation.as_mut().unwrap();
    create.primary.as_mut().unwrap().path = None;
    let (_, told) = lowered(&service, DEPLOY, Via::Host);
    assert_eq!(told.errors[0].rule, "remote_file");
}

#[test]
fn dependencies_stand_beside_their_script() {
    let mut service = with_primary("", "a/run.sh");
    let create = operation(&mut service, "app", "create").implementation.as_mut().unwrap();
    create.dependencies = vec![artifact("a/lib/x.sh"), artifact("conf/y.ini")];
    assert_snapshot!(create_of(&service, Via::Host), @r##"{"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "file:a/run.sh", "files": {"conf/y.ini": "file:conf/y.ini", "lib/x.sh": "file:a/lib/x.sh"}, "args": ["size=[1,\"get_input x\"]"], "lock": "host/server"}"##);
    let create = operation(&mut service, "app", "create").implementation.as_mut().unwrap();
    create.dependencies = vec![artifact("a/conf/y.ini"), artifact("conf/y.ini")];
    let (_, told) = lowered(&service, DEPLOY, Via::Host);
    assert_eq!(told.errors[0].message, "found two files that would stand at `conf/y.ini` for `app:create`");
}

#[test]
fn an_input_that_names_an_artifact_of_its_node_brings_it_along() {
    let mut service = with_primary("", "a/run.sh");
    let app = crate::plan::tests::node(&service, "app");
    let war = Artifact { path: Some("lib/app.war".into()), ..artifact("../lib/app.war") };
    service.nodes[app.0 as usize].artifacts.insert("war".into(), war);
    operation(&mut service, "app", "create").inputs =
        [("war".into(), Term::text("../lib/app.war"))].into_iter().collect();
    assert_snapshot!(create_of(&service, Via::Host), @r##"{"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "file:a/run.sh", "files": {"lib/app.war": "file:lib/app.war"}, "args": ["war=lib/app.war"], "lock": "host/server"}"##);
}

#[test]
fn what_the_orchestrator_does_has_no_host_and_no_lock() {
    let mut service = with_primary("", "a/run.sh");
    let implementation = |service: &mut Service| {
        operation(service, "app", "create").implementation.as_mut().unwrap().host = Some(OperationHost::Orchestrator)
    };
    implementation(&mut service);
    let script = create_of(&service, Via::Host);
    let mut service = with_primary("", "a/play.yml");
    implementation(&mut service);
    assert_snapshot!(format!("{script}\n{}", create_of(&service, Via::Host)), @r##"
    {"name": "app:create", "engine": "shell", "artifact": "file:a/run.sh", "env": {"size": "[1,\"get_input x\"]"}}
    {"name": "app:create", "engine": "ansible", "artifact": "file:a/play.yml", "inventory": {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}, "limit": "localhost", "input": {"size": [1, "${ \"get_input x\" }"]}}
    "##);
}

#[test]
fn operations_of_one_host_wait_for_each_other_unless_they_need_not() {
    let with = |host_parallel| super::lowered_with(&shop(), DEPLOY, Via::Host, host_parallel).0.nodes;
    let of_host: Vec<_> = with(HostParallel::No).into_iter().filter(|node| node.target.is_some()).collect();
    assert!(of_host.len() == 4 && of_host.iter().all(|node| node.lock.as_deref() == Some("host/server")));
    assert!(with(HostParallel::Yes).iter().all(|node| node.lock.is_none()));
}

#[test]
fn inputs_become_variables() {
    let mut service = with_primary("", "a/run.sh");
    let create = operation(&mut service, "app", "create");
    create.inputs = [("a-b".into(), Term::text("x")), ("none".into(), Term::Null), ("9".into(), Term::Bool(true))]
        .into_iter()
        .collect();
    let (lowered, told) = lowered(&service, DEPLOY, Via::Host);
    assert!(lowered.document.contains(r#""args": ["_9=true", "a_b=x"]"#), "{}", lowered.document);
    assert_eq!(told.warnings.len(), 2);
    operation(&mut service, "app", "create").inputs.insert("a.b".into(), Term::text("y"));
    let (_, told) = super::lowered(&service, DEPLOY, Via::Host);
    assert_eq!(told.errors[0].message, "found two inputs whose variable would be `a_b`");
}

#[test]
fn a_machine_is_asked_for_its_addresses() {
    let mut service = with_primary("", "a/run.sh");
    let address = attribute(&service, "server", "private_address");
    let place = service.nodes[0].place;
    service.outputs.push(("address".into(), address, place));
    let (lowered, told) = lowered(&service, DEPLOY, Via::Host);
    assert_eq!(told.warnings, []);
    accepted(&lowered.document);
    assert_snapshot!(lines(&lowered.document), @r##"
    {"name": "server:facts", "engine": "toscassh", "target": "server", "artifact": "#!/bin/sh\nset -- ${SSH_CONNECTION:-}\naddress=${3:-$(hostname -I 2>/dev/null | cut -d ' ' -f 1)}\necho \"private_address=${address:-127.0.0.1}\"\n", "output": {"private_address": ""}, "lock": "host/server"},
    {"name": "app:create", "engine": "toscassh", "target": "server", "artifact": "file:a/run.sh", "args": ["size=[1,\"get_input x\"]"], "lock": "host/server"}
    "address": "${ try (first((.nodes[\"server:facts\"].output.private_address, error(\"nobody has said the attribute `private_address` of `server`\")) | values)) catch null }",
    "tosca.attributes": {"server": {"private_address": "${ .nodes[\"server:facts\"].output.private_address }"}}
    "##);
}

#[test]
fn an_output_that_nothing_sets_is_null_and_told_of() {
    let mut service = service("app: create");
    service.nodes[0].interfaces.clear();
    let output = attribute(&service, "app", "url");
    let place = service.nodes[0].place;
    service.outputs.push(("url".into(), output, place));
    let (lowered, told) = lowered(&service, DEPLOY, Via::Host);
    accepted(&lowered.document);
    assert_eq!(
        told.warnings[0].message,
        "the output `url` asks for `url` of `app`, which nothing sets in `deploy`; it will be null"
    );
}

#[test]
fn an_output_of_the_name_of_ours_stays_what_it_is() {
    let mut service = shop();
    let place = service.nodes[0].place;
    service.outputs.push(("tosca.attributes".into(), Term::Integer(1), place));
    let (lowered, _) = lowered(&service, DEPLOY, Via::Host);
    accepted(&lowered.document);
    assert_eq!(lowered.attributes.as_deref(), Some("tosca.attributes_"));
}

#[test]
fn choices_states_and_refusals_are_nodes_of_gorch() {
    let mut service = service("app: create start");
    let mut own = workflow(&service, "one app: create, state waiting -> two !> two\n two app: start");
    let state = attribute(&service, "app", "state");
    let is_started = Term::Call(crate::function::Function::Equal, vec![state, Term::text("started")]);
    own.preconditions = vec![(is_started.clone(), own.place)];
    own.steps[1].filter = Some(vec![is_started]);
    service.workflows.insert("again".into(), own);
    let (lowered, _) = lowered(&service, "again", Via::Host);
    accepted(&lowered.document);
    assert_snapshot!(lowered.document, @r##"
    {
      "name": "test again",
      "labels": {"tosca.template": "test", "tosca.workflow": "again"},
      "inputs": {"attributes": {}},
      "nodes": [
        {"name": "again: preconditions", "engine": "nil", "choose": [{"when": "(((first((.inputs.attributes.app.state, \"started\") | values) | tostring) == (\"started\" | tostring)) | . == true or . == \"true\")", "label": "yes"}, {"when": "true", "label": "no"}]},
        {"name": "app:create", "engine": "shell", "artifact": "file:scripts/app-create.sh"},
        {"name": "app:state waiting", "engine": "nil", "input": {"state": "waiting"}},
        {"name": "two: if app", "engine": "nil", "choose": [{"when": "(((\"waiting\" | tostring) == (\"started\" | tostring)) | . == true or . == \"true\")", "label": "yes"}, {"when": "true", "label": "no"}], "join": 1},
        {"name": "app:start", "engine": "shell", "artifact": "file:scripts/app-start.sh"},
        {"name": "two: app done", "engine": "nil", "join": 1},
        {"name": "again: refused", "engine": "fail", "args": ["precondition", "the preconditions of the workflow `again` do not hold"]}
      ],
      "edges": [
        {"from": "again: preconditions", "to": "app:create", "when": "chose:yes"},
        {"from": "app:create", "to": "app:state waiting"},
        {"from": "app:create", "to": "two: if app", "when": "failed"},
        {"from": "app:state waiting", "to": "two: if app"},
        {"from": "two: if app", "to": "app:start", "when": "chose:yes"},
        {"from": "two: if app", "to": "two: app done", "when": "chose:no"},
        {"from": "app:start", "to": "two: app done"},
        {"from": "again: preconditions", "to": "again: refused", "when": "chose:no"}
      ]
    }
    "##);
}

#[test]
fn a_plan_is_shown_as_a_table() {
    let service = shop();
    let mut report = Report::default();
    let plan = plans(&Survey::of(&service), &mut report).remove(DEPLOY).unwrap();
    let (lowered, _) = lowered(&service, DEPLOY, Via::Host);
    let mut files = Files::default();
    files.add("service.yaml", "".into());
    assert_snapshot!(crate::lower::table(&plan, &lowered.nodes, &files), @r##"
    deploy: 5 steps
    1  server:noop        nil                 service.yaml:2:1
    2  db:create          toscassh on server  service.yaml:4:1  after 1
    3  app:create         toscassh on server  service.yaml:3:1  after 1, 2
    4  app:start          toscassh on server  service.yaml:3:1  after 3
    5  app:db.add_source  toscassh on server  service.yaml:7:1  after 4
    "##);
}

#[test]
fn outputs_of_operations_are_mapped_to_attributes() {
    let mut service = shop();
    let db = crate::plan::tests::node(&service, "db");
    let target = crate::service::Target { of: Entity::Node(db), capability: None, attribute: "url".into() };
    operation(&mut service, "app", "create").outputs = [("found".into(), Some(target))].into_iter().collect();
    let (lowered, _) = lowered(&service, DEPLOY, Via::Host);
    accepted(&lowered.document);
    assert!(lowered.document.contains(r#""db=get_attribute app:create:found""#), "{}", lowered.document);
    assert!(!lowered.document.contains(r#""url": """#), "nobody else is asked");
}
