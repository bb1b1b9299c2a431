//! What holds for the documents of any service.

use proptest::prelude::*;

use super::{accepted, lowered};
use crate::lower::Via;
use crate::plan::tests::{attribute, service, services};
use crate::plan::{DEPLOY, UNDEPLOY};
use crate::service::Service;
use crate::term::Term;

/// Each node asks one before it for what it says.
fn asking(mut service: Service) -> Service {
    for index in 1..service.nodes.len() {
        let before = service.nodes[index / 2].name.to_string();
        let asked: Vec<Term> =
            ["url", "private_address", "state"].iter().map(|name| attribute(&service, &before, name)).collect();
        for (_, operation) in service.nodes[index].interfaces.iter_mut().flat_map(|(_, one)| one.operations.iter_mut())
        {
            operation.inputs =
                asked.iter().enumerate().map(|(n, term)| (format!("i{n}").into(), term.clone())).collect();
        }
    }
    service
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn documents_are_right_and_the_same_each_time(service in services()) {
        let service = asking(service);
        for (name, via) in [(DEPLOY, Via::Host), (DEPLOY, Via::Executor), (UNDEPLOY, Via::Host)] {
            let (first, told) = lowered(&service, name, via);
            prop_assert!(told.errors.is_empty());
            prop_assert_eq!(&lowered(&service, name, via).0.document, &first.document);
            let workflow = accepted(&first.document).workflow;
            for node in &workflow.nodes {
                let lock = node.lock.as_ref().map(|lock| lock.name.clone());
                prop_assert_eq!(lock, node.target.as_ref().map(|target| format!("host/{target}")));
            }
        }
    }
}

#[test]
fn a_thousand_templates_are_planned_and_lowered_at_once() {
    let mut text = String::from("server is Compute\n");
    for n in 0..1_000 {
        text.push_str(&format!("n{n}: create configure start stop delete\n"));
    }
    for n in 0..1_000 {
        text.push_str(&format!("n{n} -host-> server\n"));
        if n > 0 {
            text.push_str(&format!("n{n} -dep-> n{}: pre_configure_source add_source\n", n / 2));
        }
    }
    let service = asking(service(&text));
    let start = std::time::Instant::now();
    let (lowered, _) = lowered(&service, DEPLOY, Via::Host);
    let taken = start.elapsed();
    assert_eq!(lowered.nodes.len(), 1 + 1 + 3_000 - 1 + 2 * 999);
    // Far more than it takes, so that only what grows by squares fails here.
    assert!(taken.as_secs() < 10, "{taken:?}");
}
