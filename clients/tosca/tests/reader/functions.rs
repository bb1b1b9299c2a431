//! Functions: what they come to, and what is said where they cannot.

use insta::assert_snapshot;

use super::{check, convert, v1_3, v2_0};

/// A service of TOSCA 1.3 whose node `a` gets these inputs for `create`.
fn simple(inputs: &str) -> String {
    convert(&v1_3(&format!(
        "\
data_types:
  D: {{derived_from: tosca.datatypes.Root, properties: {{port: {{type: integer, default: 80}}, names: {{type: list, entry_schema: string, default: [x, y]}}}}}}
capability_types:
  C: {{derived_from: tosca.capabilities.Root, properties: {{size: {{type: integer, default: 5}}, only: {{type: string, default: here}}}}}}
relationship_types:
  R: {{derived_from: tosca.relationships.Root, properties: {{weight: {{type: integer, default: 9}}}}}}
node_types:
  T:
    derived_from: tosca.nodes.Root
    properties: {{p: {{type: string, default: text}}, d: {{type: D, default: {{}}}}, size: {{type: integer, default: 7}}, none: {{type: string, required: false}}}}
    attributes: {{address: {{type: string, default: nowhere}}}}
    capabilities: {{c: {{type: C}}}}
    requirements: [{{r: {{capability: C, relationship: R, occurrences: [0, 1]}}}}, {{host: {{capability: tosca.capabilities.Compute, occurrences: [0, 1]}}}}]
  H: {{derived_from: tosca.nodes.Compute, properties: {{color: {{type: string, default: red}}}}}}
topology_template:
  inputs:
    number: {{type: integer, default: 3}}
    map: {{type: map, entry_schema: {{type: list, entry_schema: string}}, default: {{k: [one, two]}}}}
  node_templates:
    a:
      type: T
      properties: {{p: {{concat: [\"<\", {{get_property: [b, p]}}, \">\"]}}}}
      requirements: [{{r: b}}, {{host: {{node: h, relationship: tosca.relationships.HostedOn}}}}]
      artifacts: {{f: run.sh}}
      interfaces: {{Standard: {{operations: {{create: {{implementation: run.sh, inputs: {{{inputs}}}}}}}}}}}
    b: {{type: T}}
    h: {{type: H}}
"
    )))
}

/// The same for TOSCA 2.0, where `a` is the second of two nodes.
fn modern(inputs: &str) -> String {
    convert(&v2_0(&format!(
        "\
functions: {{own: {{signatures: [{{result: {{type: integer}}}}]}}}}
capability_types:
  C: {{properties: {{size: {{type: integer, default: 5}}}}}}
relationship_types:
  R: {{properties: {{weight: {{type: integer, default: $relationship_index}}}}}}
interface_types: {{Life: {{operations: {{create: {{}}}}}}}}
node_types:
  T:
    properties: {{p: {{type: string, default: text}}, i: {{type: integer, default: $node_index}}, l: {{type: list, entry_schema: integer, default: [1, 2]}}}}
    attributes: {{address: {{type: string, default: nowhere}}}}
    capabilities: {{c: {{type: C}}}}
    requirements: [{{r: {{capability: C, relationship: R, count_range: [0, UNBOUNDED]}}}}]
    interfaces: {{Life: {{type: Life}}}}
service_template:
  inputs: {{number: {{type: integer, default: 3}}}}
  node_templates:
    a:
      type: T
      requirements: [{{r: b}}, {{r: [many, 2]}}]
      interfaces: {{Life: {{operations: {{create: {{implementation: run.sh, inputs: {{{inputs}}}}}}}}}}}
    b: {{type: T}}
    many: {{type: T, count: 3}}
  workflows:
    deploy: {{steps: {{one: {{target: a, activities: [{{call_operation: Life.create}}]}}}}}}
"
    )))
}

#[test]
fn inputs_and_parts_of_them() {
    assert_snapshot!(simple("a: {get_input: number}, b: {get_input: map}, c: {get_input: [map, k, 1]}, d: {get_input: [number]}"), @r#"
    a=3
    b={"k":["one","two"]}
    c=two
    d=3
    "#);
    assert_snapshot!(simple("a: {get_input: nubmer}, b: {get_input: [map, x]}, c: {get_input: [map, k, 7]}, d: {get_input: []}, e: {get_input: [number, x]}"), @"
    app.yaml:26:101: error: there is no input `nubmer` [unknown_input]
        26 | tandard: {operations: {create: {implementation: run.sh, inputs: {a: {get_input: nubmer}, b: {get_input: [map, x]}, c: {get_input: [map, k, 7]}, d: {get_input: [
           |                                                                                 ^^^^^^
           hint: did you mean `number`?
    app.yaml:26:131: error: a map has no `x` [unknown_property]
        26 |  {implementation: run.sh, inputs: {a: {get_input: nubmer}, b: {get_input: [map, x]}, c: {get_input: [map, k, 7]}, d: {get_input: []}, e: {get_input: [number, x]
           |                                                                                 ^
    app.yaml:26:160: error: a list of 2 has no `7` [unknown_property]
        26 | uts: {a: {get_input: nubmer}, b: {get_input: [map, x]}, c: {get_input: [map, k, 7]}, d: {get_input: []}, e: {get_input: [number, x]}}}}}}
           |                                                                                 ^
    app.yaml:26:168: error: `get_input` takes the name of an input: found {get_input: []} [function]
        26 |  {get_input: nubmer}, b: {get_input: [map, x]}, c: {get_input: [map, k, 7]}, d: {get_input: []}, e: {get_input: [number, x]}}}}}}
           |                                                                                 ^
    app.yaml:26:209: error: `3` has no `x` [unknown_property]
        26 | , x]}, c: {get_input: [map, k, 7]}, d: {get_input: []}, e: {get_input: [number, x]}}}}}}
           |                                                                                 ^
    ");
    assert_snapshot!(modern("a: {$get_input: number}, b: {$get_input: [nothing]}, c: {get_input: number}"), @"
    app.yaml:21:124: error: there is no input `nothing` [unknown_input]
        21 | te: {implementation: run.sh, inputs: {a: {$get_input: number}, b: {$get_input: [nothing]}, c: {get_input: number}}}}}}
           |                                                                                 ^^^^^^^
           hint: there are: number
    ");
}

