//! Templates become documents, and nobody is asked.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Said, csar, gorch, root, run};

const SHOP: &str = "examples/tosca/shop";
const INPUTS: &str = "examples/tosca/shop/inputs.yaml";

/// A command that has no orchestrator.
#[track_caller]
fn offline(args: &[&str]) -> Said {
    run(gorch().args(args).env("GORCH_URL", "https://127.0.0.1:1"))
}

/// The files that a document names.
fn files(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap();
    let mut files = Vec::new();
    for node in document["nodes"].as_array().unwrap() {
        let more = node["files"].as_object().into_iter().flat_map(|files| files.values());
        for value in more.chain([&node["artifact"]]) {
            files.extend(value.as_str().and_then(|text| text.strip_prefix("file:")).map(str::to_owned));
        }
    }
    files.sort();
    files.dedup();
    files
}

#[test]
fn a_template_is_printed_as_a_document_that_names_files_from_its_folder() {
    let said = offline(&["convert", "--from", "tosca", SHOP, "--inputs", INPUTS]).with(0);
    assert_eq!(said.err, "");
    assert_eq!(said.json()["name"], "shop deploy");
    let files = files(&said.out);
    assert!(files.len() == 13 && files.iter().all(|file| root().join(SHOP).join(file).is_file()), "{files:?}");
    let again = offline(&["convert", "examples/tosca/shop/service.yaml", "--inputs", INPUTS]).with(0);
    assert_eq!(again.out, said.out, "a template and its folder are the same");
}

#[test]
fn a_later_input_stands_over_an_earlier_one_and_one_of_the_command_line_over_those_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let more = folder.path().join("more.json");
    std::fs::write(&more, r#"{"table_prefix": "mocha", "title": "Mocha"}"#).unwrap();
    let set = ["--set", "title=Milk", "--input", "port=8081"];
    let said =
        offline(&[&["convert", SHOP, "--inputs", INPUTS, "--inputs", more.to_str().unwrap()], &set[..]].concat());
    let said = said.with(0).out;
    assert!(["title=Milk", "prefix=mocha", "port=8081"].iter().all(|input| said.contains(input)), "{said}");
}

#[test]
fn a_written_document_finds_its_files_from_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("graph.json");
    let said = offline(&["convert", SHOP, "--inputs", INPUTS, "-o", written.to_str().unwrap()]).with(0);
    assert_eq!((said.out, said.err), (String::new(), String::new()));
    let names = files(&std::fs::read_to_string(&written).unwrap());
    assert!(names.len() == 13 && names.iter().all(|name| folder.path().join(name).is_file()), "{names:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the document is written");
}

#[test]
fn the_files_of_an_archive_are_written_beside_the_document_and_again_they_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("shop.csar");
    csar(&root().join(SHOP), &archive);
    let written = folder.path().join("graph.json");
    let line = ["convert", archive.to_str().unwrap(), "--inputs", INPUTS, "-o", written.to_str().unwrap()];
    let said = offline(&line).with(0);
    assert_eq!(said.err, "13 files of the archive are in `graph.json.files`\n");
    let document = std::fs::read_to_string(&written).unwrap();
    let names = files(&document);
    assert!(names.iter().all(|name| name.starts_with("graph.json.files/")), "{names:?}");
    let when = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().modified().unwrap();
    let before = names.iter().map(|name| when(name)).collect::<Vec<_>>();
    offline(&line).with(0);
    assert_eq!(names.iter().map(|name| when(name)).collect::<Vec<_>>(), before, "what is there already is left alone");
    assert_eq!(std::fs::read_to_string(&written).unwrap(), document);

    let said = offline(&["convert", archive.to_str().unwrap(), "--inputs", INPUTS]).with(0);
    assert_eq!(said.err, "hint: the document names 13 files of the archive; `-o gorch.json` writes them beside it\n");
}

