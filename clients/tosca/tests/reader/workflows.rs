//! Imperative workflows: steps, targets, conditions and activities.

use insta::assert_snapshot;

use super::{check, v1_3, v2_0};

fn simple(workflows: &str) -> String {
    check(&v1_3(&format!(
        "\
topology_template:
  node_templates:
    a: {{type: tosca.nodes.WebServer, requirements: [{{host: b}}]}}
    b: {{type: tosca.nodes.Compute}}
  groups: {{g: {{type: tosca.groups.Root, members: [a, b]}}}}
  workflows:
{workflows}"
    )))
}

#[test]
fn names_in_steps_are_known() {
    assert_snapshot!(simple("\
    w:
      preconditions: [{target: c, condition: [{state: [{equal: started}]}]}, {target: a, condition: [{stat: [{equal: started}]}, {state: [{equals: started}]}]}]
      steps:
        one: {target: aa, activities: [{set_state: x}], on_success: [too]}
        two: {target: g, activities: [{call_operation: Standard.creat}, {call_operation: Standart.create}, {call_operation: create}]}
        three: {target: a, target_relationship: hosts, activities: [{inline: v}, {delegate: nothing}, {dance: x}, set_state]}
        four: {target: a, target_relationship: host, activities: [{call_operation: Configure.pre_configure_source}]}
        five: {activities: [{set_state: x}]}
        six: {target: a, activities: [{set_state: [x]}, {inline: {}}], on_failure: four, operation_host: c}
"), @"
    app.yaml:8:1: error: a TOSCA file has no key `w` in TOSCA 1.3 [unknown_key]
         8 | w:
           | ^
    ");
}

#[test]
fn a_workflow_that_is_right_is_taken() {
    assert_snapshot!(simple("\
    w:
      inputs: {x: {type: integer, default: 1}}
      preconditions: [{target: a, condition: [{or: [{state: [{equal: started}]}, {not: [{state: [{valid_values: [initial, created]}]}]}]}]}]
      steps:
        one: {target: g, filter: [{state: [{equal: started}]}], activities: [{set_state: x}], on_success: two}
        two: {target: a, activities: [{call_operation: {operation: Standard.create, inputs: {n: {get_input: x}}}}, {delegate: {workflow: deploy}}]}
"), @"
    app.yaml:8:1: error: a TOSCA file has no key `w` in TOSCA 1.3 [unknown_key]
         8 | w:
           | ^
    ");
}

#[test]
fn workflows_do_not_stand_in_themselves() {
    assert_snapshot!(simple("\
    v: {steps: {one: {activities: [{inline: w}]}}}
    w: {steps: {one: {activities: [{inline: v}]}}}
"), @"
    app.yaml:9:5: error: this is no YAML: while parsing a block mapping, did not find expected key [yaml]
         9 |     w: {steps: {one: {activities: [{inline: v}]}}}
           |     ^
    ");
    assert_snapshot!(simple("    w: {steps: {one: {target: a, activities: [{set_state: x}], on_success: [two]}, two: {target: a, activities: [{set_state: y}], on_success: [one]}}}\n"), @"
    app.yaml:8:17: error: found a cycle of steps, expected an order: `one` leads to `two` leads to `one` [cycle]
         8 |     w: {steps: {one: {target: a, activities: [{set_state: x}], on_success: [two]}, two: {target: a, activities: [{set_state: y}], on_success: [one]}}}
           |                 ^^^
    ");
}

#[test]
fn a_step_of_2_0_has_activities() {
    assert_snapshot!(check(&v2_0("\
node_types: {T: {}}
service_template:
  node_templates: {a: {type: T}}
  workflows:
    w:
      preconditions: []
      steps:
        one: {target: a}
        two: {target: a, activities: [{set_state: x}], on_success: two}
        three:
")), @"
    app.yaml:7:7: error: a workflow has `preconditions` only until TOSCA 1.3: this file is TOSCA 2.0 [unknown_key]
         7 |       preconditions: []
           |       ^^^^^^^^^^^^^
           hint: in TOSCA 2.0 it is called `precondition`
    app.yaml:9:14: error: a step has no `activities` [missing_key]
         9 |         one: {target: a}
           |              ^
    app.yaml:11:14: error: a step: found nothing, expected a map [wrong_form]
        11 |         three:
           |              ^
    ");
}
