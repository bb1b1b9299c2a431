//! Requirements: which node each leads to, and what is said where there is none.

use insta::assert_snapshot;

use super::{check, convert, v1_3, v2_0};

/// What `a` reads of its target's name through its requirement, in TOSCA 1.3.
fn simple(requirement: &str, others: &str) -> String {
    convert(&v1_3(&format!(
        "\
capability_types: {{C: {{derived_from: tosca.capabilities.Root, properties: {{size: {{type: integer, default: 1}}}}}}, D: {{derived_from: C}}}}
relationship_types: {{R: {{derived_from: tosca.relationships.Root, properties: {{weight: {{type: integer, default: 1}}}}}}}}
node_types:
  S: {{derived_from: tosca.nodes.Root, requirements: [{{r: {{capability: C, relationship: R}}}}]}}
  T: {{derived_from: tosca.nodes.Root, properties: {{name: {{type: string}}}}, capabilities: {{c: {{type: C}}}}}}
  U: {{derived_from: tosca.nodes.Root, properties: {{name: {{type: string}}}}, capabilities: {{d: {{type: D}}}}}}
topology_template:
  node_templates:
    a:
      type: S
      requirements: {requirement}
      interfaces: {{Standard: {{operations: {{create: {{implementation: run.sh, inputs: {{found: {{get_property: [SELF, r, name]}}, size: {{get_property: [SELF, r, size]}}}}}}}}}}}}
{others}"
    )))
}

#[test]
fn a_requirement_names_a_template_a_type_or_neither() {
    let others = "    t: {type: T, properties: {name: t}}\n    u: {type: U, properties: {name: u}}\n";
    assert_snapshot!(["[{r: u}]", "[{r: {node: u}}]", "[{r: {node: U}}]", "[{r: {node: T}}]", "[{r: {capability: D}}]", "[{r: {capability: d, node: u}}]", "[]", "{r: u}"].map(|one| format!("{one}\n{}", simple(one, others))).concat(), @"
    [{r: u}]
    found=u
    size=1
    [{r: {node: u}}]
    found=u
    size=1
    [{r: {node: U}}]
    found=u
    size=1
    [{r: {node: T}}]
    found=t
    size=1
    [{r: {capability: D}}]
    found=u
    size=1
    [{r: {capability: d, node: u}}]
    found=u
    size=1
    []
    found=t
    size=1
    {r: u}
    found=u
    size=1
    ");
}

#[test]
fn what_cannot_be_led_to_is_told() {
    let others = "    t: {type: T, properties: {name: t}}\n";
    assert_snapshot!(["[{r: x}]", "[{r: {node: U}}]", "[{r: {node: t, capability: d}}]", "[{r: {node: tosca.nodes.Compute}}]", "[{q: t}]", "[{r: [t]}]"].map(|one| format!("{one}\n{}", simple(one, others))).concat(), @"
    [{r: x}]
    app.yaml:12:26: error: there is neither a node template nor a node type `x` [unknown_node]
        12 |       requirements: [{r: x}]
           |                          ^
           hint: there are: a, t
    [{r: {node: U}}]
    app.yaml:12:23: warning: `r` of `a` stays open: no node of this service offers it a `U` [open_requirement]
        12 |       requirements: [{r: {node: U}}]
           |                       ^
    [{r: {node: t, capability: d}}]
    app.yaml:13:157: error: `t` has no property `size` [unknown_property]
        13 | inputs: {found: {get_property: [SELF, r, name]}, size: {get_property: [SELF, r, size]}}}}}}
           |                                                                                 ^^^^
           hint: there are: name
    app.yaml:12:33: warning: `t` has no capability `d`, which `r` of `a` asks for [no_capability]
        12 |       requirements: [{r: {node: t, capability: d}}]
           |                                 ^
           app.yaml:5:55: it is asked for here
    [{r: {node: tosca.nodes.Compute}}]
    app.yaml:12:23: warning: `r` of `a` stays open: no node of this service offers it a `tosca.nodes.Compute` [open_requirement]
        12 |       requirements: [{r: {node: tosca.nodes.Compute}}]
           |                       ^
    [{q: t}]
    app.yaml:12:23: warning: `a` has no requirement `q` [unknown_requirement]
        12 |       requirements: [{q: t}]
           |                       ^
           hint: there are: dependency, r
    found=t
    size=1
    [{r: [t]}]
    app.yaml:12:26: error: `r`: found a list of 1, expected a node, or `[NODE, CAPABILITY]` [wrong_form]
        12 |       requirements: [{r: [t]}]
           |                          ^
    ");
}

