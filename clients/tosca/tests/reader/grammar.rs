//! The form of a template: keys, what may stand below them, and which version has them.

use insta::assert_snapshot;

use super::{check, v1_3, v2_0};

#[test]
fn an_unknown_key_is_told_with_the_nearest_known_one() {
    assert_snapshot!(check(&v1_3("\
node_type:
  T: {derived_from: tosca.nodes.Root}
topology_template:
  node_templates:
    a:
      type: tosca.nodes.Root
      requirement: []
      intefaces: {}
")), @"
    app.yaml:2:1: error: a TOSCA file has no key `node_type` in TOSCA 1.3 [unknown_key]
         2 | node_type:
           | ^^^^^^^^^
           hint: did you mean `node_types`?
    app.yaml:8:7: error: a node template has no key `requirement` in TOSCA 1.3 [unknown_key]
         8 |       requirement: []
           |       ^^^^^^^^^^^
           hint: did you mean `requirements`?
    app.yaml:9:7: error: a node template has no key `intefaces` in TOSCA 1.3 [unknown_key]
         9 |       intefaces: {}
           |       ^^^^^^^^^
           hint: did you mean `interfaces`?
    ");
    assert_snapshot!(check(&v2_0("\
node_types:
  T: {propertys: {}}
service_template:
  node_templates:
    a: {type: T, nodefilter: x}
")), @"
    app.yaml:3:7: error: a node type has no key `propertys` in TOSCA 2.0 [unknown_key]
         3 |   T: {propertys: {}}
           |       ^^^^^^^^^
           hint: did you mean `properties`?
    app.yaml:6:18: error: a node template has no key `nodefilter` in TOSCA 2.0 [unknown_key]
         6 |     a: {type: T, nodefilter: x}
           |                  ^^^^^^^^^^
           hint: did you mean `node_filter`?
    ");
}

#[test]
fn a_definition_of_the_older_versions_may_have_keys_of_tools() {
    assert_snapshot!(check(&v1_3("node_types: {T: {derived_from: tosca.nodes.Root, color: red}}\n")), @"
    app.yaml:2:50: warning: a node type has no key `color` in TOSCA 1.3 [unknown_key]
         2 | node_types: {T: {derived_from: tosca.nodes.Root, color: red}}
           |                                                  ^^^^^
           hint: there are: abstract, artifacts, attributes, capabilities, derived_from, description, interfaces, metadata, properties, requirements, tags, version
    ");
}

#[test]
fn a_missing_key_is_told_where_it_should_stand() {
    assert_snapshot!(check(&v1_3("\
repositories: {r: {description: none}}
topology_template:
  node_templates:
    a: {description: what is it}
  groups: {g: {members: [a]}}
  substitution_mappings: {capabilities: {}}
")), @"
    app.yaml:2:19: error: a repository has no `url` [missing_key]
         2 | repositories: {r: {description: none}}
           |                   ^
    app.yaml:5:5: error: the template `a` has no `type` [missing_key]
         5 |     a: {description: what is it}
           |     ^
    app.yaml:6:15: error: a group has no `type` [missing_key]
         6 |   groups: {g: {members: [a]}}
           |               ^
    app.yaml:7:26: error: a substitution mapping has no `node_type` [missing_key]
         7 |   substitution_mappings: {capabilities: {}}
           |                          ^
    ");
    assert_snapshot!(check("node_types: {}\n"), @"
    app.yaml:1:1: error: `tosca_definitions_version` is missing [version]
         1 | node_types: {}
           | ^
           hint: begin the file with `tosca_definitions_version: tosca_simple_yaml_1_3`
    ");
    assert_snapshot!(check("tosca_definition_version: tosca_2_0\n"), @"
    app.yaml:1:1: error: found `tosca_definition_version`, expected `tosca_definitions_version` [version]
         1 | tosca_definition_version: tosca_2_0
           | ^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(check("tosca_definitions_version: tosca_simple_yaml_1_4\n"), @"
    app.yaml:1:28: error: found `tosca_simple_yaml_1_4`, expected a version such as `tosca_simple_yaml_1_3` [version]
         1 | tosca_definitions_version: tosca_simple_yaml_1_4
           |                            ^^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `tosca_simple_yaml_1_0`?
    ");
    assert_snapshot!(check("description: first\ntosca_definitions_version: tosca_2_0\n"), @"
    app.yaml:2:1: error: `tosca_definitions_version` has to be the first key of a file of TOSCA 2.0 [version_first]
         2 | tosca_definitions_version: tosca_2_0
           | ^^^^^^^^^^^^^^^^^^^^^^^^^
           app.yaml:1:1: `description` stands before it
    ");
    assert_snapshot!(check(""), @"app.yaml:1:1: error: found nothing, expected a map that begins with `tosca_definitions_version` [version]");
    assert_snapshot!(check("- a\n"), @"
    app.yaml:1:1: error: found a list of 1, expected a map that begins with `tosca_definitions_version` [version]
         1 | - a
           | ^
    ");
}

#[test]
fn keys_of_other_versions_are_told_so() {
    assert_snapshot!(check(&v2_0("topology_template: {node_templates: {}}\n")), @"
    app.yaml:2:1: error: a TOSCA file has `topology_template` only until TOSCA 1.3: this file is TOSCA 2.0 [unknown_key]
         2 | topology_template: {node_templates: {}}
           | ^^^^^^^^^^^^^^^^^
           hint: in TOSCA 2.0 it is called `service_template`
    ");
    assert_snapshot!(check(&v1_3("service_template: {node_templates: {}}\n")), @"
    app.yaml:2:1: error: a TOSCA file has `service_template` only from TOSCA 2.0 on: this file is TOSCA 1.3 [unknown_key]
         2 | service_template: {node_templates: {}}
           | ^^^^^^^^^^^^^^^^
           hint: in TOSCA 1.3 it is called `topology_template`
    ");
    assert_snapshot!(check(&v1_3("\
topology_template:
  inputs:
    x: {type: integer, default: 1, validation: {$greater_than: [$value, 0]}}
")), @"
    app.yaml:4:36: warning: a parameter definition has `validation` only from TOSCA 2.0 on: this file is TOSCA 1.3 [unknown_key]
         4 |     x: {type: integer, default: 1, validation: {$greater_than: [$value, 0]}}
           |                                    ^^^^^^^^^^
           hint: in TOSCA 1.3 it is called `constraints`
    ");
    assert_snapshot!(check(&v2_0("\
capability_types: {c: {}}
node_types:
  T:
    requirements:
      - r: {capability: c, occurrences: [0, 1]}
    properties:
      p: {type: integer, required: false, constraints: [{greater_than: 0}]}
")), @"
    app.yaml:6:28: error: a requirement definition has `occurrences` only until TOSCA 1.3: this file is TOSCA 2.0 [unknown_key]
         6 |       - r: {capability: c, occurrences: [0, 1]}
           |                            ^^^^^^^^^^^
           hint: in TOSCA 2.0 it is called `count_range`
    app.yaml:8:43: error: a property definition has `constraints` only until TOSCA 1.3: this file is TOSCA 2.0 [unknown_key]
         8 |       p: {type: integer, required: false, constraints: [{greater_than: 0}]}
           |                                           ^^^^^^^^^^^
           hint: in TOSCA 2.0 it is called `validation`
    ");
    assert_snapshot!(check("\
tosca_definitions_version: tosca_simple_yaml_1_0
data_types:
  D: {key_schema: string}
topology_template:
  node_templates:
    a:
      type: tosca.nodes.Root
      count: 3
      interfaces: {Standard: {operations: {create: run.sh}}}
"), @"
    app.yaml:8:7: error: a node template has `count` only from TOSCA 2.0 on: this file is TOSCA 1.0 [unknown_key]
         8 |       count: 3
           |       ^^^^^
    app.yaml:3:7: warning: a data type has `key_schema` only from TOSCA 1.2 on: this file is TOSCA 1.0 [unknown_key]
         3 |   D: {key_schema: string}
           |       ^^^^^^^^^^
           hint: there are: constraints, derived_from, description, metadata, properties, version
    app.yaml:9:31: warning: an interface has `operations` only from TOSCA 1.3 on: this file is TOSCA 1.0 [unknown_key]
         9 |       interfaces: {Standard: {operations: {create: run.sh}}}
           |                               ^^^^^^^^^^
           hint: there are: description, inputs, metadata, type
    app.yaml:9:52: warning: not found: `run.sh` (looked for run.sh) [missing_file]
         9 |       interfaces: {Standard: {operations: {create: run.sh}}}
           |                                                    ^^^^^^
    ");
}

#[test]
fn nothing_is_nothing_before_2_0_and_wrong_in_it() {
    assert_snapshot!(check(&v1_3("\
description:
node_types:
  T: {derived_from: tosca.nodes.Root, properties: , requirements: , interfaces: }
topology_template:
  inputs:
  node_templates:
    a: {type: T, properties: }
")), @"");
    assert_snapshot!(check(&v2_0("\
description:
node_types:
  T: {properties: }
  U:
service_template:
  inputs:
  node_templates:
    a: {type: T, requirements: }
    b:
")), @"
    app.yaml:2:12: error: `description`: found nothing, expected a text [wrong_form]
         2 | description:
           |            ^
    app.yaml:4:17: error: `properties`: found nothing, expected a map [wrong_form]
         4 |   T: {properties: }
           |                 ^
    app.yaml:7:9: error: `inputs`: found nothing, expected a map [wrong_form]
         7 |   inputs:
           |         ^
    app.yaml:9:30: error: `requirements`: found nothing, expected a list [wrong_form]
         9 |     a: {type: T, requirements: }
           |                              ^
    app.yaml:10:6: error: a node template: found nothing, expected a map [wrong_form]
        10 |     b:
           |      ^
    ");
}

#[test]
fn what_stands_below_a_key_has_its_kind() {
    assert_snapshot!(check(&v1_3("\
description: [a]
node_types: [T]
topology_template:
  inputs: [x]
  node_templates:
    a: tosca.nodes.Root
    b: {type: [tosca.nodes.Root], directives: substitute, requirements: host, capabilities: []}
    c: {type: tosca.nodes.Root, requirements: [{host: a, other: b}, host]}
  policies: {}
  groups: {g: {type: tosca.groups.Root, members: a}}
")), @"
    app.yaml:2:14: error: `description`: found a list of 1, expected a text [wrong_form]
         2 | description: [a]
           |              ^
    app.yaml:3:13: error: `node_types`: found a list of 1, expected a map [wrong_form]
         3 | node_types: [T]
           |             ^
    app.yaml:5:11: error: `inputs`: found a list of 1, expected a map [wrong_form]
         5 |   inputs: [x]
           |           ^
    app.yaml:7:8: error: a node template: found `tosca.nodes.Root`, expected a map [wrong_form]
         7 |     a: tosca.nodes.Root
           |        ^^^^^^^^^^^^^^^^
    app.yaml:8:15: error: `type`: found a list of 1, expected a name [wrong_form]
         8 |     b: {type: [tosca.nodes.Root], directives: substitute, requirements: host, capabilities: []}
           |               ^
    app.yaml:8:47: error: `directives`: found `substitute`, expected a list [wrong_form]
         8 |     b: {type: [tosca.nodes.Root], directives: substitute, requirements: host, capabilities: []}
           |                                               ^^^^^^^^^^
    app.yaml:8:73: error: `requirements`: found `host`, expected a list of one-entry maps [wrong_form]
         8 |     b: {type: [tosca.nodes.Root], directives: substitute, requirements: host, capabilities: []}
           |                                                                         ^^^^
    app.yaml:8:93: error: `capabilities`: found a list of 0, expected a map [wrong_form]
         8 |     b: {type: [tosca.nodes.Root], directives: substitute, requirements: host, capabilities: []}
           |                                                                                             ^
    app.yaml:9:48: error: an item of `requirements`: found a map (`host: ...`), expected a map with one entry, `NAME: ...` [wrong_form]
         9 |     c: {type: tosca.nodes.Root, requirements: [{host: a, other: b}, host]}
           |                                                ^
           hint: each name begins with its own `-`, and what is below it stands deeper
    app.yaml:9:69: error: an item of `requirements`: found `host`, expected a map with one entry, `NAME: ...` [wrong_form]
         9 |     c: {type: tosca.nodes.Root, requirements: [{host: a, other: b}, host]}
           |                                                                     ^^^^
    app.yaml:11:50: error: `members`: found `a`, expected a list [wrong_form]
        11 |   groups: {g: {type: tosca.groups.Root, members: a}}
           |                                                  ^
    app.yaml:9:49: warning: `c` has no requirement `host` [unknown_requirement]
         9 |     c: {type: tosca.nodes.Root, requirements: [{host: a, other: b}, host]}
           |                                                 ^^^^
           hint: there are: dependency
    app.yaml:9:58: warning: `c` has no requirement `other` [unknown_requirement]
         9 |     c: {type: tosca.nodes.Root, requirements: [{host: a, other: b}, host]}
           |                                                          ^^^^^
           hint: there are: dependency
    ");
    assert_snapshot!(check(&v2_0("\
node_types:
  T: {version: 1, properties: [{p: {type: string}}], requirements: {r: c}}
  U: {properties: {p: {type: string, required: maybe}}}
service_template: []
")), @"
    app.yaml:3:16: error: `version`: found `1`, expected a version such as `1.2` or `1.2.3.beta-4` [wrong_form]
         3 |   T: {version: 1, properties: [{p: {type: string}}], requirements: {r: c}}
           |                ^
    app.yaml:3:31: error: `properties`: found a list of 1, expected a map [wrong_form]
         3 |   T: {version: 1, properties: [{p: {type: string}}], requirements: {r: c}}
           |                               ^
    app.yaml:3:68: error: `requirements`: found a map (`r: ...`), expected a list of one-entry maps [wrong_form]
         3 |   T: {version: 1, properties: [{p: {type: string}}], requirements: {r: c}}
           |                                                                    ^
    app.yaml:3:72: error: there is no capability type `c` [unknown_type]
         3 |   T: {version: 1, properties: [{p: {type: string}}], requirements: {r: c}}
           |                                                                        ^
    app.yaml:4:48: error: `required`: found `maybe`, expected `true` or `false` [wrong_form]
         4 |   U: {properties: {p: {type: string, required: maybe}}}
           |                                                ^^^^^
    app.yaml:5:19: error: a service template: found a list of 0, expected a map [wrong_form]
         5 | service_template: []
           |                   ^
    ");
}

#[test]
fn a_key_that_stands_twice_is_an_error_in_2_0_only() {
    assert_snapshot!(check(&v2_0("node_types: {T: {}}\nservice_template:\n  node_templates:\n    a: {type: T}\n    a: {type: T, description: other}\n")), @"
    app.yaml:6:5: error: the key `a` stands twice in this map [duplicate_key]
         6 |     a: {type: T, description: other}
           |     ^
           app.yaml:5:5: it stands here first
    ");
    assert_snapshot!(check(&v1_3("topology_template:\n  node_templates:\n    a: {type: tosca.nodes.Root}\n    a: {type: tosca.nodes.Compute}\n")), @"
    app.yaml:5:5: warning: the key `a` stands twice in this map [duplicate_key]
         5 |     a: {type: tosca.nodes.Compute}
           |     ^
           app.yaml:4:5: it stands here first
    ");
}

#[test]
fn names_are_texts() {
    assert_snapshot!(check(&v2_0("node_types: {1: {}, '': {}, true: {}, [a]: {}}\n")), @"
    app.yaml:2:14: error: the name of an entry of `node_types`: found `1`, expected a text [wrong_form]
         2 | node_types: {1: {}, '': {}, true: {}, [a]: {}}
           |              ^
    app.yaml:2:21: error: the name of an entry of `node_types`: found an empty text, expected a name [wrong_form]
         2 | node_types: {1: {}, '': {}, true: {}, [a]: {}}
           |                     ^^
    app.yaml:2:29: error: the name of an entry of `node_types`: found `true`, expected a text [wrong_form]
         2 | node_types: {1: {}, '': {}, true: {}, [a]: {}}
           |                             ^^^^
    app.yaml:2:39: error: the name of an entry of `node_types`: found a list of 1, expected a name [wrong_form]
         2 | node_types: {1: {}, '': {}, true: {}, [a]: {}}
           |                                       ^
    ");
}

#[test]
fn operations_stand_where_their_version_has_them() {
    assert_snapshot!(check(&v2_0("\
interface_types: {I: {operations: {go: {}}}}
node_types: {T: {interfaces: {i: {type: I, go: run.sh}}}}
")), @"
    app.yaml:3:44: error: an interface has no key `go` in TOSCA 2.0 [unknown_key]
         3 | node_types: {T: {interfaces: {i: {type: I, go: run.sh}}}}
           |                                            ^^
           hint: in TOSCA 2.0 operations stand below `operations`
    ");
    assert_snapshot!(check(&v1_3("\
topology_template:
  node_templates:
    a:
      type: tosca.nodes.Root
      interfaces: {Standard: {create: [run.sh], start: {implementation: [run.sh]}, stop: {primary: run.sh}}}
")), @"
    app.yaml:6:39: error: `create`: found a list of 1, expected a text or a map [wrong_form]
         6 |       interfaces: {Standard: {create: [run.sh], start: {implementation: [run.sh]}, stop: {primary: run.sh}}}
           |                                       ^
    app.yaml:6:73: error: `implementation`: found a list of 1, expected a text or an implementation [wrong_form]
         6 |       interfaces: {Standard: {create: [run.sh], start: {implementation: [run.sh]}, stop: {primary: run.sh}}}
           |                                                                         ^
    app.yaml:6:91: warning: an operation has no key `primary` in TOSCA 1.3 [unknown_key]
         6 |       interfaces: {Standard: {create: [run.sh], start: {implementation: [run.sh]}, stop: {primary: run.sh}}}
           |                                                                                           ^^^^^^^
           hint: there are: description, executor, implementation, inputs, metadata, outputs
    ");
}
