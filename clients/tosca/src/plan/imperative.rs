//! Workflows that a template writes itself.
//!
//! Owns how steps, activities and what follows them become a plan. A step is a chain of its activities for each of its
//! targets, between one point where it begins and one where it is done; so whatever follows whatever is one edge. It
//! begins when all steps that lead to it by `on_success` are done, or with the first failure that leads to it.

use std::rc::Rc;

use super::draft::Draft;
use super::generated::{self, Way};
use super::{Call, DEPLOY, OperationKey, Plan, StepIx, Survey, UNDEPLOY, When, Work, order};
use crate::place::Place;
use crate::report::Report;
use crate::service::{Activity, Step, Workflow};
use crate::term::{Entity, Term};

/// So many steps are no slip of a template any more.
const MOST: usize = 20_000;

/// So many workflows may run inside of each other.
const DEEPEST: usize = 64;

/// A part of a plan with one beginning and one end.
#[derive(Debug)]
struct Piece {
    first: StepIx,
    last: StepIx,
    /// If one of these fails, it has failed.
    fallible: Vec<StepIx>,
}

/// What is being expanded.
struct Expansion<'e, 's> {
    survey: &'e Survey<'s>,
    draft: Draft,
    report: &'e mut Report,
    /// The workflows that are inside of each other at the moment.
    inside: Vec<Rc<str>>,
}

/// The plan of a workflow; `None` if it cannot be had.
pub(super) fn plan(survey: &Survey<'_>, name: &Rc<str>, workflow: &Workflow, report: &mut Report) -> Option<Plan> {
    let mut expansion = Expansion { survey, draft: Draft::default(), report, inside: Vec::new() };
    expansion.workflow(name, workflow)?;
    Some(expansion.draft.finish(name))
}

impl Expansion<'_, '_> {
    /// All steps of a workflow.
    fn workflow(&mut self, name: &Rc<str>, workflow: &Workflow) -> Option<Ends> {
        if self.inside.contains(name) {
            let way: Vec<String> = self.inside.iter().chain([name]).map(|name| format!("`{name}`")).collect();
            let message = format!("found a workflow that leads back to itself: {}", way.join(" runs "));
            self.report.error(workflow.place, "cycle", message);
            return None;
        }
        if self.inside.len() == DEEPEST {
            let message = format!("found workflows that run each other {DEEPEST} deep, expected fewer");
            self.report.error(workflow.place, "too_deep", message);
            return None;
        }
        let in_order = self.in_order(workflow)?;
        self.inside.push(name.clone());
        let mut pieces = Vec::with_capacity(workflow.steps.len());
        for step in &workflow.steps {
            pieces.push(self.step(step)?);
        }
        self.inside.pop();
        self.connect(workflow, &pieces);
        Some(self.ends(name, workflow, &pieces, &in_order))
    }

    /// The steps, each behind those that lead to it.
    fn in_order(&mut self, workflow: &Workflow) -> Option<Vec<usize>> {
        let steps = &workflow.steps;
        let edges: Vec<(usize, usize)> = steps
            .iter()
            .enumerate()
            .flat_map(|(from, step)| step.on_success.iter().chain(&step.on_failure).map(move |to| (from, *to)))
            .collect();
        order::sorted(steps.len(), &edges)
            .map_err(|cycle| {
                let way: Vec<String> =
                    cycle.iter().chain(cycle.first()).map(|step| format!("`{}`", steps[*step].name)).collect();
                let message = format!("found a cycle of steps, expected an order: {}", way.join(" leads to "));
                self.report.error(steps[cycle[0]].place, "cycle", message);
            })
            .ok()
    }