#[test]
fn properties_of_whoever_is_named() {
    assert_snapshot!(simple("a: {get_property: [SELF, p]}, b: {get_property: [b, p]}, c: {get_property: [SELF, d, port]}, d: {get_property: [SELF, d, names, 1]}, e: {get_property: [HOST, color]}"), @"
    a=<text>
    b=text
    c=80
    d=y
    e=red
    ");
    assert_snapshot!(simple("a: {get_property: [SELF, c, only]}, b: {get_property: [SELF, r, size]}, c: {get_property: [SELF, size]}, d: {get_property: [SELF, r, only]}, e: {get_property: [SELF, none]}"), @"
    a=here
    b=5
    c=7
    d=here
    ");
    assert_snapshot!(simple("a: {get_property: [SELF, q]}, b: {get_property: [x, p]}, c: {get_property: [SELF, d, prt]}, d: {get_property: [SELF, d, names, 9]}"), @"
    app.yaml:26:111: error: `a` has no property `q` [unknown_property]
        26 | operations: {create: {implementation: run.sh, inputs: {a: {get_property: [SELF, q]}, b: {get_property: [x, p]}, c: {get_property: [SELF, d, prt]}, d: {get_prope
           |                                                                                 ^
           hint: there are: d, none, p, size
    app.yaml:26:135: error: there is no node template `x` [unknown_node]
        26 | plementation: run.sh, inputs: {a: {get_property: [SELF, q]}, b: {get_property: [x, p]}, c: {get_property: [SELF, d, prt]}, d: {get_property: [SELF, d, names, 9]
           |                                                                                 ^
           hint: there are: a, b, h
    app.yaml:26:171: error: a map has no `prt` [unknown_property]
        26 | et_property: [SELF, q]}, b: {get_property: [x, p]}, c: {get_property: [SELF, d, prt]}, d: {get_property: [SELF, d, names, 9]}}}}}}
           |                                                                                 ^^^
    app.yaml:26:213: error: a list of 2 has no `9` [unknown_property]
        26 |  [x, p]}, c: {get_property: [SELF, d, prt]}, d: {get_property: [SELF, d, names, 9]}}}}}}
           |                                                                                 ^
    ");
    assert_snapshot!(simple("a: {get_property: [HOST, colour]}, b: {get_property: [SOURCE, p]}, c: {get_property: [SELF]}, d: {get_property: SELF}, e: {get_property: [SELF, x, y]}"), @"
    app.yaml:26:105: error: no host of `a` has `colour` [path]
        26 | ard: {operations: {create: {implementation: run.sh, inputs: {a: {get_property: [HOST, colour]}, b: {get_property: [SOURCE, p]}, c: {get_property: [SELF]}, d: {g
           |                                                                                 ^^^^
    app.yaml:26:140: error: `SOURCE` is a side of a relationship: it cannot stand in a node [path]
        26 | ntation: run.sh, inputs: {a: {get_property: [HOST, colour]}, b: {get_property: [SOURCE, p]}, c: {get_property: [SELF]}, d: {get_property: SELF}, e: {get_propert
           |                                                                                 ^^^^^^
    app.yaml:26:156: error: `get_property` takes whose it is, and its name: `[SELF, NAME]`: found {get_property: [SELF]} [function]
        26 |  inputs: {a: {get_property: [HOST, colour]}, b: {get_property: [SOURCE, p]}, c: {get_property: [SELF]}, d: {get_property: SELF}, e: {get_property: [SELF, x, y]}
           |                                                                                 ^
    app.yaml:26:183: error: `get_property` takes whose it is, and its name: `[SELF, NAME]`: found {get_property: SELF} [function]
        26 |  [HOST, colour]}, b: {get_property: [SOURCE, p]}, c: {get_property: [SELF]}, d: {get_property: SELF}, e: {get_property: [SELF, x, y]}}}}}}
           |                                                                                 ^
    app.yaml:26:230: error: `a` has no property `x` [unknown_property]
        26 | }, c: {get_property: [SELF]}, d: {get_property: SELF}, e: {get_property: [SELF, x, y]}}}}}}
           |                                                                                 ^
           hint: there are: d, none, p, size
    ");
}

