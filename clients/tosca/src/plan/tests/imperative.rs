//! Workflows of a template's own.

use insta::assert_snapshot;

use super::{planned, service, shown, workflow};
use crate::plan::DEPLOY;
use crate::service::Service;
use crate::term::Term;

fn with(service: &Service, workflows: &[(&str, &str)]) -> Service {
    let mut service = service.clone();
    for (name, text) in workflows {
        let workflow = workflow(&service, text);
        service.workflows.insert((*name).into(), workflow);
    }
    service
}

fn plan_of(service: &Service, name: &str) -> String {
    shown(&planned(service, name).0.unwrap())
}

fn base() -> Service {
    service(
        "
        db: create start Backup.run
        app: create start stop
        app -db-> db: pre_configure_source",
    )
}

#[test]
fn a_step_begins_when_all_that_lead_to_it_are_done_and_its_activities_follow_each_other() {
    let service = with(
        &base(),
        &[(
            "backup",
            "stop app: stop, state configured -> run\n lock db: -> run\n run db: Backup.run -> again\n again app: start",
        )],
    );
    assert_snapshot!(plan_of(&service, "backup"), @r"
    app:stop
    app:state configured <- app:stop
    lock
    db:Backup.run <- app:state configured, lock
    app:start <- db:Backup.run
    ");
}

#[test]
fn a_failure_leads_elsewhere_and_several_are_one() {
    let text = "one app: create, start -> two !> mend\n two db: start !> mend\n mend app: stop";
    let service = with(&base(), &[("try", text)]);
    assert_snapshot!(plan_of(&service, "try"), @r"
    app:create
    app:start <- app:create
    db:start <- app:start
    one failed <- app:create failed | app:start failed
    app:stop <- db:start failed | one failed
    ");
}

#[test]
fn what_success_and_failure_both_lead_to_begins_with_either() {
    let text = "one app: create -> end\n two db: create -> end\n three db: start !> end\n end app: stop";
    let service = with(&base(), &[("try", text)]);
    assert_snapshot!(plan_of(&service, "try"), @r"
    app:create
    db:create
    db:start
    end ready <- app:create, db:create
    app:stop <- db:start failed | end ready
    ");
}

#[test]
fn what_answers_the_failure_of_what_cannot_fail_never_begins() {
    let service = with(&base(), &[("try", "one app: state started !> mend\n mend app: stop")]);
    assert_snapshot!(plan_of(&service, "try"), @r"
    app:state started
    app:stop <- app:state started failed
    ");
}

#[test]
fn many_targets_meet_before_and_behind_a_step() {
    let service = with(&base(), &[("all", "up db app: create, start -> down\n down app db: state stopped")]);
    assert_snapshot!(plan_of(&service, "all"), @r"
    up
    db:create <- up
    db:start <- db:create
    app:create <- up
    app:start <- app:create
    up done <- db:start, app:start
    down <- up done
    app:state stopped <- down
    db:state stopped <- down
    down done <- app:state stopped, db:state stopped
    ");
}

#[test]
fn a_filter_chooses_and_the_step_goes_on_either_way() {
    let mut service = with(&base(), &[("all", "up db app: create -> down\n down app: stop")]);
    let up = &mut service.workflows.get_mut("all").unwrap().steps[0];
    let unknown = Term::Call(crate::function::Function::Not, vec![Term::Bool(true)]);
    up.filter = Some(vec![unknown, Term::Bool(false)]);
    assert_snapshot!(plan_of(&service, "all"), @r"
    up
    up: if db <- up
    db:create <- up: if db yes
    up: db done <- up: if db no | db:create
    up: not app <- up
    up done <- up: db done, up: not app
    app:stop <- up done
    ");
}

#[test]
fn a_deploy_of_its_own_stands_instead_of_the_generated_one_and_may_delegate() {
    let service = with(&base(), &[("deploy", "first db: delegate deploy -> then\n then app: delegate install")]);
    assert_snapshot!(plan_of(&service, DEPLOY), @r"
    db:create
    db:start <- db:create
    app:create <- db:start
    app:db.pre_configure_source <- app:create
    app:start <- app:db.pre_configure_source
    ");
}

#[test]
fn a_workflow_inside_of_another_is_one_activity_and_names_are_told_apart() {
    let service = with(
        &base(),
        &[
            ("both", "one app: inline inner, stop !> mend\n two app: stop\n mend db: start"),
            ("inner", "a db: create -> b\n b app: create !> c\n c db: start"),
        ],
    );
    assert_snapshot!(plan_of(&service, "both"), @r"
    one: inner
    db:create <- one: inner
    app:create <- db:create
    db:start <- app:create failed
    one: inner done <- app:create
    app:stop <- one: inner done
    app:stop (step two)
    one failed <- db:create failed | db:start failed | app:stop failed
    db:start (step mend) <- one failed
    ");
}

#[test]
fn preconditions_open_the_way_or_refuse_the_run() {
    let mut service = with(&base(), &[("stop", "one app: stop")]);
    let place = service.nodes[0].place;
    service.workflows.get_mut("stop").unwrap().preconditions = vec![(Term::Bool(true), place)];
    assert_snapshot!(plan_of(&service, "stop"), @r"
    stop: preconditions
    app:stop <- stop: preconditions yes
    stop: refused <- stop: preconditions no
    ");
}

#[test]
fn workflows_that_lead_back_to_themselves_are_refused() {
    let service =
        with(&base(), &[("a", "one app: inline b"), ("b", "one app: inline a"), ("c", "x app: -> y\n y app: -> x")]);
    let (_, told) = planned(&service, "a");
    let said: Vec<&str> = told.errors.iter().map(|error| &*error.message).collect();
    assert_eq!(
        said,
        [
            "found a workflow that leads back to itself: `a` runs `b` runs `a`",
            "found a workflow that leads back to itself: `b` runs `a` runs `b`",
            "found a cycle of steps, expected an order: `x` leads to `y` leads to `x`",
        ]
    );
}

#[test]
fn workflows_that_double_with_each_other_are_refused_early() {
    let mut texts: Vec<(String, String)> =
        (0..16).map(|n| (format!("w{n}"), format!("one app: inline w{0}, inline w{0}", n + 1))).collect();
    texts.push(("w16".into(), "one app: start".into()));
    let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (&**name, &**text)).collect();
    let (_, told) = planned(&with(&base(), &texts), "w0");
    assert!(told.errors.iter().any(|error| error.rule == "too_many_steps"));
}

#[test]
fn workflows_deep_inside_of_each_other_are_refused() {
    let deep = |count: usize| {
        let mut texts: Vec<(String, String)> =
            (1..count).map(|n| (format!("w{n}"), format!("one app: inline w{}", n + 1))).collect();
        texts.push((format!("w{count}"), "one app: start".into()));
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (&**name, &**text)).collect();
        planned(&with(&base(), &texts), "w1")
    };
    assert!(deep(64).0.is_some());
    let (plan, told) = deep(65);
    assert!(plan.is_none() && told.errors[0].rule == "too_deep");
}
