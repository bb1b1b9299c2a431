//! Inputs of the service: from files and from the command line.

use gorch_tosca::Inputs;
use insta::assert_snapshot;

use super::{Disk, v1_3};

/// What a service with all kinds of inputs says to what it is given.
fn given(files: &[(&str, &str)], inputs: impl Fn(&Disk) -> Vec<Inputs>) -> String {
    let app = v1_3("\
topology_template:
  inputs:
    number: {type: integer, constraints: [{less_than: 10}]}
    text: {type: string, default: none}
    list: {type: list, entry_schema: string, required: false}
    map: {type: map, entry_schema: integer, required: false}
  node_templates:
    a:
      type: tosca.nodes.Root
      interfaces: {Standard: {operations: {create: {implementation: run.sh, inputs: {n: {get_input: number}, t: {get_input: text}, l: {get_input: list}, m: {get_input: map}}}}}}
");
    let mut all = vec![("app.yaml", app.as_str()), ("run.sh", "#!/bin/sh\n")];
    all.extend(files);
    let disk = Disk::with(&all);
    disk.convert(&inputs(&disk))
}

fn of_file(text: &str) -> String {
    given(&[("in.yaml", text)], |disk| vec![Inputs::File(disk.at("in.yaml"))])
}

fn of_words(words: &[&str]) -> String {
    given(&[], |_| words.iter().map(|word| Inputs::Set((*word).to_owned())).collect())
}

#[test]
fn a_file_of_inputs_is_yaml_or_json() {
    assert_snapshot!(of_file("number: 3\ntext: '1.10'\nlist: [a, b]\nmap: {x: 1}\n"), @r#"
    l=["a","b"]
    m={"x":1}
    n=3
    t=1.10
    "#);
    assert_snapshot!(of_file("{\"number\": 3, \"list\": [\"a\"]}"), @r#"
    l=["a"]
    n=3
    t=none
    "#);
}

#[test]
fn the_first_converter_had_values_below_their_names() {
    assert_snapshot!(of_file("number: {value: 3}\nmap: {value: 1}\n"), @r#"
    m={"value":1}
    n=3
    t=none
    "#);
}

#[test]
fn words_are_names_and_values() {
    assert_snapshot!(of_words(&["number=3", "text=a=b: c", "list=[x, y]", "number=4"]), @r#"
    l=["x","y"]
    n=4
    t=a=b: c
    "#);
    assert_snapshot!(of_words(&["number=3", "text=yes"]), @"
    n=3
    t=yes
    ");
    assert_snapshot!(of_words(&["number = 3", "text="]), @"
    n=3
    t=
    ");
    assert_snapshot!(of_words(&["number"]), @"
    --set:1:1: error: found `number`, expected `NAME=VALUE` [inputs]
         1 | number
           | ^
    ");
    assert_snapshot!(of_words(&["=3"]), @"
    --set:1:1: error: found `=3`, expected `NAME=VALUE` [inputs]
         1 | =3
           | ^
    ");
    assert_snapshot!(of_words(&["number=[3"]), @"
    --set number:1:1: error: this is no YAML: unclosed bracket '[' [yaml]
         1 | [3
           | ^
    ");
}

#[test]
fn what_is_unknown_missing_or_wrong_is_told() {
    assert_snapshot!(of_words(&[]), @"
    app.yaml:4:5: error: the input `number` has no value [missing_input]
         4 |     number: {type: integer, constraints: [{less_than: 10}]}
           |     ^^^^^^
           hint: give it: `--inputs FILE`, or `--set number=VALUE`
    ");
    assert_snapshot!(of_words(&["number=3", "txt=a"]), @"
    --set txt:1:1: error: the service has no input `txt` [unknown_input]
         1 | a
           | ^
           hint: did you mean `text`?
    ");
    assert_snapshot!(of_words(&["number=three"]), @"
    --set number:1:1: error: found `three`, expected a whole number [wrong_type]
         1 | three
           | ^^^^^
           app.yaml:4:13: its type is `integer` here
    ");
    assert_snapshot!(of_words(&["number=30"]), @"
    --set number:1:1: error: found `30`, which breaks a rule: less_than: 10 [rule]
         1 | 30
           | ^^
           app.yaml:4:44: the rule stands here
    ");
    assert_snapshot!(of_file("number: ~\n"), @"
    app.yaml:4:5: error: the input `number` has no value [missing_input]
         4 |     number: {type: integer, constraints: [{less_than: 10}]}
           |     ^^^^^^
           hint: give it: `--inputs FILE`, or `--set number=VALUE`
    ");
    assert_snapshot!(of_file("- number: 3\n"), @"
    in.yaml:1:1: error: found a list of 1, expected a map: `NAME: VALUE` [inputs]
         1 | - number: 3
           | ^
    ");
    assert_snapshot!(of_file("number: [3\n"), @"
    in.yaml:1:9: error: this is no YAML: unclosed bracket '[' [yaml]
         1 | number: [3
           |         ^
    ");
    assert_snapshot!(of_file(""), @"
    app.yaml:4:5: error: the input `number` has no value [missing_input]
         4 |     number: {type: integer, constraints: [{less_than: 10}]}
           |     ^^^^^^
           hint: give it: `--inputs FILE`, or `--set number=VALUE`
    ");
    assert_snapshot!(given(&[], |disk| vec![Inputs::File(disk.at("none.yaml"))]), @"none.yaml:1:1: error: the inputs cannot be read: No such file or directory (os error 2) [inputs]");
}

#[test]
fn an_input_is_data_and_calls_nothing() {
    assert_snapshot!(of_file("number: 3\ntext: {get_input: number}\n"), @"
    in.yaml:2:7: error: found a map (`get_input: ...`), expected a text [wrong_type]
         2 | text: {get_input: number}
           |       ^
           app.yaml:5:11: its type is `string` here
    ");
}
