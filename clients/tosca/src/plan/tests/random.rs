//! What holds for the plans of any service.

use std::collections::{BTreeSet, HashMap};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::{node, planned, service};
use crate::plan::{At, Call, DEPLOY, Plan, UNDEPLOY, Work};
use crate::service::{NodeIx, Service};
use crate::term::Entity;

const OWN: [&str; 5] = ["create", "configure", "start", "stop", "delete"];
const RELATIONS: [&str; 8] = [
    "pre_configure_source",
    "pre_configure_target",
    "post_configure_source",
    "post_configure_target",
    "add_target",
    "add_source",
    "remove_target",
    "remove_source",
];

fn chosen<'n>(names: &[&'n str], bits: u8) -> String {
    let chosen = |(bit, _): &(usize, &&'n str)| bits & (1 << bit) != 0;
    names.iter().enumerate().filter(chosen).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

prop_compose! {
    /// A service whose nodes require only those before them, in an order of names that says nothing.
    pub(crate) fn services()(
        nodes in vec((any::<u8>(), 0_u8..4), 1..12),
        relations in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..24),
    ) -> Service {
        let mut text = String::new();
        for (n, (bits, kind)) in nodes.iter().enumerate() {
            let kind = if *kind == 0 { " is Compute" } else { "" };
            text.push_str(&format!("n{n}{kind}: {}\n", chosen(&OWN, *bits)));
        }
        for (a, b, bits, host) in relations {
            let (a, b) = (a.index(nodes.len()), b.index(nodes.len()));
            if a != b {
                let name = if host { "host" } else { "dep" };
                text.push_str(&format!("n{} -{name}-> n{}: {}\n", a.max(b), a.min(b), chosen(&RELATIONS, bits)));
            }
        }
        service(&text)
    }
}

/// Which steps each step waits for, however far.
fn waits(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let mut waits: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); plan.steps.len()];
    for edge in &plan.edges {
        let (from, to) = (edge.from.index(), edge.to.index());
        assert!(from < to, "a step stands behind those that it waits for");
        let before: BTreeSet<usize> = waits[from].iter().copied().chain([from]).collect();
        waits[to].extend(before);
    }
    waits
}

/// The first and the last step of what makes or removes a node.
fn ends(service: &Service, plan: &Plan, node: NodeIx) -> (usize, usize) {
    let is_own = |work: &Work| match work {
        Work::Operation(Call { key, .. }) => match key.of {
            Entity::Node(of) => of == node,
            Entity::Relation(relation) => {
                let relation = service.relation(relation);
                let of_target = ["pre_configure_target", "post_configure_target"].contains(&&*key.operation);
                let is_told = key.operation.starts_with("add_");
                !is_told && node == if of_target { relation.target } else { relation.source }
            }
        },
        Work::Noop(of) => *of == node,
        Work::Milestone | Work::State(..) | Work::Facts(_) | Work::Choice(_) | Work::Refusal(_) => false,
    };
    let steps: Vec<usize> = (0..plan.steps.len()).filter(|step| is_own(&plan.steps[*step].work)).collect();
    (steps[0], steps[steps.len() - 1])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn targets_come_up_first_and_go_last(service in services()) {
        let (deploy, told) = planned(&service, DEPLOY);
        prop_assert!(told.errors.is_empty());
        let (deploy, undeploy) = (deploy.unwrap(), planned(&service, UNDEPLOY).0.unwrap());
        let (up, down) = (waits(&deploy), waits(&undeploy));
        let all = |plan: &Plan| plan.steps.iter().enumerate().map(|(at, step)| (step.name.clone(), at)).collect::<HashMap<_, _>>();
        let (in_deploy, in_undeploy) = (all(&deploy), all(&undeploy));
        for relation in &service.relations {
            let of = |plan: &Plan| (ends(&service, plan, relation.source), ends(&service, plan, relation.target));
            let (source, target) = of(&deploy);
            prop_assert!(up[source.0].contains(&target.1), "the target has started");
            let (source, target) = of(&undeploy);
            prop_assert!(down[target.0].contains(&source.1), "the source has gone");
        }
        for node in &service.nodes {
            // The normative order, of what there is of it.
            let at = |plan: &HashMap<String, usize>, name: &str| plan.get(&format!("{}:{name}", node.name)).copied();
            let ways = [(&up, &in_deploy, ["create", "configure", "start"].as_slice()), (&down, &in_undeploy, &["stop", "delete"])];
            for (waits, names, order) in ways {
                let steps: Vec<usize> = order.iter().filter_map(|name| at(names, name)).collect();
                prop_assert!(steps.windows(2).all(|pair| waits[pair[1]].contains(&pair[0])));
            }
        }
        for step in deploy.steps.iter().filter(|step| step.name.contains(".add_")) {
            let source = node(&service, step.name.split(':').next().unwrap());
            prop_assert!(up[in_deploy[&step.name]].contains(&ends(&service, &deploy, source).1));
        }
    }

    #[test]
    fn edges_are_as_many_as_steps_and_relationships(service in services()) {
        for name in [DEPLOY, UNDEPLOY] {
            let plan = planned(&service, name).0.unwrap();
            prop_assert!(plan.edges.len() <= plan.steps.len() + service.relations.len());
        }
    }

    #[test]
    fn an_operation_is_where_the_machine_of_its_side_is(service in services()) {
        let plan = planned(&service, DEPLOY).0.unwrap();
        for step in &plan.steps {
            if let Work::Operation(call) = &step.work && let At::Host(host) = call.at {
                prop_assert!(service.node(host).is_a("Compute"));
            }
        }
    }
}

#[test]
fn a_plan_is_the_same_each_time() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let service = services().new_tree(&mut runner).unwrap().current();
    let first = planned(&service, DEPLOY);
    assert!((0..100).all(|_| planned(&service, DEPLOY) == first));
}
