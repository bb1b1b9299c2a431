// Owns the order of what stands in one layer, so that few edges cross. Promises: it stops when its time is up, with the best
// order that it found; edges that pass layers have a point in each of them, unless there were too many. Never knows lengths.

import { at, type Edges, type Layers, type Rows, rows } from './layers'

/** Layers with points for edges that pass them: the nodes first, then the points. */
export interface Woven {
  count: number
  layer: Uint32Array
  /** Links between neighbouring layers (all others are not followed). */
  links: Edges
  /** By edge: its points from layer to layer. */
  points: Map<number, number[]>
}

/** With more points than this, long edges are drawn as one line. */
const MOST_POINTS = 60_000

/** Puts a point into each layer that an edge passes. */
export function weave(edges: Edges, { layer, back }: Layers): Woven {
  let passed = 0
  edges.from.forEach((from, edge) => {
    passed += Math.max(0, Math.abs(at(layer, at(edges.to, edge)) - at(layer, from)) - 1)
  })
  const isWoven = passed <= MOST_POINTS
  const layers: number[] = Array.from(layer)
  const [from, to]: [number[], number[]] = [[], []]
  const points = new Map<number, number[]>()
  for (let edge = 0; edge < edges.from.length; edge += 1) {
    let [source, target] = [at(edges.from, edge), at(edges.to, edge)]
    if (source === target) continue
    if (back[edge] === 1) [source, target] = [target, source]
    const between: number[] = []
    let last = source
    for (let place = at(layer, source) + 1; isWoven && place < at(layer, target); place += 1) {
      const point = layers.push(place) - 1
      between.push(point)
      from.push(last)
      to.push(point)
      last = point
    }
    if (isWoven || at(layer, target) === at(layer, source) + 1) {
      from.push(last)
      to.push(target)
    }
    if (between.length > 0) points.set(edge, back[edge] === 1 ? between.reverse() : between)
  }
  const links = { from: Uint32Array.from(from), to: Uint32Array.from(to) }
  return { count: layers.length, layer: Uint32Array.from(layers), links, points }
}

export interface Order {
  /** By layer: what stands in it, in order. */
  inLayer: Uint32Array[]
  /** By node or point: its place in its layer. */
  place: Uint32Array
  down: Rows
  up: Rows
}

/** Sweeps forth and back, each layer by the middle of its neighbours, until nothing gets better or the time is up. */
export function orderOf(woven: Woven, layers: number, isUp: () => boolean): Order {
  const down = rows(woven.count, woven.links.from)
  const up = rows(woven.count, woven.links.to)
  const order: Order = { inLayer: firstOrder(woven, layers, down), place: new Uint32Array(woven.count), down, up }
  order.inLayer.forEach((all) => settle(order, all))
  let best = crossings(woven, order)
  let kept = order.inLayer.map((all) => all.slice())
  let without = 0
  for (let round = 0; round < 24 && best > 0 && without < 4 && !isUp(); round += 1) {
    sweep(woven, order, round % 2 === 0 ? 'forth' : 'back')
    const now = crossings(woven, order)
    without = now < best ? 0 : without + 1
    if (now < best) {
      best = now
      kept = order.inLayer.map((all) => all.slice())
    }
  }
  order.inLayer = kept
  order.inLayer.forEach((all) => settle(order, all))
  return order
}

/** As a walk from the first nodes meets them: what belongs together begins together. */
function firstOrder(woven: Woven, layers: number, down: Rows): Uint32Array[] {
  const found: number[][] = Array.from({ length: layers }, () => [])
  const seen = new Uint8Array(woven.count)
  const byLayer = Array.from({ length: woven.count }, (_, node) => node).sort((a, b) => at(woven.layer, a) - at(woven.layer, b) || a - b)
  for (const root of byLayer) {
    const path = [root]
    for (let node = path.pop(); node !== undefined; node = path.pop()) {
      if (seen[node] === 1) continue
      seen[node] = 1
      found[at(woven.layer, node)]?.push(node)
      for (let index = at(down.start, node + 1) - 1; index >= at(down.start, node); index -= 1) path.push(at(woven.links.to, at(down.edges, index)))
    }
  }
  return found.map((all) => Uint32Array.from(all))
}

function settle(order: Order, all: Uint32Array): void {
  all.forEach((node, place) => (order.place[node] = place))
}

function sweep(woven: Woven, order: Order, way: 'forth' | 'back'): void {
  const [beside, ends] = way === 'forth' ? [order.up, woven.links.from] : [order.down, woven.links.to]
  const layers = way === 'forth' ? order.inLayer : order.inLayer.toReversed()
  const middle = new Float64Array(woven.count)
  for (const all of layers) {
    for (const node of all) middle[node] = middleOf(node, beside, ends, order.place)
    all.sort((a, b) => at(middle, a) - at(middle, b) || at(order.place, a) - at(order.place, b))
    settle(order, all)
  }
}

/** The mean place of the neighbours on one side; without any it stays. */
function middleOf(node: number, beside: Rows, ends: Uint32Array, place: Uint32Array): number {
  const [start, end] = [at(beside.start, node), at(beside.start, node + 1)]
  if (start === end) return at(place, node)
  let sum = 0
  for (let index = start; index < end; index += 1) sum += at(place, at(ends, at(beside.edges, index)))
  return sum / (end - start)
}

/** How many pairs of links cross: inversions, counted with a tree of sums. */
export function crossings(woven: Woven, order: Order): number {
  let total = 0
  order.inLayer.forEach((all, layer) => {
    const size = order.inLayer[layer + 1]?.length ?? 0
    const sums = new Uint32Array(size + 1)
    let met = 0
    for (const node of all) {
      const ends: number[] = []
      for (let index = at(order.down.start, node); index < at(order.down.start, node + 1); index += 1) ends.push(at(order.place, at(woven.links.to, at(order.down.edges, index))))
      for (const end of ends) {
        let before = 0
        for (let index = end + 1; index > 0; index -= index & -index) before += at(sums, index)
        total += met - before
      }
      for (const end of ends) for (let index = end + 1; index <= size; index += index & -index) sums[index] = at(sums, index) + 1
      met += ends.length
    }
  })
  return total
}
