//! Large and deep templates: each ends soon, and none overflows the stack.

use std::fmt::Write;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use super::{check, v1_3, v2_0};

/// Longer than this is without a bound, also in a build that is not optimized on a machine that has other work.
const SOON: Duration = Duration::from_secs(20);

/// The first lines of what a check says, once it has ended soon.
fn soon(text: &str) -> String {
    let begin = Instant::now();
    let told = check(text);
    assert!(begin.elapsed() < SOON, "it took {:?}", begin.elapsed());
    let shown = told.lines().take(4).map(|line| line.chars().take(120).collect::<String>() + "\n");
    shown.collect()
}

/// Lines that are made of a number each.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").expect("a text takes all");
        text
    })
}

/// Node types in a row, each with its parent and a property.
fn row(count: usize, parent: impl Fn(usize) -> String) -> String {
    let types = lines(count, |at| {
        format!("  t{at}: {{derived_from: {}, properties: {{p{at}: {{type: integer, default: 1}}}}}}", parent(at))
    });
    v1_3(&format!("node_types:\n{types}"))
}

#[test]
fn a_type_has_a_bounded_number_of_ancestors() {
    let up = |at: usize| if at == 0 { "tosca.nodes.Root".to_owned() } else { format!("t{}", at - 1) };
    assert_snapshot!(soon(&row(128, up)), @"");
    assert_snapshot!(soon(&row(5000, up)), @"
    app.yaml:131:3: error: `t128` is derived from more than 128 types, one after the other [too_deep]
       131 |   t128: {derived_from: t127, properties: {p128: {type: integer, default: 1}}}
           |   ^^^^
    ");
    let down = |at: usize| if at == 4999 { "tosca.nodes.Root".to_owned() } else { format!("t{}", at + 1) };
    assert_snapshot!(soon(&row(5000, down)), @"
    app.yaml:4874:3: error: `t4871` is derived from more than 128 types, one after the other [too_deep]
      4874 |   t4871: {derived_from: t4872, properties: {p4871: {type: integer, default: 1}}}
           |   ^^^^^
    ");
}

#[test]
fn a_circle_of_types_is_told_once_however_long_it_is() {
    assert_snapshot!(soon(&row(5000, |at| format!("t{}", (at + 1) % 5000))), @"
    app.yaml:3:3: error: `t0` is derived from itself: t0 -> t1 -> t2 -> t3 -> t4 -> t5 -> t6 -> t7 -> t8 -> t9 -> t10 -> t11
         3 |   t0: {derived_from: t1, properties: {p0: {type: integer, default: 1}}}
           |   ^^
    app.yaml:4873:3: error: `t4870` is derived from more than 128 types, one after the other [too_deep]
    ");
}

#[test]
fn types_may_name_each_other_in_circles() {
    assert_snapshot!(soon(&v1_3(&format!(
        "data_types:\n{}node_types:\n{}",
        lines(3000, |at| format!("  d{at}: {{properties: {{p: {{type: d{}, required: false}}}}}}", (at + 1) % 3000)),
        lines(3000, |at| format!(
            "  n{at}: {{derived_from: tosca.nodes.Root, requirements: [{{r: {{node: n{}, capability: feature}}}}]}}",
            (at + 1) % 3000
        )),
    ))), @"");
    assert_snapshot!(soon(&v2_0(&format!(
        "data_types:\n{}",
        lines(3000, |at| format!("  d{at}: {{derived_from: scalar, data_type: d{}, units: {{m: 1}}}}", (at + 1) % 3000)),
    ))), @"
    app.yaml:3:41: error: `data_type`: found `d1`, expected `integer`, `float` or what is derived from them [scalar]
         3 |   d0: {derived_from: scalar, data_type: d1, units: {m: 1}}
           |                                         ^^
    app.yaml:4:41: error: `data_type`: found `d2`, expected `integer`, `float` or what is derived from them [scalar]
    ");
}

#[test]
fn a_default_in_itself_has_an_end() {
    assert_snapshot!(soon(&v1_3("\
data_types: {d: {properties: {inside: {type: d, default: {}}}}}
node_types: {T: {derived_from: tosca.nodes.Root, properties: {d: {type: d, default: {}}}}}
topology_template: {node_templates: {a: {type: T}}}
")), @"
    app.yaml:2:58: error: more than 160 values need each other, one after the other [too_deep]
         2 | data_types: {d: {properties: {inside: {type: d, default: {}}}}}
           |                                                          ^
    ");
}

/// Nodes in a row, each with a property that calls something with the next one.
fn calls(count: usize, call: impl Fn(String) -> String) -> String {
    let nodes = lines(count, |at| {
        let value = if at + 1 == count { "x".to_owned() } else { call(format!("{{get_property: [n{}, p]}}", at + 1)) };
        format!("    n{at}: {{type: T, properties: {{p: {value}}}}}")
    });
    v1_3(&format!(
        "node_types: {{T: {{derived_from: tosca.nodes.Root, properties: {{p: {{type: string}}}}}}}}\ntopology_template:\n  node_templates:\n{nodes}"
    ))
}

#[test]
fn properties_that_need_each_other_have_a_bound() {
    assert_snapshot!(soon(&calls(160, |next| next)), @"");
    assert_snapshot!(soon(&calls(2000, |next| next)), @"
    app.yaml:165:37: error: more than 160 values need each other, one after the other [too_deep]
       165 |     n160: {type: T, properties: {p: {get_property: [n161, p]}}}
           |                                     ^
    app.yaml:326:37: error: more than 160 values need each other, one after the other [too_deep]
    ");
}

#[test]
fn a_text_that_doubles_has_a_bound() {
    assert_snapshot!(soon(&calls(60, |next| format!("{{concat: [{next}, {next}]}}"))), @"
    app.yaml:38:36: error: the functions of this service come to more than 4000000 values; 64 bytes of a text count as one [
        38 |     n33: {type: T, properties: {p: {concat: [{get_property: [n34, p]}, {get_property: [n34, p]}]}}}
           |                                    ^
    ");
}

/// Sources and targets of a requirement.
fn service(nodes: &str) -> String {
    v2_0(&format!(
        "capability_types: {{c: {{}}}}
node_types:
  s: {{requirements: [{{r: {{capability: c, node: t, count_range: [1, 1]}}}}]}}
  t: {{capabilities: {{c: c}}, properties: {{p: {{type: integer, default: $node_index}}}}}}
service_template:
  node_templates:
{nodes}"
    ))
}

#[test]
fn thousands_of_nodes_find_each_other() {
    assert_snapshot!(soon(&service(&lines(1000, |at| format!("    s{at}: {{type: s}}\n    t{at}: {{type: t}}")))), @"");
    assert_snapshot!(soon(&service("    s: {type: s, count: 10000, requirements: [{r: t}]}\n    t: {type: t, count: 10000}\n")), @"");
    assert_snapshot!(soon(&service("    s: {type: s, count: 10000}\n    t: {type: t, count: 10000}\n")), @"");
    assert_snapshot!(soon(&service(&lines(20, |at| format!("    t{at}: {{type: t, count: 10000}}")))), @"
    app.yaml:13:5: error: the node templates of this service count more than 50000 nodes [count]
        13 |     t5: {type: t, count: 10000}
           |     ^^
    app.yaml:14:5: error: the node templates of this service count more than 50000 nodes [count]
    ");
}

#[test]
fn a_filter_looks_at_many_candidates() {
    let nodes = lines(300, |at| {
        format!(
            "    t{at}: {{type: t, properties: {{p: {at}}}}}\n    s{at}: {{type: s, requirements: [{{r: {{node: t, node_filter: {{$equal: [{{$get_property: [SELF, p]}}, {at}]}}}}}}]}}"
        )
    });
    assert_snapshot!(soon(&service(&nodes)), @"");
}

#[test]
fn thousands_of_wrong_names_are_told_soon() {
    let nodes = lines(3000, |at| {
        format!("    node_number_{at}: {{type: tosca.nodes.Computer, requirements: [{{host: node_x_{at}}}]}}")
    });
    assert_snapshot!(soon(&v1_3(&format!("topology_template:\n  node_templates:\n{nodes}"))), @"
    app.yaml:4:27: error: there is no node type `tosca.nodes.Computer` [unknown_type]
         4 |     node_number_0: {type: tosca.nodes.Computer, requirements: [{host: node_x_0}]}
           |                           ^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `tosca.nodes.Compute`?
    ");
}

#[test]
fn copies_of_copies_have_a_bound() {
    let nodes = lines(2000, |at| match at {
        1999 => format!("    n{at}: {{type: tosca.nodes.Root}}"),
        _ => format!("    n{at}: {{copy: n{}}}", at + 1),
    });
    assert_snapshot!(soon(&v1_3(&format!("topology_template:\n  node_templates:\n{nodes}"))), @"
    app.yaml:11:16: error: more than 8 templates are copies of each other [copy]
        11 |     n7: {copy: n8}
           |                ^^
    app.yaml:12:16: error: more than 8 templates are copies of each other [copy]
    ");
}

#[test]
fn thousands_of_steps_follow_each_other() {
    let steps = lines(3000, |at| {
        let next = if at == 2999 { String::new() } else { format!(", on_success: [s{}]", at + 1) };
        format!("        s{at}: {{target: a, activities: [{{set_state: busy}}]{next}}}")
    });
    assert_snapshot!(soon(&v1_3(&format!(
        "topology_template:\n  node_templates: {{a: {{type: tosca.nodes.Root}}}}\n  workflows:\n    w:\n      steps:\n{steps}"
    ))), @"");
}
