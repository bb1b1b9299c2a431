// Owns the proof that what is inside of a node is found: the run that it is by its id, and its items by their states.

import { expect, test } from 'vitest'
import { folded, recorded } from './recorded'
import { latest } from './fold'
import { attemptOfItem, contentOf, itemStates, nodeOf, runOf } from './parts'

test('the run that an attempt is has the id that the orchestrator gave it', async () => {
  const run = folded(recorded('parts'))
  const node = run.graph.nodes.find(({ engine }) => engine === 'gorch')?.id ?? -1
  const content = contentOf(run, node)
  const said = latest(run, node)?.attempts[0]?.result?.output
  expect(content?.is).toBe('run')
  expect(said).toMatchObject({ run: await runOf(content?.is === 'run' ? content.attempt : '') })
})

test('what runs by itself has nothing inside', () => {
  const run = folded(recorded('parts'))
  expect(run.graph.nodes.filter(({ engine }) => engine !== 'gorch').map(({ id }) => contentOf(run, id))).toEqual([undefined, undefined])
})

test('each item has the state of its last attempt', () => {
  const events = recorded('release')
  const run = folded(events)
  const node = run.graph.nodes.find(({ each }) => each)?.id ?? -1
  expect(contentOf(run, node)).toEqual({ is: 'items', count: 5 })
  const step = latest(run, node)
  expect(step && itemStates(step)).toEqual(['success', 'success', 'success', 'success', 'success'])
  expect(attemptOfItem(run, node, 3)).toBe(`${run.id}.${node}.0.3.1`)
})

test('items wait until they run, and those that are copied stand as they stood', () => {
  const attempt = { executor: undefined, started: 0, ended: undefined, retryAt: undefined }
  const result = { outcome: 'succeeded' } as const
  const attempts = [{ ...attempt, item: 1, attempt: 1, result: undefined }, { ...attempt, item: 2, attempt: 1, result, retryAt: 9 }]
  expect(itemStates({ items: 4, ended: undefined, reused: { 3: result }, attempts })).toEqual(['torun', 'running', 'torun', 'success'])
  expect(itemStates({ items: 1, ended: 5, reused: {}, attempts: [] })).toEqual(['notrunnable'])
})

test('an attempt says of which node of which run it is', () => {
  expect(nodeOf('01a2.7.0.0.1')).toEqual({ run: '01a2', node: '7' })
})