#[test]
fn a_relationship_has_two_sides() {
    let told = |inputs: &str| {
        check(&v1_3(&format!(
            "\
topology_template:
  node_templates:
    a: {{type: tosca.nodes.Root, requirements: [{{dependency: {{node: b, relationship: {{type: tosca.relationships.DependsOn, interfaces: {{Configure: {{operations: {{pre_configure_source: {{inputs: {{{inputs}}}}}}}}}}}}}}}}}]}}
    b: {{type: tosca.nodes.Compute}}
"
        )))
    };
    assert_snapshot!(told("x: {get_attribute: [TARGET, private_address]}, y: {get_property: [SOURCE, nothing]}, z: {get_attribute: [SELF, state]}"), @"
    app.yaml:4:267: error: `a` has no property `nothing` [unknown_property]
         4 | uts: {x: {get_attribute: [TARGET, private_address]}, y: {get_property: [SOURCE, nothing]}, z: {get_attribute: [SELF, state]}}}}}}}}}]}
           |                                                                                 ^^^^^^^
    ");
}

#[test]
fn paths_of_2_0() {
    assert_snapshot!(modern("a: {$get_property: [SELF, i]}, b: {$get_property: [SELF, CAPABILITY, c, size]}, c: {$get_property: [SELF, RELATIONSHIP, r, weight]}, d: {$get_property: [SELF, RELATIONSHIP, r, 1, TARGET, i]}, e: {$get_property: [SELF, RELATIONSHIP, r, 1, CAPABILITY, size]}, f: {$get_property: [SELF, l, 1]}"), @"
    a=0
    b=5
    c=0
    d=2
    e=5
    f=2
    ");
    assert_snapshot!(modern("a: {$get_property: [SELF, CAPABILITY, d, size]}, b: {$get_property: [SELF, RELATIONSHIP, s, weight]}, c: {$get_property: [SELF, RELATIONSHIP, r, 7, weight]}, d: {$get_property: [b, RELATIONSHIP, r, weight]}"), @"
    app.yaml:21:120: error: `a` has no capability `d` [path]
        21 | create: {implementation: run.sh, inputs: {a: {$get_property: [SELF, CAPABILITY, d, size]}, b: {$get_property: [SELF, RELATIONSHIP, s, weight]}, c: {$get_propert
           |                                                                                 ^
    app.yaml:21:171: error: `a` has no requirement `s` [path]
        21 | property: [SELF, CAPABILITY, d, size]}, b: {$get_property: [SELF, RELATIONSHIP, s, weight]}, c: {$get_property: [SELF, RELATIONSHIP, r, 7, weight]}, d: {$get_pr
           |                                                                                 ^
    app.yaml:21:227: error: `a` has 2 of its requirement `r`, found the index 7 [path]
        21 | y: [SELF, RELATIONSHIP, s, weight]}, c: {$get_property: [SELF, RELATIONSHIP, r, 7, weight]}, d: {$get_property: [b, RELATIONSHIP, r, weight]}}}}}}
           |                                                                                 ^
    app.yaml:21:277: warning: `r` of `b` leads nowhere: what is asked of its target is not known [open_requirement]
        21 | erty: [SELF, RELATIONSHIP, r, 7, weight]}, d: {$get_property: [b, RELATIONSHIP, r, weight]}}}}}}
           |                                                                                 ^
    ");
}

