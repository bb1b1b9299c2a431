//! What files import, and how that is written.

use insta::assert_snapshot;

use super::*;

#[test]
fn an_import_of_1_x_is_a_path_a_map_or_one_of_both_with_a_name() {
    let disk = Disk::with(&[
        (
            "app.yaml",
            v1_3!(
                "imports:\n- a.yaml\n- {file: b.yaml, namespace_prefix: b, namespace_uri: http://b}\n- named: c.yaml\n- other: {file: sub/d.yaml}\n"
            ),
        ),
        ("a.yaml", v1_3!("")),
        ("b.yaml", v1_3!("")),
        ("c.yaml", v1_3!("")),
        ("sub/d.yaml", v1_3!("imports: [e.yaml, ../a.yaml]\n")),
        ("sub/e.yaml", v1_3!("imports:\n")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 1.3
      a.yaml
      b.yaml as b
      c.yaml
      sub/d.yaml
    a.yaml: TOSCA 1.3
    b.yaml: TOSCA 1.3
    c.yaml: TOSCA 1.3
    sub/d.yaml: TOSCA 1.3
      sub/e.yaml
      a.yaml
    sub/e.yaml: TOSCA 1.3
    ");
}

#[test]
fn an_import_of_2_0_is_a_path_or_a_map() {
    let disk = Disk::with(&[
        (
            "app.yaml",
            v2_0!(
                "imports:\n- a.yaml\n- {url: b.yaml, namespace: b, description: B, metadata: {x: y}}\n- url: file:c.yaml\n- url: /sub/d.yaml\n"
            ),
        ),
        ("a.yaml", v2_0!("")),
        ("b.yaml", v2_0!("")),
        ("c.yaml", v2_0!("")),
        ("sub/d.yaml", v2_0!("imports: [/a.yaml]\n")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0
      a.yaml
      b.yaml as b
      c.yaml
      sub/d.yaml
    a.yaml: TOSCA 2.0
    b.yaml: TOSCA 2.0
    c.yaml: TOSCA 2.0
    sub/d.yaml: TOSCA 2.0
      a.yaml
    ");
}

#[test]
fn all_that_is_wrong_with_imports_of_1_x_is_told() {
    let lines = v1_3!(
        "imports:
- {file: [a]}
- {namespace_prefix: p}
- {file: a.yaml, namespace_prefix: [p]}
- {url: a.yaml, namespace: n}
- {file: a.yaml, repositry: r}
- named: {namespace_prefix: p}
- named: [a.yaml]
- [a.yaml]
- {}
- ~
- ''
- {one: a.yaml, two: a.yaml}
"
    );
    let disk = Disk::with(&[("app.yaml", lines), ("a.yaml", v1_3!(""))]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 1.3, incomplete
      a.yaml
    a.yaml: TOSCA 1.3
    app.yaml:3:10: error: found a list of 1, expected a text that says what is imported [imports]
         3 | - {file: [a]}
           |          ^
    app.yaml:4:3: error: an import needs `file`, found a map (`namespace_prefix: ...`) [missing_key]
         4 | - {namespace_prefix: p}
           |   ^
    app.yaml:5:36: error: found a list of 1 in `namespace_prefix`, expected a name [imports]
         5 | - {file: a.yaml, namespace_prefix: [p]}
           |                                    ^
    app.yaml:6:4: error: an import of TOSCA 1.3 has no key `url` [unknown_key]
         6 | - {url: a.yaml, namespace: n}
           |    ^^^
           hint: the key of the file is `file`
    app.yaml:6:17: error: an import of TOSCA 1.3 has no key `namespace` [unknown_key]
         6 | - {url: a.yaml, namespace: n}
           |                 ^^^^^^^^^
           hint: there are: file, namespace_prefix, namespace_uri, repository
    app.yaml:7:18: error: an import of TOSCA 1.3 has no key `repositry` [unknown_key]
         7 | - {file: a.yaml, repositry: r}
           |                  ^^^^^^^^^
           hint: did you mean `repository`?
    app.yaml:8:10: error: an import needs `file`, found a map (`namespace_prefix: ...`) [missing_key]
         8 | - named: {namespace_prefix: p}
           |          ^
    app.yaml:9:10: error: found a list of 1 as an import, expected the path of a file, or a map [imports]
         9 | - named: [a.yaml]
           |          ^
    app.yaml:10:3: error: found a list of 1 as an import, expected the path of a file, or a map [imports]
        10 | - [a.yaml]
           |   ^
    app.yaml:11:3: error: found a map as an import, expected the path of a file, or a map [imports]
        11 | - {}
           |   ^
    app.yaml:12:3: error: found nothing as an import, expected the path of a file, or a map [imports]
        12 | - ~
           |   ^
    app.yaml:13:3: error: `` is no path: it is empty [no_path]
        13 | - ''
           |   ^^
           hint: a path has `/` between its folders, and is relative to the file that names it
    app.yaml:14:17: warning: found 2 imports in one item of the list, expected one [imports]
        14 | - {one: a.yaml, two: a.yaml}
           |                 ^^^
           hint: begin each import with `- `
    ");
}

#[test]
fn all_that_is_wrong_with_imports_of_2_0_is_told() {
    let lines = v2_0!(
        "imports:
- {url: a.yaml, profile: p}
- {namespace: n}
- {profile: p, repository: r}
- {file: a.yaml}
- {url: ~}
- named: a.yaml
- {url: a.yaml, namespace: {}}
- {url: https://example.org/a.yaml, repository: r}
- 
"
    );
    let disk = Disk::with(&[("app.yaml", lines), ("a.yaml", v2_0!(""))]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0, incomplete
    app.yaml:3:26: error: found `url` and `profile` in one import, expected one of them [imports]
         3 | - {url: a.yaml, profile: p}
           |                          ^
           app.yaml:3:9: the `url` stands here
    app.yaml:4:3: error: an import needs `url` or `profile`, found a map (`namespace: ...`) [missing_key]
         4 | - {namespace: n}
           |   ^
    app.yaml:5:28: error: `repository` says where a `url` is, expected none with a `profile` [imports]
         5 | - {profile: p, repository: r}
           |                            ^
    app.yaml:6:4: error: an import of TOSCA 2.0 has no key `file` [unknown_key]
         6 | - {file: a.yaml}
           |    ^^^^
           hint: the key of the file is `url`
    app.yaml:7:9: error: found nothing, expected a text that says what is imported [imports]
         7 | - {url: ~}
           |         ^
    app.yaml:8:3: error: an import of TOSCA 2.0 has no key `named` [unknown_key]
         8 | - named: a.yaml
           |   ^^^^^
           hint: there are: description, metadata, namespace, profile, repository, url
    app.yaml:9:28: error: found a map in `namespace`, expected a name [imports]
         9 | - {url: a.yaml, namespace: {}}
           |                            ^
    app.yaml:10:49: error: `https://example.org/a.yaml` says all of where it is, expected no `repository` with it [imports]
        10 | - {url: https://example.org/a.yaml, repository: r}
           |                                                 ^
    app.yaml:11:3: error: found nothing as an import, expected the path of a file, or a map [imports]
        11 | - 
           |   ^
    ");
}

#[test]
fn imports_are_a_list() {
    let disk = Disk::with(&[
        ("nothing.yaml", v2_0!("imports:\n")),
        ("text.yaml", v2_0!("imports: a.yaml\n")),
        ("map.yaml", v1_3!("imports: {a: a.yaml}\n")),
    ]);
    assert_snapshot!(disk.tell("nothing.yaml"), @"
    nothing.yaml: TOSCA 2.0, incomplete
    nothing.yaml:2:1: error: found nothing in `imports`, expected a list [imports]
         2 | imports:
           | ^^^^^^^
           hint: each import begins with `- `
    ");
    assert_snapshot!(disk.tell("text.yaml"), @"
    text.yaml: TOSCA 2.0, incomplete
    text.yaml:2:10: error: found `a.yaml` in `imports`, expected a list [imports]
         2 | imports: a.yaml
           |          ^^^^^^
           hint: each import begins with `- `
    ");
    assert_snapshot!(disk.tell("map.yaml"), @"
    map.yaml: TOSCA 1.3, incomplete
    map.yaml:2:10: error: found a map (`a: ...`) in `imports`, expected a list [imports]
         2 | imports: {a: a.yaml}
           |          ^
           hint: each import begins with `- `
    ");
}

#[test]
fn a_file_is_read_once_and_circles_are_fine() {
    let disk = Disk::with(&[
        (
            "app.yaml",
            v2_0!(
                "imports:\n- b.yaml\n- ./b.yaml\n- x/../b.yaml\n- {url: b.yaml, namespace: b}\n- {url: b.yaml, namespace: c}\n"
            ),
        ),
        ("b.yaml", v2_0!("imports: [app.yaml, b.yaml]\n")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0
      b.yaml
      b.yaml as b
      b.yaml as c
    b.yaml: TOSCA 2.0
      app.yaml
      b.yaml
    ");
}

#[test]
fn a_template_on_the_disk_may_import_from_above_its_folder() {
    let disk = Disk::with(&[
        ("examples/app.yaml", v1_3!("imports: [../common/types.yaml, ../examples/own.yaml]\n")),
        ("examples/own.yaml", v1_3!("imports: [app.yaml]\n")),
        ("common/types.yaml", v1_3!("imports: [more.yaml, ../examples/own.yaml]\n")),
        ("common/more.yaml", v1_3!("")),
    ]);
    assert_snapshot!(disk.tell("examples/app.yaml"), @"
    app.yaml: TOSCA 1.3
      ../common/types.yaml
      own.yaml
    ../common/types.yaml: TOSCA 1.3
      ../common/more.yaml
      own.yaml
    own.yaml: TOSCA 1.3
      app.yaml
    ../common/more.yaml: TOSCA 1.3
    ");
    let sources = disk.sources("examples/app.yaml");
    assert_eq!(
        sources.path_of(UnitIx(0), "../common/run.sh"),
        Err(Unfound::Missing {
            name: "../common/run.sh".to_owned(),
            path: "../common/run.sh".into(),
            looked: vec![disk.at("common/run.sh").display().to_string()],
        })
    );
    disk.put("common/run.sh", b"true");
    assert_eq!(sources.path_of(UnitIx(0), "../common/run.sh").as_deref(), Ok("../common/run.sh"));
    assert_eq!(sources.folder.read("../common/run.sh").expect("it is there"), b"true");
}

#[test]
fn a_file_of_1_x_may_name_files_from_the_root_or_from_its_own_folder() {
    let disk = Disk::with(&[
        ("app.yaml", v1_3!("imports: [types/a.yaml]\n")),
        ("types/a.yaml", v1_3!("imports: [types/b.yaml, scripts/c.yaml]\n")),
        ("types/b.yaml", v1_3!("")),
        ("scripts/c.yaml", v1_3!("")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 1.3
      types/a.yaml
    types/a.yaml: TOSCA 1.3
      types/b.yaml
      scripts/c.yaml
    types/b.yaml: TOSCA 1.3
    scripts/c.yaml: TOSCA 1.3
    ");
    assert_snapshot!(disk.tell("types/a.yaml"), @"
    a.yaml: TOSCA 1.3, incomplete
      b.yaml
    b.yaml: TOSCA 1.3
    types/a.yaml:2:25: error: not found: `scripts/c.yaml` (looked for types/scripts/c.yaml) [not_found]
         2 | imports: [types/b.yaml, scripts/c.yaml]
           |                         ^^^^^^^^^^^^^^
    ");
}

#[test]
fn a_file_of_2_0_names_files_from_its_own_folder_only() {
    let disk = Disk::with(&[
        ("app.yaml", v2_0!("imports: [types/a.yaml]\n")),
        ("types/a.yaml", v2_0!("imports: [types/b.yaml]\n")),
        ("types/b.yaml", v2_0!("")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0, incomplete
      types/a.yaml
    types/a.yaml: TOSCA 2.0, incomplete
    types/a.yaml:2:11: error: not found: `types/b.yaml` (looked for types/types/b.yaml) [not_found]
         2 | imports: [types/b.yaml]
           |           ^^^^^^^^^^^^
    ");
}

#[test]
fn what_is_not_there_is_told_with_what_is_and_reading_goes_on() {
    let disk = Disk::with(&[
        ("app.yaml", v1_3!("imports:\n- typs.yaml\n- right.yaml\n- sub/none.yaml\n")),
        ("types.yaml", v1_3!("")),
        ("types.txt", ""),
        ("right.yaml", v1_3!("imports: [broken.yaml, leaf.yaml]\n")),
        ("broken.yaml", v1_3!("a: [\n")),
        ("leaf.yaml", v1_3!("")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 1.3, incomplete
      right.yaml
    right.yaml: TOSCA 1.3, incomplete
      leaf.yaml
    leaf.yaml: TOSCA 1.3
    app.yaml:3:3: error: not found: `typs.yaml` (looked for typs.yaml) [not_found]
         3 | - typs.yaml
           |   ^^^^^^^^^
           hint: did you mean `types.yaml`?
    app.yaml:5:3: error: not found: `sub/none.yaml` (looked for sub/none.yaml) [not_found]
         5 | - sub/none.yaml
           |   ^^^^^^^^^^^^^
    broken.yaml:2:4: error: this is no YAML: unclosed bracket '[' [yaml]
         2 | a: [
           |    ^
    ");
}

#[test]
fn what_is_no_path_is_told() {
    let disk = Disk::with(&[(
        "app.yaml",
        v1_3!(
            "imports:\n- a\\b.yaml\n- C:/a.yaml\n- \"a\\0b.yaml\"\n- ..\n- sub/\n- https://example.org/a.yaml\n- git://example.org/a.yaml\n- file://host/a.yaml\n"
        ),
    )]);
    assert_snapshot!(disk.tell("app.yaml"), @r#"
    app.yaml: TOSCA 1.3, incomplete
    app.yaml:3:3: error: `a\b.yaml` is no path: it has `\` in it [no_path]
         3 | - a\b.yaml
           |   ^^^^^^^^
           hint: a path has `/` between its folders, and is relative to the file that names it
    app.yaml:4:3: error: `C:/a.yaml` is no path: it begins with a drive [no_path]
         4 | - C:/a.yaml
           |   ^^^^^^^^^
           hint: a path has `/` between its folders, and is relative to the file that names it
    app.yaml:5:3: error: `a�b.yaml` is no path: it has a zero byte in it [no_path]
         5 | - "a\0b.yaml"
           |   ^^^^^^^^^^^
           hint: a path has `/` between its folders, and is relative to the file that names it
    app.yaml:6:3: error: `..` is no path: it names no file [no_path]
         6 | - ..
           |   ^^
           hint: a path has `/` between its folders, and is relative to the file that names it
    app.yaml:7:3: error: `sub/` is no path: it names no file [no_path]
         7 | - sub/
           |   ^^^^
           hint: a path has `/` between its folders, and is relative to the file that names it
    app.yaml:8:3: error: `https://example.org/a.yaml` would have to be fetched, and gorch asks no network while it converts [network]
         8 | - https://example.org/a.yaml
           |   ^^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: put the file beside the template, or into the CSAR
    app.yaml:9:3: error: `git://example.org/a.yaml` would have to be fetched, and gorch asks no network while it converts [network]
         9 | - git://example.org/a.yaml
           |   ^^^^^^^^^^^^^^^^^^^^^^^^
           hint: put the file beside the template, or into the CSAR
    app.yaml:10:3: error: `file://host/a.yaml` would have to be fetched, and gorch asks no network while it converts [network]
        10 | - file://host/a.yaml
           |   ^^^^^^^^^^^^^^^^^^
           hint: put the file beside the template, or into the CSAR
    "#);
}

#[test]
fn a_repository_is_a_folder() {
    let disk = Disk::with(&[
        (
            "app.yaml",
            v2_0!(
                "repositories:
  near: {url: file:types/}
  short: types
  far: https://example.org/types
  wrong: {description: no url}
imports:
- {url: a.yaml, repository: near}
- {url: /b.yaml, repository: short, namespace: b}
- {url: a.yaml, repository: far}
- {url: a.yaml, repository: naer}
- {url: a.yaml, repository: wrong}
"
            ),
        ),
        ("types/a.yaml", v2_0!("")),
        ("types/b.yaml", v2_0!("")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0, incomplete
      types/a.yaml
      types/b.yaml as b
    types/a.yaml: TOSCA 2.0
    types/b.yaml: TOSCA 2.0
    app.yaml:10:9: error: `https://example.org/types/a.yaml` would have to be fetched, and gorch asks no network while it converts [network]
        10 | - {url: a.yaml, repository: far}
           |         ^^^^^^
           hint: put the file beside the template, or into the CSAR
    app.yaml:11:29: error: unknown repository `naer` [repository]
        11 | - {url: a.yaml, repository: naer}
           |                             ^^^^
           hint: did you mean `near`?
    ");
}

#[test]
fn versions_of_1_x_go_together_and_2_0_goes_alone() {
    let disk = Disk::with(&[
        ("app.yaml", v1_3!("imports: [old.yaml, new.yaml]\n")),
        ("old.yaml", "tosca_definitions_version: tosca_simple_yaml_1_0\n"),
        ("new.yaml", v2_0!("imports: [old.yaml]\n")),
    ]);
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 1.3, incomplete
      old.yaml
    old.yaml: TOSCA 1.0
    app.yaml:2:21: error: `new.yaml` is TOSCA 2.0, expected TOSCA 1.x [mixed_versions]
         2 | imports: [old.yaml, new.yaml]
           |                     ^^^^^^^^
           new.yaml:1:28: its version stands here
           hint: `app.yaml` is TOSCA 1.3; all that it imports has to be of its kind
    ");
    assert_snapshot!(disk.tell("new.yaml"), @"
    new.yaml: TOSCA 2.0, incomplete
    new.yaml:2:11: error: `old.yaml` is TOSCA 1.0, expected TOSCA 2.0 [mixed_versions]
         2 | imports: [old.yaml]
           |           ^^^^^^^^
           old.yaml:1:28: its version stands here
           hint: `new.yaml` is TOSCA 2.0; all that it imports has to be of its kind
    ");
}
