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
    assert_snapshot!(simple("
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
    app.yaml:10:32: error: there is neither a node template nor a group `c` [unknown_node]
        10 |       preconditions: [{target: c, condition: [{state: [{equal: started}]}]}, {target: a, condition: [{stat: [{equal: started}]}, {state: [{equals: started}]}]}]
           |                                ^
           hint: there are: a, b
    app.yaml:10:103: error: `a` has neither an attribute nor a property `stat` [unknown_property]
        10 |       preconditions: [{target: c, condition: [{state: [{equal: started}]}]}, {target: a, condition: [{stat: [{equal: started}]}, {state: [{equals: started}]}]}]
           |                                                                                                       ^^^^
    app.yaml:10:140: error: there is no constraint `equals` [unknown_constraint]
        10 |       preconditions: [{target: c, condition: [{state: [{equal: started}]}]}, {target: a, condition: [{stat: [{equal: started}]}, {state: [{equals: started}]}]}]
           |                                                                                                                                            ^^^^^^
    app.yaml:12:23: error: there is neither a node template nor a group `aa` [unknown_node]
        12 |         one: {target: aa, activities: [{set_state: x}], on_success: [too]}
           |                       ^^
           hint: did you mean `a`?
    app.yaml:12:70: error: this workflow has no step `too` [unknown_step]
        12 |         one: {target: aa, activities: [{set_state: x}], on_success: [too]}
           |                                                                      ^^^
           hint: did you mean `two`?
    app.yaml:13:56: error: the interface `Standard` of `a` has no operation `creat` [unknown_operation]
        13 |         two: {target: g, activities: [{call_operation: Standard.creat}, {call_operation: Standart.create}, {call_operation: create}]}
           |                                                        ^^^^^^^^^^^^^^
           hint: did you mean `create`?
    app.yaml:13:125: error: found `create`, expected an operation with its interface, `INTERFACE.OPERATION` [wrong_form]
        13 |         two: {target: g, activities: [{call_operation: Standard.creat}, {call_operation: Standart.create}, {call_operation: create}]}
           |                                                                                                                             ^^^^^^
    app.yaml:14:49: error: `a` has no requirement `hosts` [unknown_requirement]
        14 |         three: {target: a, target_relationship: hosts, activities: [{inline: v}, {delegate: nothing}, {dance: x}, set_state]}
           |                                                 ^^^^^
           hint: did you mean `host`?
    app.yaml:14:78: error: there is no workflow `v` [unknown_workflow]
        14 |         three: {target: a, target_relationship: hosts, activities: [{inline: v}, {delegate: nothing}, {dance: x}, set_state]}
           |                                                                              ^
           hint: there are: w
    app.yaml:14:104: error: there is no activity `dance` [unknown_activity]
        14 |         three: {target: a, target_relationship: hosts, activities: [{inline: v}, {delegate: nothing}, {dance: x}, set_state]}
           |                                                                                                        ^^^^^
           hint: there are: call_operation, delegate, inline, set_state
    app.yaml:14:115: error: found `set_state`, expected an activity: `delegate`, `set_state`, `call_operation` or `inline` [wrong_form]
        14 |         three: {target: a, target_relationship: hosts, activities: [{inline: v}, {delegate: nothing}, {dance: x}, set_state]}
           |                                                                                                                   ^^^^^^^^^
    app.yaml:16:9: error: the step `five` has no `target` [missing_key]
        16 |         five: {activities: [{set_state: x}]}
           |         ^^^^
    app.yaml:17:51: error: `set_state`: found a list of 1, expected the name of a state [wrong_form]
        17 |         six: {target: a, activities: [{set_state: [x]}, {inline: {}}], on_failure: four, operation_host: c}
           |                                                   ^
    app.yaml:17:66: error: `inline`: found a map, expected the name of a workflow [wrong_form]
        17 |         six: {target: a, activities: [{set_state: [x]}, {inline: {}}], on_failure: four, operation_host: c}
           |                                                                  ^
    app.yaml:17:106: error: `operation_host`: there is no node template `c` [unknown_node]
        17 |         six: {target: a, activities: [{set_state: [x]}, {inline: {}}], on_failure: four, operation_host: c}
           |                                                                                                          ^
           hint: there are: HOST, ORCHESTRATOR, SELF, a, b
    app.yaml:13:90: warning: `a` has no interface `Standart` [unknown_interface]
        13 |         two: {target: g, activities: [{call_operation: Standard.creat}, {call_operation: Standart.create}, {call_operation: create}]}
           |                                                                                          ^^^^^^^^^^^^^^^
           hint: did you mean `Standard`?
    ");
}

#[test]
fn a_workflow_that_is_right_is_taken() {
    assert_snapshot!(simple("
    w:
      inputs: {x: {type: integer, default: 1}}
      preconditions: [{target: a, condition: [{or: [{state: [{equal: started}]}, {not: [{state: [{valid_values: [initial, created]}]}]}]}]}]
      steps:
        one: {target: g, filter: [{state: [{equal: started}]}], activities: [{set_state: x}], on_success: two}
        two: {target: a, activities: [{call_operation: {operation: Standard.create, inputs: {n: {get_input: x}}}}, {delegate: {workflow: deploy}}]}
"), @"");
}

#[test]
fn workflows_do_not_stand_in_themselves() {
    assert_snapshot!(simple("
    v: {steps: {one: {activities: [{inline: w}]}}}
    w: {steps: {one: {activities: [{inline: v}]}}}
"), @"
    app.yaml:9:5: warning: found a workflow that leads back to itself: `v` runs `w` runs `v` [cycle]
         9 |     v: {steps: {one: {activities: [{inline: w}]}}}
           |     ^
    app.yaml:10:5: warning: found a workflow that leads back to itself: `w` runs `v` runs `w` [cycle]
        10 |     w: {steps: {one: {activities: [{inline: v}]}}}
           |     ^
    ");
    assert_snapshot!(simple("    w: {steps: {one: {target: a, activities: [{set_state: x}], on_success: [two]}, two: {target: a, activities: [{set_state: y}], on_success: [one]}}}\n"), @"
    app.yaml:8:17: warning: found a cycle of steps, expected an order: `one` leads to `two` leads to `one` [cycle]
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

#[test]
fn a_step_may_only_run_another_workflow() {
    assert_snapshot!(simple("
    w: {steps: {one: {activities: [{inline: v}]}}}
    v: {steps: {one: {activities: [{inline: u}]}}}
    u: {steps: {one: {target: a, activities: [{delegate: nothing}, {delegate: deploy}]}}}
"), @"
    app.yaml:11:47: warning: found the workflow `nothing`, expected one that can be generated [unknown_workflow]
        11 |     u: {steps: {one: {target: a, activities: [{delegate: nothing}, {delegate: deploy}]}}}
           |                                               ^
           hint: there are: deploy (or install), undeploy (or uninstall), an operation of the lifecycle, and the template's own
    ");
}

#[test]
fn an_operation_that_one_node_of_a_type_is_called_for_is_called() {
    let told = |steps: &str| {
        check(&v1_3(&format!(
            "\
interface_types: {{I: {{derived_from: tosca.interfaces.Root, operations: {{save: {{}}}}}}}}
node_types: {{T: {{derived_from: tosca.nodes.Root, interfaces: {{Care: {{type: I, operations: {{save: 'an image'}}}}}}}}}}
topology_template:
  node_templates: {{a: {{type: T}}, b: {{type: T}}}}
  workflows: {{w: {{steps: {{{steps}}}}}}}
"
        )))
    };
    assert_snapshot!(told("one: {target: a, activities: [{call_operation: Care.save}]}"), @"");
    assert_snapshot!(told("one: {target: a, activities: [{set_state: x}]}"), @"
    app.yaml:3:92: warning: no workflow calls the operation `save` of the interface `Care` [never_called]
         3 | node_types: {T: {derived_from: tosca.nodes.Root, interfaces: {Care: {type: I, operations: {save: 'an image'}}}}}
           |                                                                                            ^^^^
           hint: a workflow of the template can call it: `workflows`, with `call_operation` in a step's activities
    ");
}