#[test]
fn a_plan_is_a_table_of_what_would_be_done_where_and_after_what() {
    let said = offline(&["convert", "examples/tosca/inn", "--inputs", "examples/tosca/inn/inputs.json", "--plan"]);
    insta::assert_snapshot!(said.with(0).out, @"
    deploy: 4 steps
    1  desk:noop     nil                examples/tosca/inn/service.yaml:106:5
    2  cellar:noop   nil                examples/tosca/inn/service.yaml:108:5
    3  shelf:create  ansible on cellar  examples/tosca/inn/service.yaml:37:11  after 2
    4  book:create   ansible on desk    examples/tosca/inn/service.yaml:73:11  after 1, 3
    ");
}

#[test]
fn what_is_wrong_with_a_template_is_told_with_its_places_and_counted() {
    let said = offline(&["convert", SHOP, "--set", "table_prefix=Tea", "--set", "tilte=x"]).with(1);
    assert_eq!(said.out, "");
    insta::assert_snapshot!(said.err, @"
    --set table_prefix:1:1: error: found the text `Tea`, which breaks a rule: pattern: [a-z]{1,8} [rule]
         1 | Tea
           | ^^^
           examples/tosca/shop/service.yaml:28:11: the rule stands here
    --set tilte:1:1: error: the service has no input `tilte` [unknown_input]
         1 | x
           | ^
           hint: did you mean `title`?
    2 errors in examples/tosca/shop
    ");
    offline(&["convert", "examples/tosca/none.yaml"]).with(3);
    let said = offline(&["convert", "examples/first-graph/graph.json"]).with(2);
    assert!(said.err.contains("is no template by its name"), "{}", said.err);
    let said = offline(&["convert", "--from", "tosca", "examples/first-graph/graph.json"]).with(1);
    assert!(said.err.contains("graph.json:1:1: error:"), "{}", said.err);
    let said = offline(&["convert", SHOP, "--inputs", INPUTS, "--workflow", "undeplo"]).with(1);
    assert!(said.err.contains("did you mean `undeploy`?"), "{}", said.err);
}

#[test]
fn templates_are_checked_without_inputs_each_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    std::fs::write(&wrong, "tosca_definitions_version: tosca_2_0\nservice_templat: {}\n").unwrap();
    let wrong = wrong.to_str().unwrap();
    let said = offline(&["validate", SHOP, wrong, "examples/tosca/inn/service.yaml"]).with(1);
    assert_eq!(said.out, "ok: examples/tosca/shop\nok: examples/tosca/inn/service.yaml\n");
    assert!(said.err.ends_with(&format!("1 error in {wrong}\n")), "{}", said.err);
    let said = offline(&["validate", "-o", "json", SHOP, wrong]).with(1);
    let told: Vec<Value> = serde_json::Deserializer::from_str(&said.out).into_iter().map(Result::unwrap).collect();
    assert_eq!(told[0], serde_json::json!({"file": SHOP, "errors": [], "warnings": []}));
    assert_eq!((&told[1]["file"], &told[1]["errors"][0]["rule"]), (&wrong.into(), &"unknown_key".into()));
}

#[test]
fn a_part_of_a_template_does_without_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("part.yaml");
    let text = std::fs::read_to_string(root().join(SHOP).join("service.yaml")).unwrap();
    std::fs::write(&part, text).unwrap();
    let part = part.to_str().unwrap();
    let said = offline(&["validate", part]).with(1);
    assert!(said.err.contains("types.yaml"), "{}", said.err);
    let said = offline(&["validate", "--partial", part]).with(0);
    assert!(said.out.starts_with(&format!("ok: {part}, ")), "{}", said.out);
}

#[test]
fn what_only_a_template_has_is_refused_with_a_document() {
    let said = offline(&["submit", "--workflow", "undeploy", "examples/first-graph/graph.json"]).with(2);
    assert!(said.err.contains("are for TOSCA templates"), "{}", said.err);
    offline(&["convert", SHOP, "--inputs", INPUTS, "--of", "019a"]).with(2);
}

#[test]
fn the_first_converters_command_line_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = folder.path().join("inputs.yaml");
    std::fs::write(&inputs, "title: {value: Tea and Coffee}\ntable_prefix: {value: tea}\n").unwrap();
    let tosca2gorch =
        |args: &[&str]| run(Command::new(env!("CARGO_BIN_EXE_tosca2gorch")).args(args).current_dir(root()));
    let template = Path::new(SHOP).join("service.yaml");
    let said = tosca2gorch(&["-tosca", template.to_str().unwrap(), "-i", inputs.to_str().unwrap()]).with(0);
    assert_eq!(said.out, offline(&["convert", SHOP, "--inputs", INPUTS]).with(0).out);
    let said = tosca2gorch(&["-t", SHOP]).with(1);
    assert!(said.err.contains("the input `table_prefix` has no value"), "{}", said.err);
    assert!(tosca2gorch(&["-x"]).with(2).err.contains("Usage: tosca2gorch"));
}

#[test]
fn only_a_document_is_written_into_a_file() {
    let said = offline(&["get", "-o", "runs.json"]).with(2);
    assert!(said.err.contains("expected text or json; only `convert` writes a file"), "{}", said.err);
    let said = offline(&["convert", SHOP, "--inputs", INPUTS, "-o", "json"]).with(0);
    assert!(said.out.starts_with('{'), "{}", said.out);
}
