// Owns what a run is to whoever watches it: the fold of its events. Promises: `apply` is the only way in which a run
// changes; an event that was applied already changes nothing; the states of nodes are those that the API shows after the
// same event (the tests hold recorded runs against it). Never asks, never waits, knows no clock.

import type { AttemptResult, Counts, Event, EventView, Failure, OfAttempt, OfStep, Outcome, ProgressView, State } from '../api/types'
import { type Graph, graphOf } from './document'

/** One try. Times are milliseconds since 1970. */
export interface Attempt {
  item: number
  attempt: number
  executor: string | undefined
  started: number
  ended: number | undefined
  result: AttemptResult | undefined
  retryAt: number | undefined
}

/** One visit of a node. */
export interface Step {
  node: number
  visit: number
  activated: number
  ended: number | undefined
  because: number[]
  items: number | undefined
  /** Items of which nothing more comes. */
  itemsEnded: number
  attempts: Attempt[]
  outcome: Outcome | undefined
  label: string | undefined
  reusedFrom: string | undefined
  /** Results of items that were copied from the run which this one repeats. */
  reused: Record<string, AttemptResult>
  stopping: string | undefined
}

/** What became of an edge: it waits, was taken, or never will be. */
export type Firing = 'open' | 'taken' | 'skipped'

export interface Run {
  id: string
  graph: Graph
  namespace: string
  /** The number of the last event that was applied. */
  seq: number
  accepted: number
  ended: number | undefined
  outcome: Outcome | undefined
  paused: boolean
  cancelling: boolean
  rerunOf: string | undefined
  /** The attempt that it is, where a node of another run started it. */
  partOf: string | undefined
  undoneBy: string | undefined
  /** By node. */
  states: State[]
  steps: Step[][]
  progress: Map<number, string>
  /** By edge: how often it was taken. */
  taken: Uint32Array
  counts: Counts
}

const NOTHING: Counts = { initial: 0, torun: 0, running: 0, success: 0, failure: 0, notrunnable: 0, timeout: 0, canceled: 0 }

/** A run of which nothing is known yet. */
export function newRun(id: string): Run {
  return {
    id,
    graph: { name: '', nodes: [], edges: [] },
    namespace: '',
    seq: 0,
    accepted: 0,
    ended: undefined,
    outcome: undefined,
    paused: false,
    cancelling: false,
    rerunOf: undefined,
    partOf: undefined,
    undoneBy: undefined,
    states: [],
    steps: [],
    progress: new Map(),
    taken: new Uint32Array(),
    counts: { ...NOTHING },
  }
}

/** The failure in an outcome, if it is one. */
export function failureOf(outcome: Outcome | undefined): Failure | undefined {
  return typeof outcome === 'object' && 'failed' in outcome ? outcome.failed : undefined
}

/** The state that an outcome shows as: a timeout is a failure with a code of its own. */
export function stateOf(outcome: Outcome): State {
  const failure = failureOf(outcome)
  if (failure) return failure.code === 'timeout' || failure.code.startsWith('timeout.') ? 'timeout' : 'failure'
  if (outcome === 'cancelled') return 'canceled'
  return outcome === 'skipped' ? 'notrunnable' : 'success'
}

/** The state of the run as a whole. */
export function runState(run: Run): State {
  if (run.outcome) return stateOf(run.outcome)
  return run.seq === 0 ? 'initial' : 'running'
}

/** What became of an edge. */
export function firing(run: Run, edge: number): Firing {
  if ((run.taken[edge] ?? 0) > 0) return 'taken'
  const from = run.graph.edges[edge]?.from
  const source = from === undefined ? undefined : run.states[from]
  const over = source !== undefined && source !== 'initial' && source !== 'torun' && source !== 'running'
  return over || run.ended !== undefined ? 'skipped' : 'open'
}

/** The latest visit of a node. */
export const latest = (run: Run, node: number): Step | undefined => run.steps[node]?.at(-1)

/** Applies one event; one that was applied before is passed over. */
export function apply(run: Run, { seq, at, event }: EventView): void {
  if (seq <= run.seq) return
  run.seq = seq
  fold(run, Date.parse(at), event)
}

/** Notes what an attempt says of itself. */
export function advance(run: Run, { node, progress }: ProgressView): void {
  if (!progress) return
  const percent = typeof progress.percent === 'number' ? `${progress.percent} %` : ''
  run.progress.set(node, [percent, progress.text ?? ''].filter((part) => part !== '').join(' '))
}

