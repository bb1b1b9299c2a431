//! Types: how they are found, what they are derived from, and how they refine each other.

use insta::assert_snapshot;

use super::{Disk, check, v1_3, v2_0};

#[test]
fn an_unknown_type_is_told_with_the_nearest_known_one() {
    assert_snapshot!(check(&v1_3("\
node_types:
  T:
    derived_from: tosca.nodes.SoftwareComponnent
    properties: {p: {type: strin}, q: {type: list, entry_schema: {type: my.Data}}}
    capabilities: {c: {type: tosca.capabilities.Endpiont}}
    requirements: [{r: {capability: tosca.capability.Node, relationship: tosca.relationships.Connects}}]
    interfaces: {I: {type: tosca.interfaces.Rooot}}
    artifacts: {f: {file: run.sh, type: tosca.artifacts.Bash}}
topology_template:
  node_templates: {a: {type: my.Node}}
")), @"
    app.yaml:4:19: error: there is no node type `tosca.nodes.SoftwareComponnent` [unknown_type]
         4 |     derived_from: tosca.nodes.SoftwareComponnent
           |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `tosca.nodes.SoftwareComponent`?
    app.yaml:5:28: error: there is no data type `strin` [unknown_type]
         5 |     properties: {p: {type: strin}, q: {type: list, entry_schema: {type: my.Data}}}
           |                            ^^^^^
           hint: did you mean `string`?
    app.yaml:5:73: error: there is no data type `my.Data` [unknown_type]
         5 |     properties: {p: {type: strin}, q: {type: list, entry_schema: {type: my.Data}}}
           |                                                                         ^^^^^^^
    app.yaml:6:30: error: there is no capability type `tosca.capabilities.Endpiont` [unknown_type]
         6 |     capabilities: {c: {type: tosca.capabilities.Endpiont}}
           |                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `tosca.capabilities.Endpoint`?
    app.yaml:7:37: error: there is no capability type `tosca.capability.Node` [unknown_type]
         7 |     requirements: [{r: {capability: tosca.capability.Node, relationship: tosca.relationships.Connects}}]
           |                                     ^^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `tosca.capabilities.Node`?
    app.yaml:7:74: error: there is no relationship type `tosca.relationships.Connects` [unknown_type]
         7 |     requirements: [{r: {capability: tosca.capability.Node, relationship: tosca.relationships.Connects}}]
           |                                                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `tosca.relationships.ConnectsTo`?
    app.yaml:8:28: error: there is no interface type `tosca.interfaces.Rooot` [unknown_type]
         8 |     interfaces: {I: {type: tosca.interfaces.Rooot}}
           |                            ^^^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `tosca.interfaces.Root`?
    app.yaml:11:30: error: there is no node type `my.Node` [unknown_type]
        11 |   node_templates: {a: {type: my.Node}}
           |                              ^^^^^^^
    ");
    assert_snapshot!(check(&v2_0("service_template: {node_templates: {a: {type: tosca.nodes.Compute}}}\n")), @"
    app.yaml:2:47: error: there is no node type `tosca.nodes.Compute` [unknown_type]
         2 | service_template: {node_templates: {a: {type: tosca.nodes.Compute}}}
           |                                               ^^^^^^^^^^^^^^^^^^^
           hint: TOSCA 2.0 has no types of its own: import `profile: org.oasis-open.simple:2.0`
    ");
}

#[test]
fn a_type_that_is_derived_from_itself_is_told_once() {
    assert_snapshot!(check(&v1_3("node_types: {A: {derived_from: B}, B: {derived_from: C}, C: {derived_from: A}, D: {derived_from: B}}\n")), @"
    app.yaml:2:14: error: `A` is derived from itself: A -> B -> C -> A [derived_from_itself]
         2 | node_types: {A: {derived_from: B}, B: {derived_from: C}, C: {derived_from: A}, D: {derived_from: B}}
           |              ^
    ");
    assert_snapshot!(check(&v2_0("capability_types: {c: {derived_from: c}}\ndata_types: {d: {derived_from: d}}\n")), @"
    app.yaml:2:20: error: `c` is derived from itself: c -> c [derived_from_itself]
         2 | capability_types: {c: {derived_from: c}}
           |                    ^
    app.yaml:3:14: error: `d` is derived from itself: d -> d [derived_from_itself]
         3 | data_types: {d: {derived_from: d}}
           |              ^
    ");
}

#[test]
fn the_older_versions_know_types_by_short_names() {
    assert_snapshot!(check(&v1_3("\
topology_template:
  node_templates:
    a: {type: Compute}
    b: {type: tosca:WebServer, requirements: [{host: a}]}
    c: {type: 'tosca:BlockStorage', properties: {size: 1 GB}}
")), @"");
}

#[test]
fn prefixes_and_namespaces_stand_before_the_names_of_an_import() {
    let types = v1_3("node_types: {my.T: {derived_from: tosca.nodes.Root}}\n");
    let app = v1_3(
        "\
imports: [{file: types.yaml, namespace_prefix: his}]
topology_template: {node_templates: {a: {type: 'his:my.T'}, b: {type: his.my.T}, c: {type: 'hers:my.T'}}}
",
    );
    assert_snapshot!(Disk::with(&[("app.yaml", &app), ("types.yaml", &types)]).check(), @"
    app.yaml:3:92: error: there is no node type `hers:my.T` [unknown_type]
         3 | topology_template: {node_templates: {a: {type: 'his:my.T'}, b: {type: his.my.T}, c: {type: 'hers:my.T'}}}
           |                                                                                            ^^^^^^^^^^^
    ");
    let types = v2_0("node_types: {T: {}, U: {derived_from: T}}\n");
    let app = v2_0(
        "\
imports: [{url: types.yaml, namespace: his}]
node_types: {V: {derived_from: 'his:U'}}
service_template: {node_templates: {a: {type: 'his:T'}, b: {type: V}, c: {type: T}, d: {type: 'hers:T'}}}
",
    );
    assert_snapshot!(Disk::with(&[("app.yaml", &app), ("types.yaml", &types)]).check(), @"
    app.yaml:4:81: error: there is no node type `T` [unknown_type]
         4 | service_template: {node_templates: {a: {type: 'his:T'}, b: {type: V}, c: {type: T}, d: {type: 'hers:T'}}}
           |                                                                                 ^
           hint: did you mean `his:T`?
    app.yaml:4:95: error: there is no node type `hers:T` [unknown_type]
         4 | service_template: {node_templates: {a: {type: 'his:T'}, b: {type: V}, c: {type: T}, d: {type: 'hers:T'}}}
           |                                                                                               ^^^^^^^^
           hint: there are: T, U, V
    ");
}

#[test]
fn in_2_0_what_refines_may_say_more_and_nothing_else() {
    assert_snapshot!(check(&v2_0("\
capability_types: {C: {}, D: {derived_from: C}, E: {}}
data_types: {Big: {derived_from: integer}}
node_types:
  A:
    properties:
      same: {type: integer}
      more: {type: integer}
      other: {type: integer}
      needed: {type: integer}
      fixed: {type: integer, value: 1}
    capabilities: {c: C, d: C}
  B:
    derived_from: A
    properties:
      same: {description: more words}
      more: {type: Big, validation: {$greater_than: [$value, 1]}}
      other: {type: string}
      needed: {type: integer, required: false}
      fixed: {value: 2}
    capabilities: {c: D, d: E}
")), @"
    app.yaml:18:7: error: `other` is `string` here, and `integer` in what this is derived from [refinement]
        18 |       other: {type: string}
           |       ^^^^^
           app.yaml:9:7: `other` is `integer` here
           hint: a refined property has the same type, or one that is derived from it
    app.yaml:19:41: error: `needed` is required: a refined property cannot be less [refinement]
        19 |       needed: {type: integer, required: false}
           |                                         ^^^^^
           app.yaml:10:7: it is required here
    app.yaml:20:22: error: `fixed` is always 1: it cannot become 2 [refinement]
        20 |       fixed: {value: 2}
           |                      ^
           app.yaml:11:37: its value is fixed here
    app.yaml:21:29: error: `E` is not derived from `C`, which it refines [refinement]
        21 |     capabilities: {c: D, d: E}
           |                             ^
           app.yaml:12:26: it is `C` here
    ");
}

#[test]
fn before_2_0_a_definition_stands_instead_of_the_one_it_overrides() {
    assert_snapshot!(check(&v1_3("\
node_types:
  A: {derived_from: tosca.nodes.Root, properties: {p: {type: integer, default: 1}}}
  B: {derived_from: A, properties: {p: {type: string, default: x}}}
topology_template: {node_templates: {a: {type: B, properties: {p: text}}}}
")), @"");
}

#[test]
fn a_definition_without_a_type_is_told() {
    assert_snapshot!(check(&v2_0("node_types: {T: {properties: {p: {description: of what}}, capabilities: {c: {}}, requirements: [{r: {node: T}}], interfaces: {I: {}}}}\n")), @"
    app.yaml:2:31: error: `p` has no `type` [missing_key]
         2 | node_types: {T: {properties: {p: {description: of what}}, capabilities: {c: {}}, requirements: [{r: {node: T}}], interfaces: {I: {}}}}
           |                               ^
    app.yaml:2:74: error: a capability has no `type` [missing_key]
         2 | node_types: {T: {properties: {p: {description: of what}}, capabilities: {c: {}}, requirements: [{r: {node: T}}], interfaces: {I: {}}}}
           |                                                                          ^
    app.yaml:2:98: error: the requirement `r` has no `capability` [missing_key]
         2 | node_types: {T: {properties: {p: {description: of what}}, capabilities: {c: {}}, requirements: [{r: {node: T}}], interfaces: {I: {}}}}
           |                                                                                                  ^
    app.yaml:2:127: error: the interface `I` has no `type` [missing_key]
         2 | node_types: {T: {properties: {p: {description: of what}}, capabilities: {c: {}}, requirements: [{r: {node: T}}], interfaces: {I: {}}}}
           |                                                                                                                               ^
    ");
    assert_snapshot!(check(&v1_3("node_types: {T: {derived_from: tosca.nodes.Root, properties: {p: {description: of what}, q: string}}}\n")), @"
    app.yaml:2:63: warning: `p` has no `type` [missing_key]
         2 | node_types: {T: {derived_from: tosca.nodes.Root, properties: {p: {description: of what}, q: string}}}
           |                                                               ^
    app.yaml:2:93: warning: `q`: found `string`, expected a property definition [wrong_form]
         2 | node_types: {T: {derived_from: tosca.nodes.Root, properties: {p: {description: of what}, q: string}}}
           |                                                                                             ^^^^^^
    ");
}

#[test]
fn an_operation_is_one_of_its_interface() {
    assert_snapshot!(check(&v1_3("\
topology_template:
  node_templates:
    a: {type: tosca.nodes.Root, interfaces: {Standard: {operations: {creat: run.sh}}}}
    b: {type: tosca.nodes.Root, interfaces: {Standart: {operations: {create: run.sh}}}}
")), @"
    app.yaml:4:70: error: `tosca.interfaces.node.lifecycle.Standard` has no operation `creat` [unknown_operation]
         4 |     a: {type: tosca.nodes.Root, interfaces: {Standard: {operations: {creat: run.sh}}}}
           |                                                                      ^^^^^
           hint: did you mean `create`?
    app.yaml:4:77: warning: not found: `run.sh` (looked for run.sh) [missing_file]
         4 |     a: {type: tosca.nodes.Root, interfaces: {Standard: {operations: {creat: run.sh}}}}
           |                                                                             ^^^^^^
    app.yaml:5:46: warning: the type has no interface `Standart` [unknown_interface]
         5 |     b: {type: tosca.nodes.Root, interfaces: {Standart: {operations: {create: run.sh}}}}
           |                                              ^^^^^^^^
           hint: did you mean `Standard`?
    ");
    assert_snapshot!(check(&v2_0("\
interface_types: {I: {operations: {go: {}}}}
node_types: {T: {interfaces: {i: {type: I, operations: {gone: {}}}}}}
service_template: {node_templates: {a: {type: T, interfaces: {i: {operations: {og: {}}}, j: {operations: {go: {}}}}}}}
")), @"
    app.yaml:3:57: error: `I` has no operation `gone` [unknown_operation]
         3 | node_types: {T: {interfaces: {i: {type: I, operations: {gone: {}}}}}}
           |                                                         ^^^^
           hint: did you mean `go`?
    app.yaml:4:80: error: `I` has no operation `og` [unknown_operation]
         4 | service_template: {node_templates: {a: {type: T, interfaces: {i: {operations: {og: {}}}, j: {operations: {go: {}}}}}}}
           |                                                                                ^^
           hint: did you mean `go`?
    app.yaml:4:90: warning: the type has no interface `j`: nobody will call what is in it [unknown_interface]
         4 | service_template: {node_templates: {a: {type: T, interfaces: {i: {operations: {og: {}}}, j: {operations: {go: {}}}}}}}
           |                                                                                          ^
    ");
}

#[test]
fn a_capability_takes_the_sources_it_names() {
    assert_snapshot!(check(&v2_0("\
capability_types: {c: {valid_source_node_types: [S]}}
node_types:
  S: {requirements: [{r: {capability: c, count_range: [1, 1]}}]}
  X: {requirements: [{r: {capability: c, count_range: [1, 1]}}]}
  T: {capabilities: {c: c}}
service_template:
  node_templates:
    s: {type: S, requirements: [{r: t}]}
    x: {type: X, requirements: [{r: t}]}
    y: {type: X}
    t: {type: T}
")), @"
    app.yaml:10:37: error: the capability `c` of `t` takes nodes of the type S: `x` is a `X` [wrong_source]
        10 |     x: {type: X, requirements: [{r: t}]}
           |                                     ^
           app.yaml:6:22: it is defined here
    app.yaml:11:5: warning: `r` of `y` stays open: no node of this service offers it the capability `c` [open_requirement]
        11 |     y: {type: X}
           |     ^
    ");
}

#[test]
fn counts_of_requirements_are_ranges() {
    assert_snapshot!(check(&v2_0("\
capability_types: {c: {}}
node_types: {T: {requirements: [{a: {capability: c, count_range: [2, 1]}}, {b: {capability: c, count_range: [1]}}, {d: {capability: c, count_range: [x, 1]}}, {e: {capability: c, count_range: [1, UNBOUNDED]}}]}}
")), @"
    app.yaml:3:66: error: `a`: found [2, 1], expected a range such as `[0, 1]` or `[1, UNBOUNDED]` [count_range]
         3 | node_types: {T: {requirements: [{a: {capability: c, count_range: [2, 1]}}, {b: {capability: c, count_range: [1]}}, {d: {capability: c, count_range: [x, 1]}}, {e
           |                                                                  ^
    app.yaml:3:109: error: `b`: found [1], expected a range such as `[0, 1]` or `[1, UNBOUNDED]` [count_range]
         3 | s: [{a: {capability: c, count_range: [2, 1]}}, {b: {capability: c, count_range: [1]}}, {d: {capability: c, count_range: [x, 1]}}, {e: {capability: c, count_rang
           |                                                                                 ^
    app.yaml:3:149: error: `d`: found [x, 1], expected a range such as `[0, 1]` or `[1, UNBOUNDED]` [count_range]
         3 |  1]}}, {b: {capability: c, count_range: [1]}}, {d: {capability: c, count_range: [x, 1]}}, {e: {capability: c, count_range: [1, UNBOUNDED]}}]}}
           |                                                                                 ^
    ");
    assert_snapshot!(check(&v1_3("node_types: {T: {derived_from: tosca.nodes.Root, requirements: [{a: {capability: tosca.capabilities.Node, occurrences: [UNBOUNDED, 1]}}]}}\n")), @"
    app.yaml:2:120: error: `a`: found [UNBOUNDED, 1], expected a range such as `[0, 1]` or `[1, UNBOUNDED]` [count_range]
         2 | node_types: {T: {derived_from: tosca.nodes.Root, requirements: [{a: {capability: tosca.capabilities.Node, occurrences: [UNBOUNDED, 1]}}]}}
           |                                                                                                                        ^
    ");
}

#[test]
fn an_input_of_an_operation_that_has_a_type_is_a_definition() {
    assert_snapshot!(check(&v1_3("\
node_types:
  T:
    derived_from: tosca.nodes.Root
    interfaces:
      Standard:
        inputs: {p: {type: strig}}
        create:
          inputs: {q: {type: integer, default: x}, r: {type: integer, default: y, mapping: x}, s: {type: integer, value: z}}
topology_template:
  inputs:
    x: {type: integer, default: 1, annotations: [a]}
    y: {description: no type, default: 2}
    z: string
  outputs: {x: {type: integer, value: {get_input: x}}}
")), @"
    app.yaml:7:28: error: there is no data type `strig` [unknown_type]
         7 |         inputs: {p: {type: strig}}
           |                            ^^^^^
           hint: did you mean `string`?
    app.yaml:9:48: error: found `x`, expected a whole number [wrong_type]
         9 |           inputs: {q: {type: integer, default: x}, r: {type: integer, default: y, mapping: x}, s: {type: integer, value: z}}
           |                                                ^
           app.yaml:9:23: its type is `integer` here
    app.yaml:9:80: error: found `y`, expected a whole number [wrong_type]
         9 |           inputs: {q: {type: integer, default: x}, r: {type: integer, default: y, mapping: x}, s: {type: integer, value: z}}
           |                                                                                ^
           app.yaml:9:55: its type is `integer` here
    app.yaml:9:122: error: found `z`, expected a whole number [wrong_type]
         9 |           inputs: {q: {type: integer, default: x}, r: {type: integer, default: y, mapping: x}, s: {type: integer, value: z}}
           |                                                                                                                          ^
           app.yaml:9:99: its type is `integer` here
    app.yaml:12:36: warning: a parameter definition has no key `annotations` in TOSCA 1.3 [unknown_key]
        12 |     x: {type: integer, default: 1, annotations: [a]}
           |                                    ^^^^^^^^^^^
           hint: there are: constraints, default, description, entry_schema, external-schema, external_schema, key_schema, metadata, required, status, type, value
    app.yaml:12:36: warning: a parameter definition has no key `annotations` [unknown_key]
        12 |     x: {type: integer, default: 1, annotations: [a]}
           |                                    ^^^^^^^^^^^
           hint: there are: constraints, default, description, entry_schema, key_schema, mapping, metadata, required, status, type, validation, value
    app.yaml:14:8: warning: `z`: found `string`, expected a parameter definition [wrong_form]
        14 |     z: string
           |        ^^^^^^
    ");
}
