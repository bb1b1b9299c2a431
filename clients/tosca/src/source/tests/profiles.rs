//! Types that are built in, and profiles.

use insta::assert_snapshot;

use super::*;
use crate::place::FileId;
use crate::source::profiles::Profile;
use crate::version::Version;
use crate::yaml;

#[test]
fn each_of_our_files_is_right_in_each_version() {
    for profile in [Profile::Simple1, Profile::Simple2] {
        for version in Version::ALL {
            let mut report = Report::default();
            let root = yaml::load(profile.text(version).1, FileId(0), |tag| version.has(tag), &mut report);
            assert!(root.is_some_and(|root| root.as_map().is_some()), "{profile:?} in {version}");
            assert!(!report.is_refused(), "{profile:?} in {version}");
        }
    }
}

#[test]
fn every_file_of_1_x_has_the_normative_types_of_the_entry_last() {
    let disk = Disk::with(&[
        ("app.yaml", "tosca_definitions_version: tosca_simple_yaml_1_1\nimports: [a.yaml]\n"),
        ("a.yaml", v1_3!("")),
    ]);
    let sources = disk.sources("app.yaml");
    let normative = sources.units.iter().position(|unit| unit.origin == Origin::Normative).expect("it is there");
    assert_eq!(sources.units[normative].version, Version::V1_1);
    assert!(sources.units[normative].imports.is_empty());
    for unit in sources.units.iter().filter(|unit| unit.origin == Origin::Given) {
        let last = unit.imports.last().expect("there is one");
        assert_eq!((last.unit, &last.namespace), (UnitIx(normative), &None));
    }
}

#[test]
fn nothing_is_built_in_for_2_0() {
    let disk = Disk::with(&[("app.yaml", v2_0!(""))]);
    assert_eq!(disk.sources("app.yaml").units.len(), 1);
}

#[test]
fn a_profile_of_ours_has_two_names_and_is_read_once() {
    let disk = Disk::with(&[(
        "app.yaml",
        v2_0!(
            "imports:\n- profile: org.oasis-open.simple:2.0\n- {profile: org.oasis-open.tosca.simple:2.0, namespace: t}\n"
        ),
    )]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0
      org.oasis-open.simple:2.0
      org.oasis-open.simple:2.0 as t
    org.oasis-open.simple:2.0: TOSCA 2.0
    ");
}

#[test]
fn a_profile_can_stand_beside_the_file_that_imports_it_or_at_the_root() {
    let disk = Disk::with(&[
        ("app.yaml", v2_0!("imports:\n- {profile: org.base:v1, namespace: b}\n- sub/more.yaml\n")),
        ("base.yaml", v2_0!("profile: org.base:v1\n")),
        ("wrong.yaml", "profile: [\n"),
        ("sub/more.yaml", v2_0!("imports:\n- profile: org.base:v1\n- profile: org.sub\n")),
        ("sub/profile.yml", v2_0!("profile: org.sub\n")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0
      base.yaml as b
      sub/more.yaml
    base.yaml: TOSCA 2.0
    sub/more.yaml: TOSCA 2.0
      base.yaml
      sub/profile.yml
    sub/profile.yml: TOSCA 2.0
    ");
}

#[test]
fn an_unknown_profile_is_told_with_those_that_are_known() {
    let disk = Disk::with(&[
        (
            "app.yaml",
            v2_0!(
                "imports:\n- profile: org.base:v2\n- profile: org.oasis-open.simple:1.3\n- profile: io.kubernetes:1.30\n"
            ),
        ),
        ("base.yaml", v2_0!("profile: org.base:v1\n")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0, incomplete
    app.yaml:3:12: error: unknown profile `org.base:v2` [profile]
         3 | - profile: org.base:v2
           |            ^^^^^^^^^^^
           hint: did you mean `org.base:v1`?
    app.yaml:4:12: error: unknown profile `org.oasis-open.simple:1.3` [profile]
         4 | - profile: org.oasis-open.simple:1.3
           |            ^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `org.oasis-open.simple:2.0`?
    app.yaml:5:12: error: unknown profile `io.kubernetes:1.30` [profile]
         5 | - profile: io.kubernetes:1.30
           |            ^^^^^^^^^^^^^^^^^^
           hint: there are: org.base:v1, org.oasis-open.simple:2.0, org.oasis-open.tosca.simple:2.0
    ");
}

#[test]
fn what_other_tools_call_the_normative_types_is_what_we_have() {
    let disk = Disk::with(&[(
        "app.yaml",
        "tosca_definitions_version: alien_dsl_2_0_0
imports:
- <normative-types.yml>
- tosca-normative-types:1.0.0-ALIEN20
- tosca-normative-types: 1.0.0-ALIEN11
- {file: aria-1.0, namespace_prefix: aria}
",
    )]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 1.3
      org.oasis-open.simple:1.3
      org.oasis-open.simple:1.3 as aria
    app.yaml:1:28: warning: `alien_dsl_2_0_0` is a dialect of TOSCA (Alien4Cloud), read as TOSCA 1.3 [dialect]
         1 | tosca_definitions_version: alien_dsl_2_0_0
           |                            ^^^^^^^^^^^^^^^
    app.yaml:3:3: warning: `<normative-types.yml>` is read as the normative types of TOSCA 1.3 [built_in]
         3 | - <normative-types.yml>
           |   ^^^^^^^^^^^^^^^^^^^^^
           hint: they are built in, and need no import
    app.yaml:4:3: warning: `tosca-normative-types:1.0.0-ALIEN20` is read as the normative types of TOSCA 1.3 [built_in]
         4 | - tosca-normative-types:1.0.0-ALIEN20
           |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: they are built in, and need no import
    app.yaml:5:3: warning: `tosca-normative-types:1.0.0-ALIEN11` is read as the normative types of TOSCA 1.3 [built_in]
         5 | - tosca-normative-types: 1.0.0-ALIEN11
           |   ^^^^^^^^^^^^^^^^^^^^^
           hint: they are built in, and need no import
    app.yaml:6:10: warning: `aria-1.0` is read as the normative types of TOSCA 1.3 [built_in]
         6 | - {file: aria-1.0, namespace_prefix: aria}
           |          ^^^^^^^^
           hint: they are built in, and need no import
    ");
}

#[test]
fn what_is_built_into_yorc_can_be_brought_along() {
    let disk = Disk::with(&[
        ("app.yaml", v1_3!("imports: [<yorc-types.yml>, named: <yorc-slurm-types.yml>]\n")),
        ("yorc-types.yml", v1_3!("")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 1.3, incomplete
      yorc-types.yml
    yorc-types.yml: TOSCA 1.3
    app.yaml:2:36: error: `<yorc-slurm-types.yml>` is a part of Yorc, which gorch does not have [built_in]
         2 | imports: [<yorc-types.yml>, named: <yorc-slurm-types.yml>]
           |                                    ^^^^^^^^^^^^^^^^^^^^^^
           hint: put Yorc's `yorc-slurm-types.yml` beside the template
    ");
}
