//! A service that stands for a node of another one: its nodes come instead, and all that led to the node leads to them.

use std::fs;
use std::path::Path;

use gorch_tosca::{Options, convert};
use insta::assert_snapshot;

const TYPES: &str = "tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  my.Cluster:
    derived_from: tosca.nodes.Root
    properties: { size: { type: integer }, network: { type: string, required: false } }
    attributes: { url: { type: string } }
    capabilities: { endpoint: tosca.capabilities.Endpoint }
    requirements: [ { net: { capability: tosca.capabilities.Node, occurrences: [0, 1] } } ]
  my.Balancer:
    derived_from: tosca.nodes.SoftwareComponent
    capabilities: { endpoint: tosca.capabilities.Endpoint }
  my.App:
    derived_from: tosca.nodes.SoftwareComponent
    requirements: [ { cluster: { capability: tosca.capabilities.Endpoint, relationship: tosca.relationships.ConnectsTo } } ]
";

const INNER: &str = "tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ types.yaml ]
topology_template:
  inputs: { size: { type: integer }, network: { type: string, default: none } }
  substitution_mappings:
    node_type: my.Cluster
    capabilities: { endpoint: [ balancer, endpoint ] }
    requirements: { net: [ balancer, dependency ] }
  node_templates:
    host: { type: tosca.nodes.Compute }
    balancer:
      type: my.Balancer
      requirements: [ { host: host } ]
      interfaces:
        Standard:
          create: { implementation: run.sh, inputs: { SIZE: { get_input: size }, NET: { get_input: network } } }
  outputs:
    url: { value: { concat: [ \"http://\", { get_attribute: [ host, public_address ] } ] } }
";

const OUTER: &str = "tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ types.yaml, inner.yaml ]
topology_template:
  node_templates:
    net:
      type: tosca.nodes.Root
      interfaces: { Standard: { create: { implementation: run.sh, outputs: { tosca_name: [ SELF, tosca_name ] } } } }
    cluster:
      type: my.Cluster
      directives: [ substitute ]
      properties: { size: 3, network: { get_attribute: [ net, tosca_name ] } }
      requirements: [ { net: net } ]
    box: { type: tosca.nodes.Compute }
    app:
      type: my.App
      requirements: [ { host: box }, { cluster: cluster } ]
      interfaces: { Standard: { create: { implementation: run.sh, inputs: { URL: { get_attribute: [ cluster, url ] } } } } }
";

/// The plan, and the nodes of the document that do something; or what is wrong. Temporary paths are left out.
fn converted(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    fs::write(folder.path().join("run.sh"), "#!/bin/sh\n").expect("a file");
    let told = match convert(&folder.path().join("outer.yaml"), &Options::default(), &|_, file| format!("file:{file}"))
    {
        Ok(converted) => {
            let works = converted.document.lines().filter(|line| line.contains("\"args\""));
            let args: Vec<&str> =
                works.filter_map(|line| Some(&line[line.find("\"args\"")?..line.find(", \"lock\"")?])).collect();
            format!("{}\n{}", converted.plan(), args.join("\n"))
        }
        Err(told) => told.to_string(),
    };
    without(&told, folder.path())
}

fn without(text: &str, folder: &Path) -> String {
    text.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn the_nodes_of_a_service_come_instead_of_a_node_and_take_its_properties() {
    assert_snapshot!(converted(&[("types.yaml", TYPES), ("inner.yaml", INNER), ("outer.yaml", OUTER)]), @r#"
    deploy: 6 steps
    1  net:create               shell                     outer.yaml:7:33
    2  box:noop                 nil                       outer.yaml:13:5
    3  cluster.host:facts       toscassh on cluster.host  inner.yaml:10:5
    4  cluster.balancer:create  toscassh on cluster.host  inner.yaml:16:11  after 1, 3
    5  cluster:noop             nil                       outer.yaml:8:5    after 1, 3, 4
    6  app:create               toscassh on box           outer.yaml:17:33  after 2, 4, 5

    "args": ["NET=${ first((.nodes[\"net:create\"].output.tosca_name, \"net\") | values) }", "SIZE=3"]
    "args": ["URL=${ ([(\"http://\"), (first((.nodes[\"cluster.host:facts\"].output.public_address, error(\"nobody has said the attribute `public_address` of `cluster.host`\")) | values))] | if all(.[]; type == \"array\") then add else map(tostring) | join(\"\") end) }"]
    "#);
}

#[test]
fn what_a_service_needs_is_a_property_of_the_node_that_it_stands_for() {
    let inner = INNER.replace("inputs: { size", "inputs: { count: { type: integer }, size");
    let broken = OUTER.replace("size: 3, ", "");
    assert_snapshot!(converted(&[("types.yaml", TYPES), ("inner.yaml", &inner), ("outer.yaml", &broken)]), @"
    outer.yaml:8:5: error: `cluster` has no property for the input `count` of what stands for it [missing_input]
         8 |     cluster:
           |     ^^^^^^^
           inner.yaml:4:13: the input is required here
    outer.yaml:8:5: error: `cluster` has no property for the input `size` of what stands for it [missing_input]
         8 |     cluster:
           |     ^^^^^^^
           inner.yaml:4:39: the input is required here
    ");
}

#[test]
fn a_service_that_stands_for_a_node_has_no_such_node_itself() {
    let third = "tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ types.yaml ]
topology_template:
  substitution_mappings: { node_type: my.Balancer }
";
    let inner = INNER
        .replace("balancer:\n", "balancer:\n      directives: [ substitute ]\n")
        .replace("[ types", "[ third.yaml, types");
    let files = [("types.yaml", TYPES), ("inner.yaml", &inner), ("outer.yaml", OUTER), ("third.yaml", third)];
    assert_snapshot!(converted(&files), @"
    inner.yaml:11:5: error: `balancer` is in a service that stands for a node, and needs one itself [substitute]
        11 |     balancer:
           |     ^^^^^^^^
           hint: one level is what gorch can do
    ");
}

#[test]
fn a_node_that_nothing_stands_for_is_there_already() {
    let alone = OUTER
        .replace(", inner.yaml", "")
        .replace("inputs: { URL: { get_attribute: [ cluster, url ] } }", "inputs: { URL: x }");
    assert_snapshot!(converted(&[("types.yaml", TYPES), ("outer.yaml", &alone)]), @r#"
    deploy: 4 steps
    1  net:create    shell            outer.yaml:7:33
    2  cluster:noop  nil              outer.yaml:8:5    after 1
    3  box:noop      nil              outer.yaml:13:5
    4  app:create    toscassh on box  outer.yaml:17:33  after 2, 3

    "args": ["URL=x"]
    "#);
}
