//! Groups, policies, substitution, copies, artifacts and capabilities.

use std::fs::File;
use std::io::Write;

use insta::assert_snapshot;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Disk, check, convert, v1_3, v2_0};

#[test]
fn groups_and_policies_name_what_is_there() {
    assert_snapshot!(check(&v1_3("\
policy_types: {P: {derived_from: tosca.policies.Root, properties: {limit: {type: integer}}}}
topology_template:
  node_templates: {web: {type: tosca.nodes.Root}}
  groups: {g: {type: tosca.groups.Root, members: [web, wbe]}, h: {type: tosca.groups.Rot}}
  policies: [{p: {type: P, targets: [g, h, x], properties: {limit: many, more: 1}}}, {q: {type: P}}]
")), @"
    app.yaml:5:56: error: there is neither a node template nor a group `wbe` [unknown_node]
         5 |   groups: {g: {type: tosca.groups.Root, members: [web, wbe]}, h: {type: tosca.groups.Rot}}
           |                                                        ^^^
           hint: did you mean `web`?
    app.yaml:5:73: error: there is no group type `tosca.groups.Rot` [unknown_type]
         5 |   groups: {g: {type: tosca.groups.Root, members: [web, wbe]}, h: {type: tosca.groups.Rot}}
           |                                                                         ^^^^^^^^^^^^^^^^
           hint: did you mean `tosca.groups.Root`?
    app.yaml:6:44: error: there is neither a node template nor a group `x` [unknown_node]
         6 |   policies: [{p: {type: P, targets: [g, h, x], properties: {limit: many, more: 1}}}, {q: {type: P}}]
           |                                            ^
           hint: there are: web
    app.yaml:6:68: error: found `many`, expected a whole number [wrong_type]
         6 |   policies: [{p: {type: P, targets: [g, h, x], properties: {limit: many, more: 1}}}, {q: {type: P}}]
           |                                                                    ^^^^
           app.yaml:2:75: its type is `integer` here
    app.yaml:6:87: error: `q` has no `limit` [missing_property]
         6 |   policies: [{p: {type: P, targets: [g, h, x], properties: {limit: many, more: 1}}}, {q: {type: P}}]
           |                                                                                       ^
           app.yaml:2:68: `limit` is required here, and has no default
    app.yaml:6:74: warning: `p` has no property `more` [unknown_property]
         6 |   policies: [{p: {type: P, targets: [g, h, x], properties: {limit: many, more: 1}}}, {q: {type: P}}]
           |                                                                          ^^^^
           hint: there are: limit
    ");
}

#[test]
fn what_is_substituted_fits_its_type() {
    assert_snapshot!(check(&v1_3("\
node_types: {T: {derived_from: tosca.nodes.Root, properties: {p: {type: string}, q: {type: string, default: x}}}}
topology_template:
  substitution_mappings: {node_type: T, capabilities: {feature: [b, feature]}, requirements: {nothing: [a, dependency]}}
  node_templates: {a: {type: tosca.nodes.Root}}
")), @"
    app.yaml:4:26: error: the service has no input `p`, which is a property of what it stands for [substitution]
         4 |   substitution_mappings: {node_type: T, capabilities: {feature: [b, feature]}, requirements: {nothing: [a, dependency]}}
           |                          ^
           app.yaml:2:63: `p` is required here
    app.yaml:4:66: error: there is no node template `b` [unknown_node]
         4 |   substitution_mappings: {node_type: T, capabilities: {feature: [b, feature]}, requirements: {nothing: [a, dependency]}}
           |                                                                  ^
           hint: there are: a
    ");
    assert_snapshot!(check(&v2_0("\
capability_types: {C: {}}
node_types: {T: {capabilities: {c: C}}}
service_template:
  substitution_mappings: {node_type: T, capabilities: {d: [a, c]}}
  node_templates: {a: {type: T}}
")), @"
    app.yaml:5:56: error: the node type has none of its capabilities called `d` [substitution]
         5 |   substitution_mappings: {node_type: T, capabilities: {d: [a, c]}}
           |                                                        ^
    ");
}

#[test]
fn a_copy_says_what_is_different() {
    let of = |template: &str| {
        convert(&v1_3(&format!(
            "\
node_types: {{T: {{derived_from: tosca.nodes.Root, properties: {{p: {{type: string}}, q: {{type: string, default: q}}}}}}}}
topology_template:
  node_templates:
    a: {template}
    b:
      type: T
      properties: {{p: of b, q: of b}}
      interfaces: {{Standard: {{operations: {{create: {{implementation: run.sh, inputs: {{p: {{get_property: [SELF, p]}}, q: {{get_property: [SELF, q]}}}}}}}}}}}}
    c: {{copy: d}}
    d: {{copy: c}}
"
        )
        .replace("    c: {copy: d}\n    d: {copy: c}\n", if template.contains("copy: c") { "    c: {copy: d}\n    d: {copy: c}\n" } else { "" })))
    };
    assert_snapshot!(["{copy: b, properties: {p: of a}}", "{copy: x}", "{copy: a}", "{copy: c}"].map(of).concat(), @"
    p=of a
    q=of b
    app.yaml:5:15: error: there is no node template `x` to copy [unknown_node]
         5 |     a: {copy: x}
           |               ^
           hint: there are: b
    app.yaml:5:15: error: `a` is a copy of itself [copy]
         5 |     a: {copy: a}
           |               ^
           app.yaml:5:5: it stands here
    app.yaml:10:15: error: `d` is a copy of itself [copy]
        10 |     c: {copy: d}
           |               ^
           app.yaml:11:5: it stands here
    app.yaml:11:15: error: `c` is a copy of itself [copy]
        11 |     d: {copy: c}
           |               ^
           app.yaml:10:5: it stands here
    app.yaml:5:15: warning: `c` is a copy itself: a template that copies cannot be copied [copy]
         5 |     a: {copy: c}
           |               ^
           app.yaml:10:5: it stands here
    app.yaml:10:15: warning: `d` is a copy itself: a template that copies cannot be copied [copy]
        10 |     c: {copy: d}
           |               ^
           app.yaml:11:5: it stands here
    app.yaml:11:15: warning: `c` is a copy itself: a template that copies cannot be copied [copy]
        11 |     d: {copy: c}
           |               ^
           app.yaml:10:5: it stands here
    ");
}

#[test]
fn a_file_that_is_missing_is_a_warning_on_a_disk_and_an_error_in_an_archive() {
    let app = v2_0("\
artifact_types: {Script: {file_ext: [sh]}}
interface_types: {Life: {operations: {create: {}}}}
node_types: {T: {interfaces: {Life: {type: Life}}}}
service_template:
  node_templates:
    a:
      type: T
      artifacts: {image: {type: Script, file: 'images/web:1.2'}, typed: {type: Scrip, file: run.sh}, none: {type: Script}}
      interfaces: {Life: {operations: {create: {implementation: {primary: scripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}}
");
    let disk = Disk::with(&[("app.yaml", &app), ("run.sh", "")]);
    assert_snapshot!(disk.check(), @"
    app.yaml:9:80: error: there is no artifact type `Scrip` [unknown_type]
         9 |       artifacts: {image: {type: Script, file: 'images/web:1.2'}, typed: {type: Scrip, file: run.sh}, none: {type: Script}}
           |                                                                                ^^^^^
           hint: did you mean `Script`?
    app.yaml:9:108: error: an artifact has no `file` [missing_key]
         9 |       artifacts: {image: {type: Script, file: 'images/web:1.2'}, typed: {type: Scrip, file: run.sh}, none: {type: Script}}
           |                                                                                                            ^
    app.yaml:10:134: error: `timeout`: found `soon`, expected a number of seconds, or a time such as `10 m` [wrong_form]
        10 | mentation: {primary: scripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}}
           |                                                                                 ^^^^
    app.yaml:10:156: error: `operation_host`: there is no node template `x` [unknown_node]
        10 | cripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}}
           |                                                                                 ^
           hint: there are: HOST, ORCHESTRATOR, SELF, a
    app.yaml:10:75: warning: not found: `scripts/none.sh` (looked for scripts/none.sh) [missing_file]
        10 |       interfaces: {Life: {operations: {create: {implementation: {primary: scripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}
           |                                                                           ^^^^^^^^^^^^^^^
    app.yaml:10:115: warning: not found: `gone.sh` (looked for gone.sh) [missing_file]
        10 | ns: {create: {implementation: {primary: scripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}}
           |                                                                                 ^^^^^^^
    ");
    let mut zip = ZipWriter::new(File::create(disk.at("app.csar")).expect("the disk has room"));
    for (name, text) in [("app.yaml", app.as_str()), ("run.sh", "")] {
        zip.start_file(name, SimpleFileOptions::default()).expect("the name is free");
        zip.write_all(text.as_bytes()).expect("the disk has room");
    }
    zip.finish().expect("the disk has room");
    assert_snapshot!(disk.check_at("app.csar"), @"
    app.csar/app.yaml:9:80: error: there is no artifact type `Scrip` [unknown_type]
         9 |       artifacts: {image: {type: Script, file: 'images/web:1.2'}, typed: {type: Scrip, file: run.sh}, none: {type: Script}}
           |                                                                                ^^^^^
           hint: did you mean `Script`?
    app.csar/app.yaml:9:108: error: an artifact has no `file` [missing_key]
         9 |       artifacts: {image: {type: Script, file: 'images/web:1.2'}, typed: {type: Scrip, file: run.sh}, none: {type: Script}}
           |                                                                                                            ^
    app.csar/app.yaml:10:75: error: not found: `scripts/none.sh` (looked for app.csar/scripts/none.sh) [missing_file]
        10 |       interfaces: {Life: {operations: {create: {implementation: {primary: scripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}
           |                                                                           ^^^^^^^^^^^^^^^
    app.csar/app.yaml:10:115: error: not found: `gone.sh` (looked for app.csar/gone.sh) [missing_file]
        10 | ns: {create: {implementation: {primary: scripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}}
           |                                                                                 ^^^^^^^
    app.csar/app.yaml:10:134: error: `timeout`: found `soon`, expected a number of seconds, or a time such as `10 m` [wrong_form]
        10 | mentation: {primary: scripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}}
           |                                                                                 ^^^^
    app.csar/app.yaml:10:156: error: `operation_host`: there is no node template `x` [unknown_node]
        10 | cripts/none.sh, dependencies: [run.sh, gone.sh], timeout: soon, operation_host: x}}}}}
           |                                                                                 ^
           hint: there are: HOST, ORCHESTRATOR, SELF, a
    ");
}

#[test]
fn what_a_template_assigns_its_type_has() {
    assert_snapshot!(check(&v1_3("\
topology_template:
  node_templates:
    a:
      type: tosca.nodes.Compute
      properties: {colour: red}
      attributes: {private_adress: x}
      capabilities: {hots: {properties: {num_cpus: 1}}, host: {properties: {num_cpu: 1, mem_size: 4, disk_size: -1 GB}}}
    b: {type: tosca.nodes.BlockStorage}
")), @"
    app.yaml:6:20: error: `a` has no property `colour` [unknown_property]
         6 |       properties: {colour: red}
           |                    ^^^^^^
    app.yaml:8:77: error: the capability `host` of `a` has no property `num_cpu` [unknown_property]
         8 |       capabilities: {hots: {properties: {num_cpus: 1}}, host: {properties: {num_cpu: 1, mem_size: 4, disk_size: -1 GB}}}
           |                                                                             ^^^^^^^
           hint: did you mean `num_cpus`?
    app.yaml:8:99: error: found `4`, expected a number and a unit (B, kB, KiB, MB, MiB, GB, GiB, TB, TiB) [wrong_type]
         8 |       capabilities: {hots: {properties: {num_cpus: 1}}, host: {properties: {num_cpu: 1, mem_size: 4, disk_size: -1 GB}}}
           |                                                                                                   ^
           org.oasis-open.simple:1.3:115:17: its type is `scalar-unit.size` here
    app.yaml:8:113: error: found the text `-1 GB`, which breaks a rule: greater_or_equal: 0 MB [rule]
         8 |       capabilities: {hots: {properties: {num_cpus: 1}}, host: {properties: {num_cpu: 1, mem_size: 4, disk_size: -1 GB}}}
           |                                                                                                                 ^^^^^
           org.oasis-open.simple:1.3:114:77: the rule stands here
    app.yaml:8:22: warning: `a` has no capability `hots` [unknown_capability]
         8 |       capabilities: {hots: {properties: {num_cpus: 1}}, host: {properties: {num_cpu: 1, mem_size: 4, disk_size: -1 GB}}}
           |                      ^^^^
           hint: did you mean `host`?
    ");
    assert_snapshot!(check(&v2_0("\
node_types: {T: {properties: {p: {type: string}, q: {type: string, value: fixed}}, attributes: {x: {type: integer}}}}
service_template:
  node_templates:
    a: {type: T, properties: {q: other}, attributes: {y: 1, x: one}, capabilities: {c: {}}}
")), @"
    app.yaml:5:5: error: `a` has no `p` [missing_property]
         5 |     a: {type: T, properties: {q: other}, attributes: {y: 1, x: one}, capabilities: {c: {}}}
           |     ^
           app.yaml:2:31: `p` is required here, and has no default
    app.yaml:5:34: error: `q` of `a` is always fixed: it cannot become other [refinement]
         5 |     a: {type: T, properties: {q: other}, attributes: {y: 1, x: one}, capabilities: {c: {}}}
           |                                  ^^^^^
           app.yaml:2:75: its value is fixed here
    app.yaml:5:55: error: `a` has no attribute `y` [unknown_property]
         5 |     a: {type: T, properties: {q: other}, attributes: {y: 1, x: one}, capabilities: {c: {}}}
           |                                                       ^
           hint: there are: x
    app.yaml:5:64: error: found `one`, expected a whole number [wrong_type]
         5 |     a: {type: T, properties: {q: other}, attributes: {y: 1, x: one}, capabilities: {c: {}}}
           |                                                                ^^^
           app.yaml:2:100: its type is `integer` here
    app.yaml:5:85: error: `a` has no capability `c` [unknown_capability]
         5 |     a: {type: T, properties: {q: other}, attributes: {y: 1, x: one}, capabilities: {c: {}}}
           |                                                                                     ^
    ");
}

#[test]
fn a_template_of_the_other_version_is_told_once() {
    assert_snapshot!(check(&v2_0("\
imports: [{file: types.yaml}]
topology_template:
  inputs: {x: {type: string}}
  node_templates: {a: {type: tosca.nodes.Compute, properties: {x: {get_input: x}}}}
")), @"
    app.yaml:2:12: error: an import of TOSCA 2.0 has no key `file` [unknown_key]
         2 | imports: [{file: types.yaml}]
           |            ^^^^
           hint: the key of the file is `url`
    app.yaml:3:1: error: a TOSCA file has `topology_template` only until TOSCA 1.3: this file is TOSCA 2.0 [unknown_key]
         3 | topology_template:
           | ^^^^^^^^^^^^^^^^^
           hint: in TOSCA 2.0 it is called `service_template`
    ");
}

#[test]
fn an_output_has_a_value() {
    assert_snapshot!(check(&v1_3("\
topology_template:
  node_templates: {a: {type: tosca.nodes.Compute}}
  outputs: {o: {get_attribute: [a, state]}, p: {type: string}, q: {value: {get_attribute: [a, state]}}, r: {type: integer, value: text}}
")), @"
    app.yaml:4:131: error: found `text`, expected a whole number [wrong_type]
         4 |   outputs: {o: {get_attribute: [a, state]}, p: {type: string}, q: {value: {get_attribute: [a, state]}}, r: {type: integer, value: text}}
           |                                                                                                                                   ^^^^
           app.yaml:4:108: its type is `integer` here
    app.yaml:4:13: warning: the output `o` has no `value` [missing_key]
         4 |   outputs: {o: {get_attribute: [a, state]}, p: {type: string}, q: {value: {get_attribute: [a, state]}}, r: {type: integer, value: text}}
           |             ^
           hint: `o: {value: ...}`
    app.yaml:4:17: warning: a parameter definition has no key `get_attribute` in TOSCA 1.3 [unknown_key]
         4 |   outputs: {o: {get_attribute: [a, state]}, p: {type: string}, q: {value: {get_attribute: [a, state]}}, r: {type: integer, value: text}}
           |                 ^^^^^^^^^^^^^
           hint: there are: constraints, default, description, entry_schema, external-schema, external_schema, key_schema, metadata, required, status, type, value
    app.yaml:4:45: warning: the output `p` has no `value` [missing_key]
         4 |   outputs: {o: {get_attribute: [a, state]}, p: {type: string}, q: {value: {get_attribute: [a, state]}}, r: {type: integer, value: text}}
           |                                             ^
    ");
}
