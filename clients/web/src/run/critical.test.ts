// Owns the proof that the critical path is what a run waited for.

import { expect, test } from 'vitest'
import { Reader } from '../api/sse'
import type { EventView } from '../api/types'
import { criticalPath } from './critical'
import release from './fixtures/release.sse?raw'
import loop from './fixtures/loop.sse?raw'
import { apply, newRun, type Run } from './fold'

function folded(text: string): Run {
  const run = newRun('recorded')
  for (const message of new Reader().read(text)) if (message.id !== undefined) apply(run, JSON.parse(message.data) as EventView)
  return run
}

test('it leads by what ended last, and over the edges that fired', () => {
  const run = folded(release)
  const { nodes, edges } = criticalPath(run)
  expect([...nodes].map((node) => run.graph.nodes[node]?.name)).toEqual(['clean up', 'roll back', 'deploy staging', 'sign', 'package', 'unit tests', 'checkout'])
  for (const edge of edges) expect(run.taken[edge]).toBe(1)
  expect(edges.size).toBe(nodes.size - 1)
})

test('it goes through each visit of a loop, and ends', () => {
  const run = folded(loop)
  expect([...criticalPath(run).nodes].map((node) => run.graph.nodes[node]?.name)).toEqual(['collect', 'poll', 'wait', 'order'])
})

test('of a run of which nothing has ended there is none', () => {
  expect(criticalPath(newRun('new')).nodes.size).toBe(0)
})