    /// One step, for all of its targets.
    fn step(&mut self, step: &Step) -> Option<Piece> {
        let mut pieces = Vec::with_capacity(step.targets.len());
        for (index, target) in step.targets.iter().enumerate() {
            let filter = step.filter.as_ref().and_then(|terms| terms.get(index));
            pieces.push(match filter {
                None | Some(Term::Bool(true)) => self.activities(step, *target)?,
                Some(Term::Bool(false)) => {
                    self.point(format!("{}: not {}", step.name, self.survey.label(*target)), step)
                }
                Some(filter) => self.filtered(step, *target, filter)?,
            });
        }
        match pieces.len() {
            0 => self.inlined(step),
            1 => pieces.pop(),
            _ => {
                let first = self.milestone(step.name.to_string(), step);
                let last = self.milestone(format!("{} done", step.name), step);
                for piece in &pieces {
                    self.draft.edge(first, piece.first, When::Succeeded);
                    self.draft.edge(piece.last, last, When::Succeeded);
                }
                Some(Piece { first, last, fallible: pieces.into_iter().flat_map(|piece| piece.fallible).collect() })
            }
        }
    }

    /// The activities for one target, if the filter lets it through; the step goes on either way.
    fn filtered(&mut self, step: &Step, target: Entity, filter: &Term) -> Option<Piece> {
        let label = self.survey.label(target).to_owned();
        let choice = Work::Choice(vec![filter.clone()]);
        let first = self.draft.add(format!("{}: if {label}", step.name), Some(&step.name), step.place, choice);
        let inner = self.activities(step, target)?;
        let last = self.milestone(format!("{}: {label} done", step.name), step);
        self.draft.starts_with_the_first(last);
        self.draft.edge(first, inner.first, When::Yes);
        self.draft.edge(first, last, When::No);
        self.draft.edge(inner.last, last, When::Succeeded);
        Some(Piece { first, last, fallible: [first].into_iter().chain(inner.fallible).collect() })
    }

    /// The activities for one target, one after the other.
    fn activities(&mut self, step: &Step, target: Entity) -> Option<Piece> {
        self.in_a_row(step, |plan, activity, place| plan.activity(step, target, activity, place))
    }

    /// A step needs no target to run other workflows; for nothing else is there anything to be done.
    fn inlined(&mut self, step: &Step) -> Option<Piece> {
        self.in_a_row(step, |plan, activity, place| match activity {
            Activity::Inline(name) => plan.inline(name, step, place),
            Activity::Delegate(_) | Activity::SetState(_) | Activity::Call { .. } => {
                Some(plan.point(step.name.to_string(), step))
            }
        })
    }

    fn in_a_row(
        &mut self,
        step: &Step,
        mut piece: impl FnMut(&mut Self, &Activity, Place) -> Option<Piece>,
    ) -> Option<Piece> {
        let mut all: Option<Piece> = None;
        for (activity, place) in &step.activities {
            let next = piece(self, activity, *place)?;
            all = Some(match all {
                None => next,
                Some(mut before) => {
                    self.draft.edge(before.last, next.first, When::Succeeded);
                    before.last = next.last;
                    before.fallible.extend(next.fallible);
                    before
                }
            });
        }
        Some(all.unwrap_or_else(|| self.point(step.name.to_string(), step)))
    }

    fn activity(&mut self, step: &Step, target: Entity, activity: &Activity, place: Place) -> Option<Piece> {
        if self.draft.len() > MOST {
            let message = format!("found a workflow that comes to more than {MOST} steps, expected fewer");
            self.report
                .error(place, "too_many_steps", message)
                .hint("workflows that run others twice double with each");
            return None;
        }
        match activity {
            Activity::Call { interface, operation, inputs } => {
                let key = OperationKey { of: target, interface: interface.clone(), operation: operation.clone() };
                let Some(described) = self.survey.operation(&key) else {
                    let message = format!(
                        "found the operation `{interface}.{operation}`, which `{}` does not have",
                        self.survey.label(target)
                    );
                    self.report.error(place, "unknown_operation", message);
                    return None;
                };
                let work = if described.is_work() {
                    let at = self.survey.at(&key, step.host.as_ref());
                    Work::Operation(Call { key: key.clone(), inputs: inputs.clone(), at })
                } else {
                    Work::Milestone
                };
                Some(self.single(self.survey.name(&key), step, place, work))
            }
            Activity::SetState(state) => {
                let name = format!("{}:state {state}", self.survey.label(target));
                let work = match target {
                    Entity::Node(node) => Work::State(node, state.clone()),
                    Entity::Relation(_) => Work::Milestone,
                };
                Some(self.single(name, step, place, work))
            }
            Activity::Inline(name) => self.inline(name, step, place),
            Activity::Delegate(name) => self.delegate(name, step, target, place),
        }
    }