#[test]
fn a_filter_picks_one_of_many() {
    let others = "    t1: {type: T, properties: {name: one}, capabilities: {c: {properties: {size: 1}}}}\n    t2: {type: T, properties: {name: two}, capabilities: {c: {properties: {size: 8}}}}\n";
    assert_snapshot!([
        "[{r: {node: T, node_filter: {properties: [{name: two}]}}}]",
        "[{r: {node: T, node_filter: {properties: [{name: {equal: two}}]}}}]",
        "[{r: {node: T, node_filter: {capabilities: [{c: {properties: [{size: {greater_than: 4}}]}}]}}}]",
        "[{r: {node: T, node_filter: {capabilities: [{C: {properties: [{size: [{greater_than: 4}, {less_than: 9}]}]}}]}}}]",
        "[{r: {node: T, node_filter: {properties: [{name: three}]}}}]",
        "[{r: {node: T, node_filter: {property: [{name: two}]}}}]",
        "[{r: {node: T, node_filter: {properties: {name: two}}}}]",
        "[{r: {node: T, node_filter: {properties: [{nam: two}]}}}]",
        "[{r: {node: T, node_filter: {properties: [{name: {equals: two}}]}}}]",
    ].map(|one| format!("{one}\n{}", simple(one, others))).concat(), @"
    [{r: {node: T, node_filter: {properties: [{name: two}]}}}]
    found=two
    size=8
    [{r: {node: T, node_filter: {properties: [{name: {equal: two}}]}}}]
    found=two
    size=8
    [{r: {node: T, node_filter: {capabilities: [{c: {properties: [{size: {greater_than: 4}}]}}]}}}]
    found=two
    size=8
    [{r: {node: T, node_filter: {capabilities: [{C: {properties: [{size: [{greater_than: 4}, {less_than: 9}]}]}}]}}}]
    found=two
    size=8
    [{r: {node: T, node_filter: {properties: [{name: three}]}}}]
    app.yaml:12:23: warning: `r` of `a` stays open: no node of this service offers it a `T` and keeps the filter [open_requirement]
        12 |       requirements: [{r: {node: T, node_filter: {properties: [{name: three}]}}}]
           |                       ^
    [{r: {node: T, node_filter: {property: [{name: two}]}}}]
    app.yaml:12:50: error: a filter has no key `property` [unknown_key]
        12 |       requirements: [{r: {node: T, node_filter: {property: [{name: two}]}}}]
           |                                                  ^^^^^^^^
           hint: did you mean `properties`?
    [{r: {node: T, node_filter: {properties: {name: two}}}}]
    found=two
    size=8
    [{r: {node: T, node_filter: {properties: [{nam: two}]}}}]
    app.yaml:12:23: warning: `r` of `a` stays open: no node of this service offers it a `T` and keeps the filter [open_requirement]
        12 |       requirements: [{r: {node: T, node_filter: {properties: [{nam: two}]}}}]
           |                       ^
    [{r: {node: T, node_filter: {properties: [{name: {equals: two}}]}}}]
    app.yaml:12:71: error: there is no constraint `equals` [unknown_constraint]
        12 |       requirements: [{r: {node: T, node_filter: {properties: [{name: {equals: two}}]}}}]
           |                                                                       ^^^^^^
           hint: did you mean `equal`?
    ");
}

#[test]
fn a_relationship_is_said_in_many_ways() {
    let told = |relationship: &str| {
        format!("{relationship}\n")
            + &check(&v1_3(&format!(
                "\
relationship_types: {{R: {{derived_from: tosca.relationships.DependsOn, properties: {{weight: {{type: integer}}}}}}}}
topology_template:
  node_templates:
    a: {{type: tosca.nodes.Root, requirements: [{{dependency: {{node: b, relationship: {relationship}}}}}]}}
    b: {{type: tosca.nodes.Root}}
  relationship_templates: {{made: {{type: R, properties: {{weight: 3}}}}}}
"
            )))
    };
    assert_snapshot!(["made", "tosca.relationships.DependsOn", "{type: R, properties: {weight: 2}}", "{type: made}", "R", "{type: R, properties: {weight: x, height: 1}}", "mad", "{properties: {weight: 1}}"].map(told).concat(), @"
    made
    tosca.relationships.DependsOn
    {type: R, properties: {weight: 2}}
    {type: made}
    R
    app.yaml:5:49: warning: the relationship `dependency` has no `weight` [missing_property]
         5 |     a: {type: tosca.nodes.Root, requirements: [{dependency: {node: b, relationship: R}}]}
           |                                                 ^^^^^^^^^^
           app.yaml:2:84: `weight` is required here, and has no default
    {type: R, properties: {weight: x, height: 1}}
    app.yaml:5:116: error: found `x`, expected a whole number [wrong_type]
         5 |     a: {type: tosca.nodes.Root, requirements: [{dependency: {node: b, relationship: {type: R, properties: {weight: x, height: 1}}}}]}
           |                                                                                                                    ^
           app.yaml:2:92: its type is `integer` here
    app.yaml:5:119: warning: the relationship `dependency` has no property `height` [unknown_property]
         5 |     a: {type: tosca.nodes.Root, requirements: [{dependency: {node: b, relationship: {type: R, properties: {weight: x, height: 1}}}}]}
           |                                                                                                                       ^^^^^^
           hint: did you mean `weight`?
    mad
    app.yaml:5:85: error: there is no relationship type `mad` [unknown_type]
         5 |     a: {type: tosca.nodes.Root, requirements: [{dependency: {node: b, relationship: mad}}]}
           |                                                                                     ^^^
           hint: there are: R, tosca.relationships.AttachesTo, tosca.relationships.ConnectsTo, tosca.relationships.DependsOn, tosca.relationships.HostedOn, tosca.relationships.Root, tosca.relationships.RoutesTo, tosca.relationships.network.BindsTo, tosca.relationships.network.LinksTo
    {properties: {weight: 1}}
    app.yaml:5:99: warning: the relationship `dependency` has no property `weight` [unknown_property]
         5 |     a: {type: tosca.nodes.Root, requirements: [{dependency: {node: b, relationship: {properties: {weight: 1}}}}]}
           |                                                                                                   ^^^^^^
    ");
}

#[test]
fn a_software_without_a_host_is_told() {
    assert_snapshot!(check(&v1_3("topology_template: {node_templates: {a: {type: tosca.nodes.WebServer}}}\n")), @"
    app.yaml:2:38: error: `a` needs `host`, and nothing in this service is one [missing_requirement]
         2 | topology_template: {node_templates: {a: {type: tosca.nodes.WebServer}}}
           |                                      ^
           org.oasis-open.simple:1.3:316:9: it is required here
    ");
    assert_snapshot!(check(&v1_3("topology_template: {node_templates: {a: {type: tosca.nodes.WebServer}, b: {type: tosca.nodes.Compute}}}\n")), @"");
}

/// A service of TOSCA 2.0 with these templates; `create` of `a` gets these inputs.
fn modern(template: &str, inputs: &str) -> String {
    convert(&v2_0(&format!(
        "\
capability_types: {{C: {{}}}}
relationship_types: {{R: {{}}}}
interface_types: {{Life: {{operations: {{create: {{}}}}}}}}
node_types:
  S:
    requirements: [{{r: {{capability: C, node: T, relationship: R, count_range: [1, 2]}}}}]
    interfaces: {{Life: {{type: Life, operations: {{create: run.sh}}}}}}
  T: {{capabilities: {{c: C}}, properties: {{i: {{type: integer, default: $node_index}}}}}}
service_template:
  node_templates:
    a: {{type: S, interfaces: {{Life: {{operations: {{create: {{inputs: {{{inputs}}}}}}}}}}}, {template}}}
    t: {{type: T, count: 3}}
  workflows:
    deploy: {{steps: {{one: {{target: a, activities: [{{call_operation: Life.create}}]}}}}}}
"
    )))
}

#[test]
fn counts_indices_and_filters_of_2_0() {
    let first = "x: {$get_property: [SELF, RELATIONSHIP, r, 0, TARGET, i]}";
    assert_snapshot!([
        "requirements: [{r: t}]",
        "requirements: [{r: [t, 2]}]",
        "requirements: [{r: {node: [t, 1]}}]",
        "requirements: [{r: {node: T, node_filter: {$equal: [{$get_property: [SELF, i]}, 2]}}}]",
        "requirements: [{r: {node: t, count: 2}}]",
        "requirements: []",
        "requirements: [{r: t}, {r: t}, {r: t}]",
        "requirements: [{r: {node: t, count: 5}}]",
        "requirements: [{r: [t, 7]}]",
        "requirements: [{r: {node: T, node_filter: {$equal: [{$get_property: [SELF, j]}, 2]}}}]",
        "requirements: [{r: {node: t, count: many}}]",
    ].map(|one| format!("{one}\n{}", modern(one, first))).concat(), @"
    requirements: [{r: t}]
    x=0
    requirements: [{r: [t, 2]}]
    x=2
    requirements: [{r: {node: [t, 1]}}]
    x=1
    requirements: [{r: {node: T, node_filter: {$equal: [{$get_property: [SELF, i]}, 2]}}}]
    x=2
    requirements: [{r: {node: t, count: 2}}]
    x=0
    requirements: []
    x=0
    requirements: [{r: t}, {r: t}, {r: t}]
    app.yaml:12:149: error: `r` is assigned 3 times, expected 1 to 2 [count_range]
        12 | x: {$get_property: [SELF, RELATIONSHIP, r, 0, TARGET, i]}}}}}}, requirements: [{r: t}, {r: t}, {r: t}]}
           |                                                                                 ^
           app.yaml:7:21: it is defined here
    requirements: [{r: {node: t, count: 5}}]
    app.yaml:12:149: error: `r` is assigned 5 times, expected 1 to 2 [count_range]
        12 | x: {$get_property: [SELF, RELATIONSHIP, r, 0, TARGET, i]}}}}}}, requirements: [{r: {node: t, count: 5}}]}
           |                                                                                 ^
           app.yaml:7:21: it is defined here
    requirements: [{r: [t, 7]}]
    app.yaml:12:156: error: found the index 7 of 3 nodes [unknown_node]
        12 |     a: {type: S, interfaces: {Life: {operations: {create: {inputs: {x: {$get_property: [SELF, RELATIONSHIP, r, 0, TARGET, i]}}}}}}, requirements: [{r: [t, 7]}]}
           |                                                                                                                                                            ^
           hint: the first one is 0
    requirements: [{r: {node: T, node_filter: {$equal: [{$get_property: [SELF, j]}, 2]}}}]
    app.yaml:12:208: error: `t_0` has no property `j` [unknown_property]
        12 | }}}, requirements: [{r: {node: T, node_filter: {$equal: [{$get_property: [SELF, j]}, 2]}}}]}
           |                                                                                 ^
           hint: there are: i
    app.yaml:12:208: error: `t_1` has no property `j` [unknown_property]
        12 | }}}, requirements: [{r: {node: T, node_filter: {$equal: [{$get_property: [SELF, j]}, 2]}}}]}
           |                                                                                 ^
           hint: there are: i
    app.yaml:12:208: error: `t_2` has no property `j` [unknown_property]
        12 | }}}, requirements: [{r: {node: T, node_filter: {$equal: [{$get_property: [SELF, j]}, 2]}}}]}
           |                                                                                 ^
           hint: there are: i
    requirements: [{r: {node: t, count: many}}]
    app.yaml:12:169: error: found `many`, expected a whole number [wrong_type]
        12 | SELF, RELATIONSHIP, r, 0, TARGET, i]}}}}}}, requirements: [{r: {node: t, count: many}}]}
           |                                                                                 ^^^^
    ");
}

