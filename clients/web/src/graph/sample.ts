// Owns graphs to try things with: the same seed is the same graph. Never ships: only tests and benches import it.

import type { Edges } from './layers'

/** Numbers from 0 to 1 from a seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A random graph: with loops any edge may be there, without them only edges to nodes that come later, most not far. */
export function randomGraph(nodes: number, edges: number, chance: () => number, loops: 'loops' | 'none'): Edges {
  const from = new Uint32Array(edges)
  const to = new Uint32Array(edges)
  for (let edge = 0; edge < edges; edge += 1) {
    const first = Math.floor(chance() * nodes)
    const far = Math.floor(chance() * nodes)
    const near = Math.min(nodes - 1, first + 1 + Math.floor(chance() ** 3 * 300))
    const isLast = first === nodes - 1
    from[edge] = loops === 'none' && isLast ? first - 1 : first
    to[edge] = loops === 'loops' ? far : near
  }
  return { from, to }
}
