// Owns the measure of the layout: what a picture of a large graph costs.

import { bench, describe } from 'vitest'
import { layout } from './layout'
import { random, randomGraph } from './sample'

describe('layout', () => {
  for (const nodes of [100, 1_000, 10_000]) {
    const edges = randomGraph(nodes, nodes * 2, random(7), 'none')
    bench(`${nodes} nodes, ${nodes * 2} edges`, () => void layout(nodes, edges, [], 'across', () => performance.now()), { iterations: 3, time: 500 })
  }
})