    /// Another workflow of the template, between a point where it begins and one where it is done.
    fn inline(&mut self, name: &Rc<str>, step: &Step, place: Place) -> Option<Piece> {
        let Some(workflow) = self.survey.service.workflows.get(name) else {
            let known = self.survey.service.workflows.keys().map(|name| &**name);
            let message = format!("found the workflow `{name}`, expected one that the template has");
            self.report.error(place, "unknown_workflow", message).near(name, known);
            return None;
        };
        let ends = self.workflow(name, workflow)?;
        let first = self.milestone(format!("{}: {name}", step.name), step);
        let last = self.milestone(format!("{}: {name} done", step.name), step);
        for begin in ends.initial {
            self.draft.edge(first, begin, When::Succeeded);
        }
        for end in ends.last {
            self.draft.edge(end, last, When::Succeeded);
        }
        Some(Piece { first, last, fallible: ends.fallible })
    }

    /// A generated workflow, for one node alone; or one of the template, which stands instead of it.
    fn delegate(&mut self, name: &Rc<str>, step: &Step, target: Entity, place: Place) -> Option<Piece> {
        let way = match &**name {
            DEPLOY | "install" => Way::Up,
            UNDEPLOY | "uninstall" => Way::Down,
            "create" => Way::Once("create"),
            "configure" => Way::Once("configure"),
            "start" => Way::Once("start"),
            "stop" => Way::Once("stop"),
            "delete" => Way::Once("delete"),
            _ if self.survey.service.workflows.contains_key(name) => return self.inline(name, step, place),
            _ => {
                let message = format!("found the workflow `{name}`, expected one that can be generated");
                self.report
                    .error(place, "unknown_workflow", message)
                    .hint("there are: deploy (or install), undeploy (or uninstall), an operation of the lifecycle, and the template's own");
                return None;
            }
        };
        match target {
            Entity::Node(node) => {
                let (chain, steps) =
                    generated::delegated(self.survey, &mut self.draft, node, way, &step.name, self.report);
                Some(Piece { first: chain.first, last: chain.last, fallible: steps })
            }
            Entity::Relation(_) => {
                let message = format!("found a relationship that `{name}` is delegated for, expected a node");
                self.report.error(place, "bad_target", message);
                None
            }
        }
    }

    /// The edges that `on_success` and `on_failure` say.
    fn connect(&mut self, workflow: &Workflow, pieces: &[Piece]) {
        let mut after: Vec<Vec<StepIx>> = vec![Vec::new(); pieces.len()];
        let mut failed: Vec<Vec<(StepIx, When)>> = vec![Vec::new(); pieces.len()];
        for (step, piece) in workflow.steps.iter().zip(pieces) {
            for next in &step.on_success {
                after[*next].push(piece.last);
            }
            if step.on_failure.is_empty() {
                continue;
            }
            let failure = match piece.fallible.as_slice() {
                [one] => (*one, When::Failed),
                // It cannot fail; without an edge what answers its failure would begin by itself.
                [] => (piece.last, When::Failed),
                several => {
                    let failure = self.milestone(format!("{} failed", step.name), step);
                    self.draft.starts_with_the_first(failure);
                    for one in several {
                        self.draft.edge(*one, failure, When::Failed);
                    }
                    (failure, When::Succeeded)
                }
            };
            for next in &step.on_failure {
                failed[*next].push(failure);
            }
        }
        for (((step, piece), after), failed) in workflow.steps.iter().zip(pieces).zip(after).zip(failed) {
            // All of the first, or one of the second: what leads there by success is one edge then.
            let after = match after.as_slice() {
                [_, _, ..] if !failed.is_empty() => {
                    let ready = self.milestone(format!("{} ready", step.name), step);
                    after.iter().for_each(|before| self.draft.edge(*before, ready, When::Succeeded));
                    vec![ready]
                }
                _ => after,
            };
            if after.len().min(1) + failed.len() > 1 {
                self.draft.starts_with_the_first(piece.first);
            }
            after.iter().for_each(|before| self.draft.edge(*before, piece.first, When::Succeeded));
            failed.iter().for_each(|(before, when)| self.draft.edge(*before, piece.first, *when));
        }
    }

