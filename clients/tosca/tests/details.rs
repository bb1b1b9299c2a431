//! Small rules that no template has to break to run, and that tell a mistake before it does.

use std::fs;

use gorch_tosca::{Whole, check};
use insta::assert_snapshot;

/// What is said of files, the first of which is the entry. Temporary paths are left out.
fn told(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let told = check(&folder.path().join(files[0].0), Whole::Whole);
    let messages = match told {
        Ok(told) => told.warnings.iter().map(ToString::to_string).collect(),
        Err(told) => told.to_string(),
    };
    messages.replace(&format!("{}/", folder.path().display()), "")
}

fn of_2_0(text: &str) -> String {
    told(&[("service.yaml", &format!("tosca_definitions_version: tosca_2_0\n{text}"))])
}

#[test]
fn a_status_is_one_of_four_words() {
    assert_snapshot!(of_2_0("node_types:\n  A:\n    properties:\n      p: { type: string, status: Deprecated }\n"), @"");
    assert_snapshot!(of_2_0("node_types:\n  A:\n    properties:\n      p: { type: string, status: old }\n"), @"
    service.yaml:5:34: error: `status`: found `old`, expected one of: supported, unsupported, experimental, deprecated [unknown_word]
         5 |       p: { type: string, status: old }
           |                                  ^^^
    ");
}

#[test]
fn a_trigger_has_an_event_and_a_list_of_activities() {
    assert_snapshot!(of_2_0("policy_types:\n  P:\n    triggers:\n      t: { event: e, action: [ set_state: x ] }\n"), @"");
    assert_snapshot!(of_2_0("policy_types:\n  P:\n    triggers:\n      t: { condition: true }\n      u: { event: e, action: backup }\n"), @"
    service.yaml:5:7: error: the trigger `t` has no `event` [missing_key]
         5 |       t: { condition: true }
           |       ^
    service.yaml:5:7: error: the trigger `t` has no `action` [missing_key]
         5 |       t: { condition: true }
           |       ^
    service.yaml:6:30: error: `action`: found `backup`, expected a list of activities [wrong_form]
         6 |       u: { event: e, action: backup }
           |                              ^^^^^^
    ");
}

#[test]
fn an_artifact_of_a_type_says_what_it_is_and_where() {
    assert_snapshot!(of_2_0("artifact_types:\n  S:\nnode_types:\n  A:\n    artifacts:\n      a: { type: S, file: a.sh }\n      b: { file: b.sh }\n      c: { type: S }\n"), @"
    service.yaml:8:7: error: the artifact `b` has no `type` [missing_key]
         8 |       b: { file: b.sh }
           |       ^
    service.yaml:9:7: error: the artifact `c` has no `file` [missing_key]
         9 |       c: { type: S }
           |       ^
    ");
}

#[test]
fn members_are_of_the_types_that_their_group_names() {
    assert_snapshot!(of_2_0("node_types:\n  A:\n  B:\ngroup_types:\n  G:\n    members: [ A ]\npolicy_types:\n  P:\n    targets: [ A ]
service_template:
  node_templates:\n    a: { type: A }\n    b: { type: B }
  groups:\n    g: { type: G, members: [ a, b ] }
  policies:\n    - p: { type: P, targets: [ b ] }\n"), @"
    service.yaml:16:33: error: `b` is a `B`, expected one of: A [member]
        16 |     g: { type: G, members: [ a, b ] }
           |                                 ^
           service.yaml:14:5: it is defined here
    service.yaml:18:32: error: `b` is a `B`, expected one of: A [member]
        18 |     - p: { type: P, targets: [ b ] }
           |                                ^
           service.yaml:14:5: it is defined here
    ");
}

#[test]
fn a_relationship_leads_where_its_type_allows() {
    assert_snapshot!(of_2_0("capability_types:\n  C:\nrelationship_types:\n  R:\n    valid_target_node_types: [ B ]\n    valid_source_node_types: [ B ]
node_types:\n  A:\n    capabilities: { c: C }\n    requirements: [ { r: { capability: C, relationship: R } } ]\n  B:\n    capabilities: { c: C }
service_template:\n  node_templates:\n    a: { type: A, requirements: [ { r: other } ] }\n    other: { type: A }\n"), @"
    service.yaml:16:37: error: a `R` cannot come from `a`: expected one of: B [relationship]
        16 |     a: { type: A, requirements: [ { r: other } ] }
           |                                     ^
           service.yaml:16:5: it is defined here
    service.yaml:16:37: error: a `R` cannot lead to `other`: expected one of: B [relationship]
        16 |     a: { type: A, requirements: [ { r: other } ] }
           |                                     ^
           service.yaml:17:5: it is defined here
    ");
}

#[test]
fn a_name_means_one_thing_in_a_file_of_2_0() {
    let files = [
        ("service.yaml", "tosca_definitions_version: tosca_2_0\nimports: [ more.yaml ]\nnode_types:\n  A:\n"),
        ("more.yaml", "tosca_definitions_version: tosca_2_0\nnode_types:\n  A:\n"),
    ];
    assert_snapshot!(told(&files), @"
    service.yaml:4:3: error: the node type `A` is defined in an imported file, too [duplicate_type]
         4 |   A:
           |   ^
           more.yaml:3:3: it is defined here
           hint: give the import a `namespace`
    ");
    let named = files[0].1.replace("[ more.yaml ]", "[ { url: more.yaml, namespace: m } ]");
    assert_snapshot!(told(&[("service.yaml", &named), files[1]]), @"");
}

#[test]
fn what_is_done_gets_all_that_it_needs() {
    assert_snapshot!(of_2_0("interface_types:\n  I:\n    operations:\n      run: { inputs: { x: { type: string } } }
node_types:\n  A:\n    interfaces: { i: { type: I } }
service_template:\n  node_templates:\n    a: { type: A, interfaces: { i: { operations: { run: run.sh } } } }\n"), @"
    service.yaml:11:52: error: the operation has no value for its input `x` [missing_input]
        11 |     a: { type: A, interfaces: { i: { operations: { run: run.sh } } } }
           |                                                    ^^^
           service.yaml:5:24: `x` is required here
    ");
}

#[test]
fn the_same_file_gives_the_same_bytes_a_thousand_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().join("service.yaml");
    let template = "tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  inputs: { b: { type: string, default: y }, a: { type: string, default: x } }
  node_templates:
    app:
      type: tosca.nodes.SoftwareComponent
      requirements: [ { host: box }, { dependency: db } ]
      interfaces: { Standard: { create: { implementation: run.sh, inputs: { Z: { get_input: a }, Y: { get_attribute: [ db, url ] } } } } }
    db:
      type: tosca.nodes.SoftwareComponent
      requirements: [ { host: box } ]
      interfaces: { Standard: { create: { implementation: run.sh, outputs: { url: [ SELF, url ], id: [ SELF, id ] } } } }
    box: { type: tosca.nodes.Compute }
  outputs:
    one: { value: { get_attribute: [ db, url ] } }
    two: { value: { concat: [ { get_attribute: [ box, public_address ] }, { get_input: b } ] } }
";
    fs::write(&at, template).expect("a file");
    fs::write(folder.path().join("run.sh"), "#!/bin/sh\n").expect("a file");
    let convert = || {
        let options = gorch_tosca::Options::default();
        gorch_tosca::convert(&at, &options, &|_, file| format!("file:{file}")).expect("it is right").document
    };
    let first = convert();
    for _ in 1..1000 {
        assert_eq!(convert(), first);
    }
}
