// Owns the proof that documents are read as the orchestrator numbers them.

import { expect, test } from 'vitest'
import { graphOf } from './document'

const edges = (document: unknown) => graphOf(JSON.stringify(document)).edges.map((edge) => `${edge.from} ${edge.to} ${edge.when}`)

test('cells are edges: 1 and 3 on success, 4 on failure', () => {
  expect(edges({ digraph: [0, 1, 4, 0, 0, 3, 0, 0, 0], nodes: [{}, {}, {}] })).toEqual(['0 1 succeeded', '0 2 failed', '1 2 succeeded'])
})

test('edges are numbered by their source, and within a source as they are written', () => {
  const nodes = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]
  const given = [{ from: 'b', to: 'c' }, { from: 'a', to: 'c', when: 'finished' }, { from: 0, to: 1 }, { from: 'b', to: 'a', when: 'chose:again' }]
  expect(edges({ nodes, edges: given })).toEqual(['0 2 finished', '0 1 succeeded', '1 2 succeeded', '1 0 chose:again'])
})

test('nodes stand by their ids, and without a name they are called by them', () => {
  const { nodes } = graphOf(JSON.stringify({ nodes: [{ id: 1, name: 'b', join: { need: 2 } }, { id: 0, each: { items: [] } }] }))
  expect(nodes.map(({ id, name, each, join }) => [id, name, each, join])).toEqual([
    [0, '0', true, 'all'],
    [1, 'b', false, '2'],
  ])
})
