//! Every example runs to its end, as its README says.

use crate::support::{Dev, Said, root, run};
use serde_json::Value;

fn example(dev: &Dev, name: &str) -> (Said, Value) {
    let said = dev.gorch(&["submit", "--watch", &format!("examples/{name}/graph.json")]).with(0);
    let last = said.out.lines().last().unwrap();
    let id = last.strip_prefix("run=").unwrap().split(' ').next().unwrap();
    let live = dev.gorch(&["get", id, "-o", "json"]).with(0).json();
    (said, live)
}

fn node<'a>(live: &'a Value, name: &str) -> &'a Value {
    live["nodes"].as_array().unwrap().iter().find(|node| node["name"] == name).unwrap()
}

#[test]
fn first_graph_sets_its_site_up() {
    let dev = Dev::start();
    let (said, live) = example(&dev, "first-graph");
    assert_eq!(said.out.matches(" state=success took=").count(), 9, "{}", said.out);
    assert_eq!(node(&live, "check")["output"]["result"], "http://application.example:80/ is up with 3 tables");
}

#[test]
fn release_pipeline_builds_an_archive_whose_checksum_holds() {
    let dev = Dev::start();
    let (_, live) = example(&dev, "release-pipeline");
    let archive = node(&live, "package")["output"]["archive"].as_str().unwrap();
    let sum = run(std::process::Command::new("sha256sum").arg(archive)).with(0).out;
    assert_eq!(sum.split(' ').next().unwrap(), node(&live, "checksum")["output"]["sha256"]);
    let report = std::fs::read_to_string(node(&live, "report")["output"]["report"].as_str().unwrap()).unwrap();
    assert!(report.contains("| unit tests | 13 passed |") && report.contains("131 words, 62 different"), "{report}");
    std::fs::remove_dir_all(std::path::Path::new(archive).parent().unwrap()).unwrap();
}

#[test]
fn a_failure_that_is_answered_rolls_back_and_succeeds() {
    let dev = Dev::start();
    let (said, live) = example(&dev, "on-failure");
    assert!(said.out.contains("node=deploy visit=0 state=failure"), "{}", said.out);
    assert!(said.out.contains("node=announce state=notrunnable"), "{}", said.out);
    assert_eq!(node(&live, "rollback")["output"]["result"], "rolled back after exit code 3");
    assert_eq!(node(&live, "report")["output"]["result"], "not deployed, and nothing is half done");
}

#[test]
fn the_other_branch_runs_when_the_deployment_is_healthy() {
    let dev = Dev::start();
    let document = std::fs::read_to_string(root().join("examples/on-failure/graph.json")).unwrap();
    let document: Value = serde_json::from_str(&document.replace("\"no\"", "\"yes\"")).unwrap();
    let run = dev.submit(&document);
    dev.gorch(&["watch", &run]).with(0);
    let live = dev.gorch(&["get", &run, "-o", "json"]).with(0).json();
    assert_eq!(node(&live, "announce")["output"]["result"], "1.4.2 is on 2 hosts");
    assert_eq!(node(&live, "report")["output"]["result"], "deployed");
    assert_eq!(node(&live, "rollback")["state"], 5);
}

#[test]
fn poll_until_ready_asks_four_times() {
    let dev = Dev::start();
    let (said, live) = example(&dev, "poll-until-ready");
    assert!(said.out.contains("node=poll visit=3 state=success"), "{}", said.out);
    assert!(said.out.contains("label=ready"), "{}", said.out);
    assert_eq!(node(&live, "collect")["output"]["result"], "ready after 4 polls");
}

#[test]
fn a_fan_of_a_thousand_nodes_runs_and_is_what_its_script_writes() {
    let written = std::fs::read_to_string(root().join("examples/fan-1000/graph.json")).unwrap();
    assert_eq!(run(&mut std::process::Command::new(root().join("examples/fan-1000/generate.sh"))).with(0).out, written);
    let dev = Dev::start();
    let (said, live) = example(&dev, "fan-1000");
    assert_eq!(live["nodes"].as_array().unwrap().iter().filter(|node| node["state"] == 3).count(), 1000);
    assert!(said.out.lines().count() > 2000, "a line per transition");
}