#[test]
fn the_very_capability_comes_before_one_that_is_derived_from_it() {
    assert_snapshot!(check(&v2_0("\
capability_types: {A: {}, B: {derived_from: A}}
node_types:
  S: {requirements: [{r: {capability: A}}]}
  T: {capabilities: {first: B, second: A}}
service_template:
  node_templates: {s: {type: S, requirements: [{r: t}]}, t: {type: T}}
  outputs: {o: {value: {$get_property: [s, RELATIONSHIP, r, CAPABILITY, none]}}}
")), @"
    app.yaml:8:73: error: the capability `second` of `t` has no property `none` [unknown_property]
         8 |   outputs: {o: {value: {$get_property: [s, RELATIONSHIP, r, CAPABILITY, none]}}}
           |                                                                         ^^^^
    ");
}

#[test]
fn several_sources_take_several_targets() {
    assert_snapshot!(check(&v2_0("\
capability_types: {C: {}}
node_types:
  S: {requirements: [{r: {capability: C, count_range: [1, 1]}}]}
  T: {capabilities: {c: C}, properties: {i: {type: integer, default: $node_index, validation: {$less_than: [$value, 2]}}}}
service_template:
  node_templates: {s: {type: S, count: 3, requirements: [{r: [t, $node_index]}]}, t: {type: T, count: 3}, u: {type: S, requirements: [{r: [t, -1]}]}}
")), @"
    app.yaml:5:70: error: found `2`, which breaks a rule: {$less_than: [$value, 2]} [rule]
         5 |   T: {capabilities: {c: C}, properties: {i: {type: integer, default: $node_index, validation: {$less_than: [$value, 2]}}}}
           |                                                                      ^^^^^^^^^^^
           app.yaml:5:95: the rule stands here
    app.yaml:7:143: error: found the index -1 of 3 nodes [unknown_node]
         7 |   node_templates: {s: {type: S, count: 3, requirements: [{r: [t, $node_index]}]}, t: {type: T, count: 3}, u: {type: S, requirements: [{r: [t, -1]}]}}
           |                                                                                                                                               ^^
           hint: the first one is 0
    ");
}
