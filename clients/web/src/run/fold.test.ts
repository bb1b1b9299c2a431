// Owns the proof that the fold is what the API shows: recorded streams of real runs (fixtures/NAME.sse) against what
// `GET /v1/tasks/{id}` said of the same runs (fixtures/NAME.json).

import { expect, test } from 'vitest'
import type { Counts, State } from '../api/types'
import { apply, firing, latest, newRun, runState } from './fold'
import { folded, names, recorded } from './recorded'

interface Shown {
  name: string
  state: State
  counts: Counts
  nodes: { name: string; state: State; visits: number; attempts: number }[]
  cells: [number, number][]
}

const shown = import.meta.glob<Shown>('./fixtures/*.json', { import: 'default', eager: true })

test.each(names)('the run `%s` is folded to what the API shows', (name) => {
  const run = folded(recorded(name))
  const api = shown[`./fixtures/${name}.json`]
  expect({
    name: run.graph.name,
    state: runState(run),
    counts: run.counts,
    nodes: run.graph.nodes.map(({ id, name }) => {
      const steps = run.steps[id] ?? []
      const tries = new Set(latest(run, id)?.attempts.map((attempt) => attempt.attempt))
      return { name, state: run.states[id], visits: steps.length, attempts: steps.at(-1)?.items === undefined ? tries.size : steps.at(-1)?.attempts.length }
    }),
    cells: run.graph.edges.map((edge) => [edge.from, edge.to]),
  }).toEqual({ ...api, cells: expect.arrayContaining(api?.cells ?? []) as unknown })
})

test.each(names)('the events of `%s` may come twice, and from any place on', (name) => {
  const events = recorded(name)
  const once = folded(events)
  for (let cut = 0; cut <= events.length; cut += 1) {
    expect(folded([...events.slice(0, cut), ...events.slice(Math.max(0, cut - 3))])).toEqual(once)
  }
})

test('counts stand for the nodes after each event', () => {
  const run = newRun('recorded')
  for (const event of recorded('release')) {
    apply(run, event)
    const counted = Object.fromEntries(Object.keys(run.counts).map((word) => [word, run.states.filter((state) => state === word).length]))
    expect(run.counts).toEqual(counted)
  }
})

test('between two tries a node waits, and a result that came too late changes nothing', () => {
  const run = newRun('recorded')
  const seen = recorded('release').flatMap((event) => {
    apply(run, event)
    if (typeof event.event !== 'object' || !('attempt_ended' in event.event)) return []
    const ended = event.event.attempt_ended
    return ended.retry_at === undefined ? [] : [run.states[ended.node]]
  })
  expect(seen).toEqual(['torun'])
  const before = structuredClone(run)
  apply(run, { run: '', seq: run.seq + 1, at: '', event: { attempt_ended: { node: 0, visit: 0, item: 0, attempt: 1, result: { outcome: 'cancelled' }, late: true } } })
  expect(run).toEqual({ ...before, seq: before.seq + 1 })
})

test('an edge of a failure is taken, and the one of a success is skipped', () => {
  const run = folded(recorded('on-failure'))
  expect(run.graph.edges.map((edge, at) => [edge.when, firing(run, at)])).toEqual([
    ['succeeded', 'taken'],
    ['succeeded', 'skipped'],
    ['failed:exit_nonzero', 'taken'],
    ['finished', 'taken'],
    ['finished', 'taken'],
  ])
})

test('a loop has its visits, each with the edge that started it', () => {
  const run = folded(recorded('loop'))
  expect(run.steps[1]?.map((step) => [step.visit, step.label, step.because])).toEqual([
    [0, 'again', [0]],
    [1, 'again', [3]],
    [2, 'again', [3]],
    [3, 'ready', [3]],
  ])
})
