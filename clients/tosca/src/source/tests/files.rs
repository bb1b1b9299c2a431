//! Single files: what is no template, and how it begins.

use insta::assert_snapshot;

use super::*;

#[test]
fn what_is_not_there_is_told() {
    let disk = Disk::with(&[]);
    assert_snapshot!(disk.tell("app.yaml"), @"app.yaml:1:1: error: this cannot be read: No such file or directory (os error 2) [read]");
}

#[test]
fn a_template_begins_with_a_heading_that_is_known() {
    let disk = Disk::with(&[
        ("empty.yaml", ""),
        ("list.yaml", "- a\n"),
        ("missing.yaml", "description: none\n"),
        ("misspelt.yaml", "tosca_definitions_versions: tosca_2_0\n"),
        ("near.yaml", "tosca_definitions_version: tosca-2-0\n"),
        ("number.yaml", "tosca_definitions_version: 2.0\n"),
        ("map.yaml", "tosca_definitions_version: {is: tosca_2_0}\n"),
    ]);
    assert_snapshot!(disk.tell("empty.yaml"), @"empty.yaml:1:1: error: found nothing, expected a map that begins with `tosca_definitions_version` [version]");
    assert_snapshot!(disk.tell("list.yaml"), @"
    list.yaml:1:1: error: found a list of 1, expected a map that begins with `tosca_definitions_version` [version]
         1 | - a
           | ^
    ");
    assert_snapshot!(disk.tell("missing.yaml"), @"
    missing.yaml:1:1: error: `tosca_definitions_version` is missing [version]
         1 | description: none
           | ^
           hint: begin the file with `tosca_definitions_version: tosca_simple_yaml_1_3`
    ");
    assert_snapshot!(disk.tell("misspelt.yaml"), @"
    misspelt.yaml:1:1: error: found `tosca_definitions_versions`, expected `tosca_definitions_version` [version]
         1 | tosca_definitions_versions: tosca_2_0
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(disk.tell("near.yaml"), @"
    near.yaml:1:28: error: found `tosca-2-0`, expected a version such as `tosca_simple_yaml_1_3` [version]
         1 | tosca_definitions_version: tosca-2-0
           |                            ^^^^^^^^^
           hint: did you mean `tosca_2_0`?
    ");
    assert_snapshot!(disk.tell("number.yaml"), @"
    number.yaml:1:28: error: found `2.0`, expected a version such as `tosca_simple_yaml_1_3` [version]
         1 | tosca_definitions_version: 2.0
           |                            ^^^
           hint: there are: tosca_2_0, tosca_simple_yaml_1_0, tosca_simple_yaml_1_1, tosca_simple_yaml_1_2, tosca_simple_yaml_1_3
    ");
    assert_snapshot!(disk.tell("map.yaml"), @"
    map.yaml:1:28: error: found a map (`is: ...`), expected a version such as `tosca_simple_yaml_1_3` [version]
         1 | tosca_definitions_version: {is: tosca_2_0}
           |                            ^
           hint: there are: tosca_2_0, tosca_simple_yaml_1_0, tosca_simple_yaml_1_1, tosca_simple_yaml_1_2, tosca_simple_yaml_1_3
    ");
}

#[test]
fn the_heading_comes_first_in_2_0_and_anywhere_in_1_x() {
    let disk = Disk::with(&[
        ("new.yaml", "description: first\ntosca_definitions_version: tosca_2_0\n"),
        ("old.yaml", "description: first\ntosca_definitions_version: tosca_simple_yaml_1_0\n"),
    ]);
    assert_snapshot!(disk.tell("new.yaml"), @"
    new.yaml: TOSCA 2.0
    new.yaml:2:1: error: `tosca_definitions_version` has to be the first key of a file of TOSCA 2.0 [version_first]
         2 | tosca_definitions_version: tosca_2_0
           | ^^^^^^^^^^^^^^^^^^^^^^^^^
           new.yaml:1:1: `description` stands before it
    ");
    assert_snapshot!(disk.tell("old.yaml"), @"old.yaml: TOSCA 1.0");
}

#[test]
fn a_dialect_is_told_and_where_its_types_are() {
    let disk = Disk::with(&[
        ("alien.yaml", "tosca_definitions_version: alien_dsl_2_0_0\n"),
        ("nfv.yaml", "tosca_definitions_version: tosca_simple_profile_for_nfv_1_0_0\n"),
    ]);
    assert_snapshot!(disk.tell("alien.yaml"), @"
    alien.yaml: TOSCA 1.3
    alien.yaml:1:28: warning: `alien_dsl_2_0_0` is a dialect of TOSCA (Alien4Cloud), read as TOSCA 1.3 [dialect]
         1 | tosca_definitions_version: alien_dsl_2_0_0
           |                            ^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(disk.tell("nfv.yaml"), @"
    nfv.yaml: TOSCA 1.3
    nfv.yaml:1:28: warning: `tosca_simple_profile_for_nfv_1_0_0` is a dialect of TOSCA (the NFV profile), read as TOSCA 1.3 [dialect]
         1 | tosca_definitions_version: tosca_simple_profile_for_nfv_1_0_0
           |                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           hint: its types are not built in: import them
    ");
}

#[test]
fn a_file_is_utf8_and_may_begin_with_its_mark() {
    let disk = Disk::with(&[]);
    disk.put("marked.yaml", b"\xef\xbb\xbftosca_definitions_version: tosca_2_0\n");
    disk.put("latin.yaml", b"tosca_definitions_version: tosca_2_0\ndescription: \xc3\xa9t\xe9\n");
    disk.put("wide.yaml", b"\xff\xfet\0o\0s\0c\0a\0");
    assert_snapshot!(disk.tell("marked.yaml"), @"marked.yaml: TOSCA 2.0");
    assert_snapshot!(disk.tell("latin.yaml"), @"
    latin.yaml:2:16: error: found the byte 0xe9 at 53, expected UTF-8 [utf8]
         2 | description: ét�
           |                ^
    ");
    assert_snapshot!(disk.tell("wide.yaml"), @"
    wide.yaml:1:1: error: found the byte 0xff at 0, expected UTF-8 [utf8]
         1 | ��t�o�s�c�a�
           | ^
           hint: it looks like UTF-16
    ");
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let disk = Disk::with(&[]);
    let large = fs::File::create(disk.at("app.yaml")).expect("the disk has room");
    large.set_len(1 << 34).expect("a hole takes no room");
    assert_snapshot!(disk.tell("app.yaml"), @"app.yaml:1:1: error: cannot read `app.yaml`: it has more than 16 MiB [read]");
}

#[test]
fn all_files_together_are_bounded_and_a_file_counts_once() {
    let disk = Disk::with(&[("app.yaml", v2_0!(""))]);
    for name in ["a", "b"] {
        let large = fs::File::create(disk.at(name)).expect("the disk has room");
        large.set_len(140 << 20).expect("a hole takes no room");
    }
    let sources = disk.sources("app.yaml");
    assert_eq!(sources.folder.read("a").expect("it fits").len(), 140 << 20);
    assert_eq!(sources.folder.read("a").expect("it is known").len(), 140 << 20);
    let error = sources.folder.read("b").expect_err("both do not fit");
    assert_eq!(error.to_string(), "all files together have more than 256 MiB");
}

#[cfg(unix)]
#[test]
fn what_is_no_plain_file_is_not_waited_for() {
    use std::os::unix::net::UnixListener;

    let disk = Disk::with(&[("app.yaml", v2_0!("imports: [socket.yaml, sub]\n")), ("sub/x.yaml", "")]);
    let _listener = UnixListener::bind(disk.at("socket.yaml")).expect("the path is short");
    assert_snapshot!(disk.tell("app.yaml"), @"
    app.yaml: TOSCA 2.0, incomplete
    app.yaml:2:11: error: `socket.yaml` cannot be read: it is no plain file [read]
         2 | imports: [socket.yaml, sub]
           |           ^^^^^^^^^^^
    app.yaml:2:24: error: `sub` cannot be read: it is no plain file [read]
         2 | imports: [socket.yaml, sub]
           |                        ^^^
    ");
    assert_snapshot!(disk.tell("socket.yaml"), @"socket.yaml:1:1: error: this is neither a file nor a folder [read]");
}
