// Owns which chain of steps made a run last as long as it did. Promises: each step of the chain is what the next one waited
// for last; the chain ends with the step that ended last. Never guesses: the events say because of which edges a step started.

import { latest, type Run, type Step } from './fold'

export interface Critical {
  nodes: Set<number>
  edges: Set<number>
}

/** The chain of a run; empty where nothing has ended. */
export function criticalPath(run: Run): Critical {
  const found: Critical = { nodes: new Set(), edges: new Set() }
  let step = lastEnded(run.steps.flat())
  const seen = new Set<Step>()
  while (step && !seen.has(step)) {
    seen.add(step)
    found.nodes.add(step.node)
    const begun = step.activated
    const before = step.because.map((edge) => ({ edge, step: sourceStep(run, edge, begun) }))
    const held = before.reduce<(typeof before)[number] | undefined>((last, one) => ((one.step?.ended ?? -1) > (last?.step?.ended ?? -1) ? one : last), undefined)
    if (held) found.edges.add(held.edge)
    step = held?.step
  }
  return found
}

/** The visit of an edge's source that had ended when the target began. */
function sourceStep(run: Run, edge: number, begun: number): Step | undefined {
  const source = run.graph.edges[edge]?.from
  if (source === undefined) return undefined
  return run.steps[source]?.findLast((step) => step.ended !== undefined && step.ended <= begun) ?? latest(run, source)
}

function lastEnded(steps: Step[]): Step | undefined {
  return steps.reduce<Step | undefined>((last, step) => ((step.ended ?? -1) > (last?.ended ?? -1) ? step : last), undefined)
}