#[test]
fn attributes_are_left_for_later() {
    assert_snapshot!(simple("a: {get_attribute: [b, address]}, b: {concat: [x, {get_attribute: [SELF, address]}]}, c: {get_attribute: [SELF, p]}, d: {get_attribute: [SELF, adress]}"), @r#"
    app.yaml:26:229: warning: `a` has no attribute `adress` [unknown_property]
        26 | e: [SELF, address]}]}, c: {get_attribute: [SELF, p]}, d: {get_attribute: [SELF, adress]}}}}}}
           |                                                                                 ^^^^^^
           hint: did you mean `address`?
    a=${ "nowhere" }
    b=${ ([("x"), ("nowhere")] | if all(.[]; type == "array") then add else map(tostring) | join("") end) }
    c=<text>
    d=${ error("nobody has said the attribute `adress` of `a`") }
    "#);
    assert_snapshot!(modern("a: {$get_attribute: [SELF, adress]}"), @"
    app.yaml:21:109: error: `a` has no attribute `adress` [unknown_property]
        21 |       interfaces: {Life: {operations: {create: {implementation: run.sh, inputs: {a: {$get_attribute: [SELF, adress]}}}}}}
           |                                                                                                             ^^^^^^
           hint: did you mean `address`?
    ");
}

#[test]
fn properties_in_a_circle_are_told() {
    assert_snapshot!(check(&v1_3("\
node_types: {T: {derived_from: tosca.nodes.Root, properties: {p: {type: string}}}}
topology_template:
  node_templates:
    a: {type: T, properties: {p: {get_property: [b, p]}}}
    b: {type: T, properties: {p: {concat: [x, {get_property: [c, p]}]}}}
    c: {type: T, properties: {p: {get_property: [a, p]}}}
    d: {type: T, properties: {p: {get_property: [SELF, p]}}}
")), @"
    app.yaml:7:53: error: `p` of `a` needs its own value [circle]
         7 |     c: {type: T, properties: {p: {get_property: [a, p]}}}
           |                                                     ^
           app.yaml:5:34: its calculation begins here
    app.yaml:8:56: error: `p` of `d` needs its own value [circle]
         8 |     d: {type: T, properties: {p: {get_property: [SELF, p]}}}
           |                                                        ^
           app.yaml:8:34: its calculation begins here
    ");
}

#[test]
fn texts_are_put_together_and_taken_apart() {
    assert_snapshot!(simple("a: {concat: [x, 1, true, 1.50]}, b: {join: [[x, y], '-']}, c: {token: ['a:b:c', ':', 1]}, d: {join: [[x, y]]}, e: {concat: [[a], [b]]}"), @r#"
    a=x1true1.50
    b=x-y
    c=b
    d=xy
    e=["a","b"]
    "#);
    assert_snapshot!(simple("a: {concat: []}, b: {join: x}, c: {token: ['a:b', ':', 5]}, d: {token: ['a:b', ':']}, e: {concat: [{a: b}]}"), @"
    app.yaml:26:89: error: `concat` takes at least 1 argument, found 0 [function]
        26 | terfaces: {Standard: {operations: {create: {implementation: run.sh, inputs: {a: {concat: []}, b: {join: x}, c: {token: ['a:b', ':', 5]}, d: {token: ['a:b', ':']
           |                                                                                 ^
    app.yaml:26:106: error: `join`: found the text `x`, expected a list [function]
        26 | rd: {operations: {create: {implementation: run.sh, inputs: {a: {concat: []}, b: {join: x}, c: {token: ['a:b', ':', 5]}, d: {token: ['a:b', ':']}, e: {concat: [{
           |                                                                                 ^
    app.yaml:26:120: error: `token`: there is no part 5 of `a:b`: it has 2 [function]
        26 | s: {create: {implementation: run.sh, inputs: {a: {concat: []}, b: {join: x}, c: {token: ['a:b', ':', 5]}, d: {token: ['a:b', ':']}, e: {concat: [{a: b}]}}}}}}
           |                                                                                 ^
    app.yaml:26:149: error: `token` takes 3 arguments, found 2 [function]
        26 | run.sh, inputs: {a: {concat: []}, b: {join: x}, c: {token: ['a:b', ':', 5]}, d: {token: ['a:b', ':']}, e: {concat: [{a: b}]}}}}}}
           |                                                                                 ^
    app.yaml:26:175: error: `concat`: found a map, expected a text [function]
        26 | t: []}, b: {join: x}, c: {token: ['a:b', ':', 5]}, d: {token: ['a:b', ':']}, e: {concat: [{a: b}]}}}}}}
           |                                                                                 ^
    ");
}

#[test]
fn numbers_sets_and_dollars_of_2_0() {
    assert_snapshot!(modern("a: {$sum: [1, 2]}, b: {$quotient: [7, 2]}, c: {$remainder: [7, 4]}, d: {$product: [2, 2.5]}, e: {$round: 2.5}, f: {$floor: [-0.5]}, g: {$ceil: 0.2}, h: {$union: [[a], [b, a]]}, i: {$intersection: [[a, b], [b]]}, j: $$value, k: {$$get_input: x}, l: {$difference: [5, 7]}"), @r#"
    a=3
    b=3.5
    c=3
    d=5.0
    e=3
    f=-1
    g=1
    h=["a","b"]
    i=["b"]
    j=$value
    k={"$get_input":"x"}
    l=-2
    "#);
    assert_snapshot!(modern("a: {$quotient: [7, 0]}, b: {$sum: [1, x]}, c: {$difference: [1]}, d: {$nothing: []}, e: {$own: []}, f: $value, g: {$length: 5}"), @"
    app.yaml:21:85: error: `quotient`: the result is no number [function]
        21 |   interfaces: {Life: {operations: {create: {implementation: run.sh, inputs: {a: {$quotient: [7, 0]}, b: {$sum: [1, x]}, c: {$difference: [1]}, d: {$nothing: []}
           |                                                                                 ^
    app.yaml:21:109: error: `sum`: found `x`, expected a number [function]
        21 | erations: {create: {implementation: run.sh, inputs: {a: {$quotient: [7, 0]}, b: {$sum: [1, x]}, c: {$difference: [1]}, d: {$nothing: []}, e: {$own: []}, f: $val
           |                                                                                 ^
    app.yaml:21:128: error: `difference` takes 2 arguments, found 1 [function]
        21 | {implementation: run.sh, inputs: {a: {$quotient: [7, 0]}, b: {$sum: [1, x]}, c: {$difference: [1]}, d: {$nothing: []}, e: {$own: []}, f: $value, g: {$length: 5}
           |                                                                                 ^
    app.yaml:21:151: error: there is no function `$nothing` [unknown_function]
        21 | , inputs: {a: {$quotient: [7, 0]}, b: {$sum: [1, x]}, c: {$difference: [1]}, d: {$nothing: []}, e: {$own: []}, f: $value, g: {$length: 5}}}}}}
           |                                                                                 ^
    app.yaml:21:196: error: `length`: found `5`, expected a text, a list or a map [function]
        21 | [1, x]}, c: {$difference: [1]}, d: {$nothing: []}, e: {$own: []}, f: $value, g: {$length: 5}}}}}}
           |                                                                                 ^
    app.yaml:21:170: warning: `$own` is a function of the template's own: what it comes to is not known [own_function]
        21 | tient: [7, 0]}, b: {$sum: [1, x]}, c: {$difference: [1]}, d: {$nothing: []}, e: {$own: []}, f: $value, g: {$length: 5}}}}}}
           |                                                                                 ^
    ");
}

#[test]
fn artifacts_nodes_and_outputs_of_operations() {
    assert_snapshot!(simple("a: {get_artifact: [SELF, f]}, b: {get_nodes_of_type: tosca.nodes.Compute}, c: {get_operation_output: [b, Standard, create, x]}"), @r#"
    a=run.sh
    b=["h"]
    c=${ error("the operation `create` of `b` has not said `x`") }
    "#);
    assert_snapshot!(simple("a: {get_artifact: [SELF, g]}, b: {get_nodes_of_type: tosca.nodes.Computer}, c: {get_operation_output: [b, Standard, creat, x]}, d: {get_operation_output: [b, Standart, create, x]}, e: {get_operation_output: [b]}"), @"
    app.yaml:26:111: error: `a` has no artifact `g` [unknown_artifact]
        26 | operations: {create: {implementation: run.sh, inputs: {a: {get_artifact: [SELF, g]}, b: {get_nodes_of_type: tosca.nodes.Computer}, c: {get_operation_output: [b,
           |                                                                                 ^
           hint: there are: f
    app.yaml:26:139: error: there is no node type `tosca.nodes.Computer` [unknown_type]
        26 | entation: run.sh, inputs: {a: {get_artifact: [SELF, g]}, b: {get_nodes_of_type: tosca.nodes.Computer}, c: {get_operation_output: [b, Standard, creat, x]}, d: {g
           |                                                                                 ^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `tosca.nodes.Compute`?
    app.yaml:26:202: error: the interface `Standard` of `b` has no operation `creat` [unknown_operation]
        26 | t_nodes_of_type: tosca.nodes.Computer}, c: {get_operation_output: [b, Standard, creat, x]}, d: {get_operation_output: [b, Standart, create, x]}, e: {get_operati
           |                                                                                 ^^^^^
           hint: did you mean `create`?
    app.yaml:26:270: error: `get_operation_output` takes whose, an interface, an operation and an output: found {get_operation_output: [b]} [function]
        26 | , Standard, creat, x]}, d: {get_operation_output: [b, Standart, create, x]}, e: {get_operation_output: [b]}}}}}}
           |                                                                                 ^
    app.yaml:26:217: warning: `b` has no interface `Standart` [unknown_interface]
        26 | : tosca.nodes.Computer}, c: {get_operation_output: [b, Standard, creat, x]}, d: {get_operation_output: [b, Standart, create, x]}, e: {get_operation_output: [b]}
           |                                                                                 ^
           hint: did you mean `Standard`?
    ");
}

#[test]
fn a_function_gives_what_its_place_wants() {
    assert_snapshot!(check(&v1_3("\
node_types: {T: {derived_from: tosca.nodes.Root, properties: {n: {type: integer, constraints: [{less_than: 3}], default: 1}}}}
topology_template:
  inputs: {text: {type: string, default: x}, big: {type: integer, default: 9}}
  node_templates:
    a: {type: T, properties: {n: {get_input: text}}}
    b: {type: T, properties: {n: {get_input: big}}}
    c: {type: T, properties: {n: {$get_input: big}}}
")), @"
    app.yaml:6:34: error: found `x`, expected a whole number [wrong_type]
         6 |     a: {type: T, properties: {n: {get_input: text}}}
           |                                  ^
           app.yaml:2:66: its type is `integer` here
    app.yaml:7:34: error: found `9`, which breaks a rule: less_than: 3 [rule]
         7 |     b: {type: T, properties: {n: {get_input: big}}}
           |                                  ^
           app.yaml:2:97: the rule stands here
    app.yaml:8:34: error: found a map (`$get_input: ...`), expected a whole number [wrong_type]
         8 |     c: {type: T, properties: {n: {$get_input: big}}}
           |                                  ^
           app.yaml:2:66: its type is `integer` here
           hint: before TOSCA 2.0 functions have no `$`: `get_input`
    ");
    assert_snapshot!(check(&v2_0("\
node_types: {T: {properties: {n: {type: integer}}}}
service_template:
  inputs: {text: {type: string}}
  node_templates: {a: {type: T, properties: {n: {$get_input: text}}}, b: {type: T, properties: {n: {get_input: text}}}}
")), @"
    app.yaml:5:49: error: found a map (`$get_input: ...`), expected one of `integer`: `$get_input` gives a value of the type `string` [wrong_type]
         5 |   node_templates: {a: {type: T, properties: {n: {$get_input: text}}}, b: {type: T, properties: {n: {get_input: text}}}}
           |                                                 ^
           app.yaml:2:34: its type is `integer` here
    app.yaml:5:100: error: found a map (`get_input: ...`), expected a whole number [wrong_type]
         5 |   node_templates: {a: {type: T, properties: {n: {$get_input: text}}}, b: {type: T, properties: {n: {get_input: text}}}}
           |                                                                                                    ^
           app.yaml:2:34: its type is `integer` here
           hint: in TOSCA 2.0 functions begin with `$`: `$get_input`
    ");
}

#[test]
fn a_function_without_its_dollar_and_a_dollar_without_a_function() {
    assert_snapshot!(modern("a: {$concat: [x, {get_input: number}]}, b: $5, c: {$concta: [x]}, d: '$5'"), @"
    app.yaml:21:99: error: `concat`: found a map (`get_input: ...`), expected a value [function]
        21 |       interfaces: {Life: {operations: {create: {implementation: run.sh, inputs: {a: {$concat: [x, {get_input: number}]}, b: $5, c: {$concta: [x]}, d: '$5'}}}}}
           |                                                                                                   ^
           hint: in TOSCA 2.0 functions begin with `$`: `$get_input`
    app.yaml:21:125: error: there is no function `$5` [unknown_function]
        21 |       interfaces: {Life: {operations: {create: {implementation: run.sh, inputs: {a: {$concat: [x, {get_input: number}]}, b: $5, c: {$concta: [x]}, d: '$5'}}}}}
           |                                                                                                                             ^^
           hint: a text that begins with `$` is written with two: `$$5`
    app.yaml:21:132: error: there is no function `$concta` [unknown_function]
        21 |       interfaces: {Life: {operations: {create: {implementation: run.sh, inputs: {a: {$concat: [x, {get_input: number}]}, b: $5, c: {$concta: [x]}, d: '$5'}}}}}
           |                                                                                                                                    ^
           hint: did you mean `$concat`?
    ");
}
