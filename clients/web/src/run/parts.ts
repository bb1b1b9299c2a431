// Owns what is inside of a node: the run that an attempt of the engine `gorch` is, and the items of an `each`. Promises: the id of
// such a run is derived as the orchestrator derives it, so that nobody has to be asked. Never watches a run.

import type { State } from '../api/types'
import { latest, type Run, stateOf, type Step } from './fold'

/** What a node can be opened into. */
export type Content = { is: 'run'; attempt: string } | { is: 'items'; count: number }

/** What is inside of a node now, if anything is. */
export function contentOf(run: Run, node: number): Content | undefined {
  const step = latest(run, node)
  if (step?.items !== undefined) return step.items > 0 ? { is: 'items', count: step.items } : undefined
  const attempt = step?.attempts.at(-1)
  if (run.graph.nodes[node]?.engine !== 'gorch' || !step || !attempt) return undefined
  return { is: 'run', attempt: `${run.id}.${node}.${step.visit}.${attempt.item}.${attempt.attempt}` }
}

/** The attempt of an item of a node's latest visit that was made last. */
export function attemptOfItem(run: Run, node: number, item: number): string | undefined {
  const step = latest(run, node)
  const attempt = step?.attempts.findLast((one) => one.item === item)
  return step && attempt ? `${run.id}.${node}.${step.visit}.${item}.${attempt.attempt}` : undefined
}

/** The id of the run that an attempt is: the first half of the SHA-256 of the attempt's id. */
export async function runOf(attempt: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(attempt))
  return Array.from(new Uint8Array(hash, 0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The run and the number of the node that an attempt is of. */
export function nodeOf(attempt: string): { run: string; node: string } {
  const [run = '', node = ''] = attempt.split('.')
  return { run, node }
}

/** How each item of a step stands. */
export function itemStates(step: Pick<Step, 'items' | 'ended' | 'reused' | 'attempts'>): State[] {
  const states = Array.from({ length: step.items ?? 0 }, (): State => (step.ended === undefined ? 'torun' : 'notrunnable'))
  for (const [item, { outcome }] of Object.entries(step.reused)) states[Number(item)] = stateOf(outcome)
  for (const { item, result, retryAt } of step.attempts) states[item] = result ? (retryAt === undefined ? stateOf(result.outcome) : 'torun') : 'running'
  return states
}