function fold(run: Run, at: number, event: Event): void {
  if (event === 'paused') run.paused = true
  else if (event === 'resumed') run.paused = false
  else if (event === 'cap_reached') run.cancelling = true
  else if ('run_accepted' in event) accept(run, at, event.run_accepted)
  else if ('step_activated' in event) activate(run, at, event.step_activated)
  else if ('attempt_started' in event) start(run, at, event.attempt_started)
  else if ('attempt_ended' in event) endAttempt(run, at, event.attempt_ended)
  else if ('step_stopping' in event) stopStep(run, event.step_stopping)
  else if ('step_ended' in event) endStep(run, at, event.step_ended)
  else if ('nodes_skipped' in event) skip(run, event.nodes_skipped)
  else if ('cancel_requested' in event) run.cancelling = true
  else if ('run_ended' in event) {
    run.ended = at
    run.outcome = event.run_ended.outcome
    run.undoneBy = event.run_ended.undo
  }
}

type Member<Name extends string> = Extract<Event, Record<Name, unknown>>[Name & keyof Extract<Event, Record<Name, unknown>>]

function accept(run: Run, at: number, said: Member<'run_accepted'>): void {
  run.graph = graphOf(said.document)
  if (said.name !== undefined) run.graph.name = said.name
  run.namespace = said.namespace ?? ''
  run.rerunOf = said.rerun_of?.run
  run.partOf = said.parent?.attempt
  run.accepted = at
  run.states = run.graph.nodes.map(() => 'initial')
  run.steps = run.graph.nodes.map(() => [])
  run.taken = new Uint32Array(run.graph.edges.length)
  run.counts = { ...NOTHING, initial: run.states.length }
}

function activate(run: Run, at: number, said: Member<'step_activated'>): void {
  run.steps[said.node]?.push({
    node: said.node,
    visit: said.visit,
    activated: at,
    ended: undefined,
    because: (said.because ?? []).map((cause) => cause.edge),
    items: said.items?.length,
    itemsEnded: Object.keys(said.reused ?? {}).length,
    attempts: [],
    outcome: undefined,
    label: undefined,
    reusedFrom: undefined,
    reused: said.reused ?? {},
    stopping: undefined,
  })
  show(run, said, 'torun')
}

function start(run: Run, at: number, said: Member<'attempt_started'>): void {
  const { item, attempt, executor } = said
  stepOf(run, said)?.attempts.push({ item, attempt, executor, started: at, ended: undefined, result: undefined, retryAt: undefined })
  show(run, said, 'running')
}

function endAttempt(run: Run, at: number, said: Member<'attempt_ended'>): void {
  // A result that came too late changed nothing for the run; nor does it here.
  if (said.late === true) return
  const step = stepOf(run, said)
  const attempt = step && attemptOf(step, said)
  if (attempt) {
    attempt.ended = at
    attempt.result = said.result
    attempt.retryAt = said.retry_at === undefined ? undefined : Date.parse(said.retry_at)
  }
  run.progress.delete(said.node)
  if (said.retry_at !== undefined) show(run, said, 'torun')
  else if (step) step.itemsEnded += 1
}

function stopStep(run: Run, said: Member<'step_stopping'>): void {
  const step = stepOf(run, said)
  if (step) step.stopping = said.reason
}

function endStep(run: Run, at: number, said: Member<'step_ended'>): void {
  const step = stepOf(run, said)
  if (step) {
    step.ended = at
    step.outcome = said.outcome
    step.label = said.label
    step.reusedFrom = said.reused_from
  }
  show(run, said, stateOf(said.outcome))
  take(run, said.fired)
}

function skip(run: Run, said: Member<'nodes_skipped'>): void {
  for (const node of said.nodes) change(run, node, 'notrunnable')
  take(run, said.fired)
}

function take(run: Run, fired: number[] = []): void {
  for (const edge of fired) run.taken[edge] = (run.taken[edge] ?? 0) + 1
}

function stepOf(run: Run, of: OfStep): Step | undefined {
  return run.steps[of.node]?.[of.visit]
}

function attemptOf(step: Step, of: OfAttempt): Attempt | undefined {
  return step.attempts.findLast((attempt) => attempt.item === of.item && attempt.attempt === of.attempt)
}

/** A node shows the state of its latest visit. */
function show(run: Run, of: OfStep, state: State): void {
  if (of.visit + 1 === run.steps[of.node]?.length) change(run, of.node, state)
}

function change(run: Run, node: number, state: State): void {
  const before = run.states[node]
  if (before === undefined) return
  run.counts[before] -= 1
  run.counts[state] += 1
  run.states[node] = state
}
