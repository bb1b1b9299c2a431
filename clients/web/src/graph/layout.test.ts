// Owns the proof that every graph is drawn soundly: random graphs with loops, and shapes that are known.

import { expect, test } from 'vitest'
import type { Edges } from './layers'
import { at, layersOf } from './layers'
import { type Layout, layout } from './layout'
import { random, randomGraph } from './sample'

const columns = (pairs: [number, number][]): Edges => ({
  from: Uint32Array.from(pairs, ([from]) => from),
  to: Uint32Array.from(pairs, ([, to]) => to),
})
const still = () => 0

test('edges that do not lead back lead to later layers, on any graph', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const chance = random(seed)
    const nodes = 1 + Math.floor(chance() * 30)
    const edges = randomGraph(nodes, Math.floor(chance() * 60), chance, 'loops')
    const { layer, back } = layersOf(nodes, edges)
    edges.from.forEach((from, edge) => {
      if (back[edge] === 0) expect(at(layer, from)).toBeLessThan(at(layer, at(edges.to, edge)))
    })
  }
})

test('without loops no edge leads back', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    expect(layersOf(40, randomGraph(40, 90, random(seed), 'none')).back).not.toContain(1)
  }
})

/** Is the one wholly to the left of the other, or above it? */
const isApart = ({ x, y, w, h }: Layout, one: number, other: number) => at(x, one) + at(w, one) <= at(x, other) + 0.01 || at(y, one) + at(h, one) <= at(y, other) + 0.01

test('no two boxes overlap, however large, and all are within the picture', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const chance = random(seed)
    const nodes = 2 + Math.floor(chance() * 40)
    const large = Array.from({ length: nodes }, (_, node) => ({ node, width: 164 + chance() * 900, height: 38 + chance() * 500 })).filter(() => chance() < 0.2)
    const drawn = layout(nodes, randomGraph(nodes, nodes * 2, chance, 'loops'), large, chance() < 0.5 ? 'across' : 'down', still)
    for (let a = 0; a < nodes; a += 1) {
      expect(Math.min(at(drawn.x, a), at(drawn.y, a))).toBeGreaterThanOrEqual(0)
      expect(at(drawn.x, a) + at(drawn.w, a)).toBeLessThanOrEqual(drawn.width + 0.01)
      expect(at(drawn.y, a) + at(drawn.h, a)).toBeLessThanOrEqual(drawn.height + 0.01)
      for (let b = a + 1; b < nodes; b += 1) {
        expect(isApart(drawn, a, b) || isApart(drawn, b, a)).toBe(true)
      }
    }
  }
})

test('a chain is a straight line', () => {
  const drawn = layout(4, columns([[0, 1], [1, 2], [2, 3]]), [], 'across', still)
  expect(new Set(drawn.y).size).toBe(1)
  expect([...drawn.layer]).toEqual([0, 1, 2, 3])
})

test('a diamond has its ends at the middle of its sides', () => {
  const { y } = layout(4, columns([[0, 1], [0, 2], [1, 3], [2, 3]]), [], 'across', still)
  expect(at(y, 0)).toBeCloseTo((at(y, 1) + at(y, 2)) / 2, 1)
  expect(at(y, 3)).toBeCloseTo(at(y, 0), 1)
})

test('two chains that are given crosswise do not cross', () => {
  const { y } = layout(4, columns([[0, 3], [1, 2]]), [], 'across', still)
  expect(Math.sign(at(y, 0) - at(y, 1))).toBe(Math.sign(at(y, 3) - at(y, 2)))
})

test('a loop leads back once, and a node to itself too', () => {
  expect([...layersOf(3, columns([[0, 1], [1, 2], [2, 1], [1, 1]])).back]).toEqual([0, 0, 1, 1])
})

test('a chain of a hundred thousand nodes does not overflow', () => {
  const pairs = Array.from({ length: 99_999 }, (_, node): [number, number] => [node, node + 1])
  expect(layersOf(100_000, columns(pairs)).count).toBe(100_000)
})

test('10,000 nodes with 20,000 edges are laid out within two seconds', () => {
  expect(layout(10_000, randomGraph(10_000, 20_000, random(7), 'none'), [], 'across', () => performance.now()).took).toBeLessThan(2_000)
})
