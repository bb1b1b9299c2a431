// Owns the names under which the rest of the client knows what the API says. Promises: each is the type that
// docs/openapi.json gives (made by `npm run api`), so that a field which is renamed there fails `tsc` here. The events of
// a run stand here by hand: the description says of them only that they are a stream. Never holds a value.

import type { components } from './schema'

type Schemas = components['schemas']

export type Accepted = Schemas['Accepted']
export type Advance = Schemas['Advance']
export type AttemptView = Schemas['AttemptView']
export type Complaint = Schemas['Complaint']
export type Counts = Schemas['Counts']
export type Did = Schemas['Did']
export type ExecutorList = Schemas['ExecutorList']
export type ExecutorView = Schemas['ExecutorView']
export type Failure = Schemas['Failure']
export type LiveNode = Schemas['LiveNode']
export type NodeView = Schemas['NodeView']
export type Outcome = Schemas['Outcome']
export type Plan = Schemas['Plan']
export type Problem = Schemas['Problem']
export type RunList = Schemas['RunList']
export type RunSummary = Schemas['RunSummary']
export type StepView = Schemas['StepView']
export type WhoAmI = Schemas['WhoAmI']
export type Why = Schemas['Why']

/** The word of a state. */
export type State = keyof Counts

/** What one attempt came to, as the journal keeps it. */
export interface AttemptResult {
  outcome: Outcome
  output?: unknown
}

/** Which visit of which node an event is about. */
export interface OfStep {
  node: number
  visit: number
}

/** Which try of which item an event is about. */
export interface OfAttempt extends OfStep {
  item: number
  attempt: number
}

/** A firing that made a step start: an edge, and the visit of its source (none: the source was skipped). */
export interface Cause {
  edge: number
  visit?: number
}

/** One fact of a run: exactly one of these. What has no members is a word. */
export type Event =
  | 'paused'
  | 'resumed'
  | 'cap_reached'
  | { run_accepted: { document: string; name?: string; namespace?: string; labels?: Record<string, string>; parent?: { attempt: string }; rerun_of?: { run: string }; undo_of?: string } }
  | { run_claimed: { owner: string } }
  | { step_activated: OfStep & { because?: Cause[]; items?: unknown[]; reused?: Record<string, AttemptResult> } }
  | { attempt_started: OfAttempt & { executor?: string; epoch: number; until?: string } }
  | { attempt_ended: OfAttempt & { result: AttemptResult; retry_at?: string; late?: boolean } }
  | { step_stopping: OfStep & { item: number; reason: string; by?: string } }
  | { step_ended: OfStep & { outcome: Outcome; output?: unknown; label?: string; fired?: number[]; reused_from?: string } }
  | { nodes_skipped: { nodes: number[]; fired?: number[] } }
  | { signal_received: { name: string; data?: unknown; by: string } }
  | { cancel_requested: { by: string } }
  | { deadline_passed: { which: 'timeout' | 'kill' } }
  | { run_ended: { outcome: Outcome; outputs?: Record<string, unknown>; undo?: string } }

/** A line of a stream of events: a fact with its number and its instant. */
export interface EventView {
  run: string
  seq: number
  at: string
  event: Event
}

/** A line without a number: what an attempt says of itself. It is not replayed. */
export interface ProgressView {
  run: string
  node: number
  name: string
  attempt: string
  progress?: Advance
}
