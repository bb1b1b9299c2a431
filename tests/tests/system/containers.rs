//! A template of TOSCA whose operations are a script on a host and containers of another machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::fleet::docker;
use crate::tosca::Scene;

const BAKERY: &str = "
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  bakery.Kitchen: {derived_from: tosca.nodes.SoftwareComponent, attributes: {loaf: {type: string}}}
  bakery.Counter: {derived_from: tosca.nodes.SoftwareComponent, attributes: {sold: {type: string}}}
topology_template:
  node_templates:
    back: {type: tosca.nodes.Compute}
    engine: {type: tosca.nodes.Compute}
    kitchen:
      type: bakery.Kitchen
      requirements: [host: back]
      interfaces:
        Standard:
          operations:
            create: {implementation: bake.sh, outputs: {loaf: [SELF, loaf]}}
            delete: clear.sh
    counter:
      type: bakery.Counter
      requirements: [host: engine, dependency: kitchen]
      artifacts:
        shop: {type: tosca.artifacts.Deployment.Image.Container.Docker, file: 'IMAGE'}
      interfaces:
        Standard:
          inputs: {LOAF: {get_attribute: [kitchen, loaf]}}
          operations:
            start: {implementation: shop, outputs: {sold: [SELF, sold]}}
            stop: shop
  outputs:
    sold: {value: {get_attribute: [counter, sold]}}
";

/// An image that says what it sold, and in which container.
fn image() -> String {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy("/bin/busybox", bin.join("busybox")).expect("Debian: apt-get install busybox-static");
    symlink("busybox", bin.join("sh")).unwrap();
    let tag = "gorch-test-bakery:1".to_owned();
    let change = r#"CMD ["/bin/sh", "-c", "echo sold=$LOAF by $(test -e /.dockerenv && echo a container)"]"#;
    let import = format!("tar -C '{}' -c . | docker import --change '{change}' - {tag}", root.path().display());
    assert!(Command::new("sh").args(["-c", &import]).stdout(Stdio::null()).status().unwrap().success());
    tag
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_on_a_host_and_containers_of_another_machine_deploy_one_template() {
    docker().await;
    let mut scene = Scene::new(["elsewhere", "back"]).await;
    scene.stand.add_executor("engine", &[]).await;
    let folder = scene.stand.path().to_owned();
    fs::write(folder.join("bakery.yaml"), BAKERY.replace("IMAGE", &image())).unwrap();
    fs::write(folder.join("bake.sh"), "#!/bin/sh\necho rye > ~/loaf\necho loaf=rye\n").unwrap();
    fs::write(folder.join("clear.sh"), "#!/bin/sh\nrm ~/loaf\n").unwrap();
    let plan = scene.gorch(&["convert", "bakery.yaml", "--plan"]).with(0).out;
    assert!(plan.contains("counter:start   docker on engine"), "{plan}");

    let run = scene.done(&["submit", "bakery.yaml"]).await;
    scene.attempts(run).await.follow_each_other(&["kitchen:create", "counter:start"]);
    let start = scene.stand.client().node(run, "counter:start").await.unwrap();
    let executor = start.visits[0].attempts[0].executor.as_ref().map(ToString::to_string);
    assert_eq!((&*start.node.engine, executor.as_deref()), ("docker", Some("engine")));
    assert_eq!(scene.stand.client().state(run).await.unwrap().outputs["sold"], "rye by a container");
    assert!(scene.home("back").join("loaf").exists());

    let down = scene.done(&["submit", "bakery.yaml", "--workflow", "undeploy", "--of", &run.to_string()]).await;
    scene.attempts(down).await.follow_each_other(&["counter:stop", "kitchen:delete"]);
    let said = scene.stand.client().logs(down, "counter:stop", &Default::default()).await.unwrap().stdout.text();
    assert_eq!(said.trim(), "sold=rye by a container");
    assert!(!scene.home("back").join("loaf").exists());
    let left = Command::new("docker").args(["ps", "-aq", "--filter"]).arg(format!("label=gorch.run={run}")).output();
    assert_eq!(String::from_utf8(left.unwrap().stdout).unwrap(), "");
}