    /// Where a workflow begins, and where it is done.
    fn ends(&mut self, name: &Rc<str>, workflow: &Workflow, pieces: &[Piece], in_order: &[usize]) -> Ends {
        let steps = &workflow.steps;
        let mut is_led_to = vec![false; steps.len()];
        steps
            .iter()
            .flat_map(|step| step.on_success.iter().chain(&step.on_failure))
            .for_each(|to| is_led_to[*to] = true);
        // What only failures lead to is no part of its success.
        let mut is_main: Vec<bool> = is_led_to.iter().map(|led| !led).collect();
        for &step in in_order {
            if is_main[step] {
                steps[step].on_success.iter().for_each(|to| is_main[*to] = true);
            }
        }
        let of = |is: &dyn Fn(usize) -> bool| (0..steps.len()).filter(|step| is(*step)).collect::<Vec<_>>();
        let mut initial: Vec<StepIx> =
            of(&|step| !is_led_to[step]).into_iter().map(|step| pieces[step].first).collect();
        let mut last: Vec<StepIx> = of(&|step| is_main[step] && steps[step].on_success.is_empty())
            .into_iter()
            .map(|step| pieces[step].last)
            .collect();
        if steps.is_empty() {
            let point = self.draft.add(format!("{name}:noop"), None, workflow.place, Work::Milestone);
            (initial, last) = (vec![point], vec![point]);
        }
        let mut fallible: Vec<StepIx> = of(&|step| steps[step].on_failure.is_empty())
            .into_iter()
            .flat_map(|step| pieces[step].fallible.iter().copied())
            .collect();
        if let Some((_, place)) = workflow.preconditions.first() {
            let [gate, refusal] = self.gate(name, workflow, *place);
            initial.iter().for_each(|begin| self.draft.edge(gate, *begin, When::Yes));
            initial = vec![gate];
            fallible.extend([gate, refusal]);
        }
        Ends { initial, last, fallible }
    }

    /// What asks for the preconditions, and fails the run where they do not hold.
    fn gate(&mut self, name: &Rc<str>, workflow: &Workflow, place: Place) -> [StepIx; 2] {
        let terms = workflow.preconditions.iter().map(|(term, _)| term.clone()).collect();
        let gate = self.draft.add(format!("{name}: preconditions"), None, place, Work::Choice(terms));
        let message = format!("the preconditions of the workflow `{name}` do not hold");
        let refusal = self.draft.add(format!("{name}: refused"), None, place, Work::Refusal(message));
        self.draft.edge(gate, refusal, When::No);
        [gate, refusal]
    }

    /// A step of one point, which does nothing.
    fn point(&mut self, name: String, step: &Step) -> Piece {
        let point = self.milestone(name, step);
        Piece { first: point, last: point, fallible: Vec::new() }
    }

    fn single(&mut self, name: String, step: &Step, place: Place, work: Work) -> Piece {
        let fallible = matches!(work, Work::Operation(_));
        let one = self.draft.add(name, Some(&step.name), place, work);
        Piece { first: one, last: one, fallible: if fallible { vec![one] } else { Vec::new() } }
    }

    fn milestone(&mut self, name: String, step: &Step) -> StepIx {
        self.draft.add(name, Some(&step.name), step.place, Work::Milestone)
    }
}

/// Where a workflow begins and ends.
struct Ends {
    initial: Vec<StepIx>,
    last: Vec<StepIx>,
    /// If one of these fails, it has failed.
    fallible: Vec<StepIx>,
}
