//! Archives and unpacked ones: which file is the entry, and what belongs to them.

use insta::assert_snapshot;

use super::*;

const META: &str = "TOSCA-Metadata/TOSCA.meta";

/// An archive whose `TOSCA.meta` has this text, and that has an entry.
fn with_meta(meta: &str) -> String {
    tell_packed(&packed(&[(META, meta), ("app.yaml", v1_3!(""))]))
}

#[test]
fn an_archive_names_its_entry_and_is_the_same_when_it_is_unpacked() {
    let files = [
        (
            META,
            "TOSCA-Meta-File-Version: 1.0\nCSAR-Version: 1.1\nCreated-by: me\nEntry-Definitions: defs/app.yaml\n\nName: run.sh\nContent-Type: text/plain\n",
        ),
        ("defs/app.yaml", v1_3!("imports: [types.yaml, ../common.yaml, ../scripts/more.yaml]\n")),
        ("defs/types.yaml", v1_3!("")),
        ("common.yaml", v1_3!("")),
        ("scripts/more.yaml", v1_3!("")),
        ("scripts/run.sh", "true"),
    ];
    let packed = tell_packed(&packed(&files));
    assert_snapshot!(packed, @"
    defs/app.yaml: TOSCA 1.3
      defs/types.yaml
      common.yaml
      scripts/more.yaml
    defs/types.yaml: TOSCA 1.3
    common.yaml: TOSCA 1.3
    scripts/more.yaml: TOSCA 1.3
    ");
    let disk = Disk::with(&files);
    assert_eq!(disk.tell(""), packed);
    let sources = disk.sources("");
    assert_eq!(sources.path_of(UnitIx(0), "../scripts/run.sh").as_deref(), Ok("scripts/run.sh"));
    assert_eq!(sources.path_of(UnitIx(0), "/scripts/run.sh").as_deref(), Ok("scripts/run.sh"));
    assert_eq!(sources.folder.read("scripts/run.sh").expect("it is there"), b"true");
    assert!(!sources.folder.has("scripts"));
}

#[test]
fn a_path_in_an_archive_begins_at_its_file_and_nowhere_else() {
    let files = [
        (META, "CSAR-Version: 1.1\nEntry-Definitions: defs/app.yaml\n"),
        ("defs/app.yaml", v1_3!("imports: [scripts/more.yaml]\n")),
        ("scripts/more.yaml", v1_3!("")),
    ];
    assert_snapshot!(tell_packed(&packed(&files)), @"
    defs/app.yaml: TOSCA 1.3, incomplete
    app.csar/defs/app.yaml:2:11: error: not found: `scripts/more.yaml` (looked for app.csar/defs/scripts/more.yaml) [not_found]
         2 | imports: [scripts/more.yaml]
           |           ^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn an_archive_of_2_0_may_have_its_meta_at_the_root_and_other_templates() {
    let files = [
        (
            "TOSCA.meta",
            "CSAR-Version: 2.0\nCreated-By: me\nEntry-Definitions: app.yaml\nOther-Definitions: sub/one.yaml\n  \"sub/the other.yaml\"\n",
        ),
        ("app.yaml", v2_0!("")),
        ("sub/one.yaml", v2_0!("imports: [../app.yaml]\n")),
        ("sub/the other.yaml", v2_0!("")),
    ];
    assert_snapshot!(tell_packed(&packed(&files)), @"
    app.yaml: TOSCA 2.0
    sub/one.yaml: TOSCA 2.0
      app.yaml
    sub/the other.yaml: TOSCA 2.0
    ");
}

#[test]
fn an_archive_of_2_0_may_leave_its_entry_to_the_only_template_at_the_root() {
    let files = [("TOSCA.meta", "CSAR-Version: 2.0\n"), ("app.yml", v2_0!("")), ("sub/more.yaml", v2_0!(""))];
    assert_snapshot!(tell_packed(&packed(&files)), @"app.yml: TOSCA 2.0");
}

#[test]
fn a_meta_that_is_wrong_is_told_with_its_lines() {
    assert_snapshot!(with_meta("CSAR-Version, 1.1\nCreated-By:me\nEntry-Definitions: app.yaml\n"), @"
    app.csar/TOSCA-Metadata/TOSCA.meta:1:1: error: found `CSAR-Version, 1.1`, expected `name: value` [meta]
         1 | CSAR-Version, 1.1
           | ^^^^^^^^^^^^^^^^^
    app.csar/TOSCA-Metadata/TOSCA.meta:2:1: error: found `Created-By:me`, expected `name: value` [meta]
         2 | Created-By:me
           | ^^^^^^^^^^^^^
    ");
    assert_snapshot!(with_meta("CSAR-Version: 1.1\nCreated-By: me\nEntry-Definition: app.yaml\n"), @"
    app.csar/TOSCA-Metadata/TOSCA.meta:3:1: error: found `Entry-Definition`, expected `Entry-Definitions` [meta]
         3 | Entry-Definition: app.yaml
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(with_meta("Entry-Definitions: app.yaml\n"), @"
    app.csar/TOSCA-Metadata/TOSCA.meta:1:1: error: `CSAR-Version` is missing [meta]
         1 | Entry-Definitions: app.yaml
           | ^
    ");
    assert_snapshot!(with_meta("CSAR-Version: 3.0\nEntry-Definitions: app.yaml\n"), @"
    app.csar/TOSCA-Metadata/TOSCA.meta:1:1: error: unknown version `3.0` of a CSAR, expected 1.0, 1.1 or 2.0 [meta]
         1 | CSAR-Version: 3.0
           | ^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(with_meta("CSAR-Version: 1.1\ncsar-version: 1.0\nEntry-Definitions: app.yaml\n"), @"
    app.csar/TOSCA-Metadata/TOSCA.meta:2:1: error: `csar-version` stands twice [meta]
         2 | csar-version: 1.0
           | ^^^^^^^^^^^^^^^^^
           app.csar/TOSCA-Metadata/TOSCA.meta:1:1: it stands here first
    ");
    assert_snapshot!(with_meta("CSAR-Version: 1.1\nEntry-Definitions: ap.yaml\nOther-Definitions: ../x.yaml b.yaml\n"), @"
    app.csar/TOSCA-Metadata/TOSCA.meta:2:1: error: `ap.yaml` is not in the CSAR [not_found]
         2 | Entry-Definitions: ap.yaml
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: did you mean `app.yaml`?
    app.csar/TOSCA-Metadata/TOSCA.meta:3:1: error: `b.yaml` is not in the CSAR [not_found]
         3 | Other-Definitions: ../x.yaml b.yaml
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: there are: app.yaml
    app.csar/TOSCA-Metadata/TOSCA.meta:3:1: error: `../x.yaml` leads out of the archive [outside]
         3 | Other-Definitions: ../x.yaml b.yaml
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(with_meta(""), @"app.csar/TOSCA-Metadata/TOSCA.meta:1:1: error: `CSAR-Version` is missing [meta]");
}

#[test]
fn there_is_one_meta() {
    let meta = "CSAR-Version: 2.0\nEntry-Definitions: app.yaml\n";
    assert_snapshot!(tell_packed(&packed(&[(META, meta), ("TOSCA.meta", meta), ("app.yaml", v2_0!(""))])), @"app.csar:1:1: error: found `TOSCA-Metadata/TOSCA.meta` and `TOSCA.meta`, expected one of them [csar]");
}

#[test]
fn without_a_meta_the_only_template_at_the_root_is_the_entry() {
    let metadata = v1_3!("metadata: {template_name: app, template_version: 1.0}\nimports: [sub/types.yaml]\n");
    assert_snapshot!(tell_packed(&packed(&[("app.yaml", metadata), ("sub/types.yaml", v1_3!(""))])), @"
    app.yaml: TOSCA 1.3
      sub/types.yaml
    sub/types.yaml: TOSCA 1.3
    ");
    assert_snapshot!(tell_packed(&packed(&[("app.yaml", v2_0!("")), ("README.md", "")])), @"app.yaml: TOSCA 2.0");
    assert_snapshot!(tell_packed(&packed(&[("app.yaml", v1_3!("metadata: {template_name: app}\n"))])), @"
    app.yaml: TOSCA 1.3
    app.csar/app.yaml:1:28: warning: a CSAR without `TOSCA-Metadata/TOSCA.meta` needs `template_version` in `metadata` [csar]
         1 | tosca_definitions_version: tosca_simple_yaml_1_3
           |                            ^^^^^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(tell_packed(&packed(&[("app.yaml", "tosca_definitions_version: tosca_simple_yaml_1_0\n")])), @"
    app.yaml: TOSCA 1.0
    app.csar/app.yaml:1:28: error: a CSAR of TOSCA 1.0 needs `TOSCA-Metadata/TOSCA.meta`, found none [csar]
         1 | tosca_definitions_version: tosca_simple_yaml_1_0
           |                            ^^^^^^^^^^^^^^^^^^^^^
           hint: name the template itself, if this is no CSAR
    ");
}

#[test]
fn without_a_meta_there_is_one_template_at_the_root() {
    assert_snapshot!(tell_packed(&packed(&[("sub/app.yaml", v2_0!(""))])), @"app.csar:1:1: error: found no `TOSCA-Metadata/TOSCA.meta` and no template at the root, expected one of them [csar]");
    assert_snapshot!(tell_packed(&packed(&[("a.yaml", v2_0!("")), ("b.yml", v2_0!(""))])), @"
    app.csar:1:1: error: found 2 templates at the root (`a.yaml`, `b.yml`), expected one [csar]
           hint: say in `TOSCA-Metadata/TOSCA.meta` which one is the entry
    ");
    assert_snapshot!(tell_packed(&packed(&[])), @"app.csar:1:1: error: found no `TOSCA-Metadata/TOSCA.meta` and no template at the root, expected one of them [csar]");
}

#[test]
fn nothing_outside_of_an_archive_is_imported() {
    let files = [("app/app.yaml", v2_0!("imports: [../types.yaml]\n")), ("types.yaml", v2_0!(""))];
    assert_snapshot!(Disk::with(&files).tell("app"), @"
    app.yaml: TOSCA 2.0, incomplete
    app/app.yaml:2:11: error: `../types.yaml` leads out of the folder of the CSAR [outside]
         2 | imports: [../types.yaml]
           |           ^^^^^^^^^^^^^
    ");
    let bytes = packed(&[("app.yaml", files[0].1)]);
    assert_snapshot!(tell_packed(&bytes), @"
    app.yaml: TOSCA 2.0, incomplete
    app.csar/app.yaml:2:11: error: `../types.yaml` leads out of the archive [outside]
         2 | imports: [../types.yaml]
           |           ^^^^^^^^^^^^^
    ");
}

#[cfg(unix)]
#[test]
fn a_symlink_leads_nowhere_outside_of_an_unpacked_archive() {
    let disk = Disk::with(&[
        ("app/app.yaml", v2_0!("imports: [near.yaml, far.yaml]\n")),
        ("far.yaml", v2_0!("")),
        ("app/x/near.yaml", v2_0!("")),
    ]);
    std::os::unix::fs::symlink("x/near.yaml", disk.at("app/near.yaml")).expect("the name is free");
    std::os::unix::fs::symlink("../far.yaml", disk.at("app/far.yaml")).expect("the name is free");
    // Otherwise there would be three templates at the root.
    disk.put("app/TOSCA.meta", b"CSAR-Version: 2.0\nEntry-Definitions: app.yaml\n");
    assert_snapshot!(disk.tell("app"), @"
    app.yaml: TOSCA 2.0, incomplete
      near.yaml
    near.yaml: TOSCA 2.0
    app/app.yaml:2:22: error: `far.yaml` cannot be read: it is a symlink that leads out of the folder of the CSAR [read]
         2 | imports: [near.yaml, far.yaml]
           |                      ^^^^^^^^
    ");
}
