// Owns where everything is drawn: layers from left to right, in each of them the nodes one below the other; or layers from the
// top down, where the view is high. Promises: no two boxes overlap, of whatever size; what stands in a row by its edges is drawn
// in a row where there is room; the same graph is always drawn the same way where time allows. Never draws.

import { at, type Edges, type Layers, layersOf } from './layers'
import { type Order, orderOf, weave, type Woven } from './order'

/** The size of a node that is not opened. */
export const BOX = { width: 164, height: 38 } as const
/** Between layers, between boxes of a layer, and for an edge that passes. */
const GAP = { across: { layer: 90, box: 14, point: 10 }, down: { layer: 52, box: 18, point: 10 } } as const

/** Which way the flow goes. */
export type Way = 'across' | 'down'

/** A node that needs more room than a box. */
export interface Large {
  node: number
  width: number
  height: number
}

export interface Layout {
  /** By node: the upper left corner, and the size. */
  x: Float32Array
  y: Float32Array
  w: Float32Array
  h: Float32Array
  layer: Uint32Array
  /** By layer: how much it takes along the flow, and where it ends. */
  thick: Float32Array
  ends: Float32Array
  back: Uint8Array
  way: Way
  /** By edge: where its points begin in `points`, which has by turns the layer that is passed, and how far across. */
  bends: Uint32Array
  points: Float32Array
  width: number
  height: number
  /** Milliseconds that it took. */
  took: number
}

/** Milliseconds for looking for a better order: a picture that is there soon beats one with fewer crossings. */
const BUDGET = 250

/** Lays a graph out. `clock` gives milliseconds. */
export function layout(nodes: number, edges: Edges, large: Large[], way: Way, clock: () => number): Layout {
  const began = clock()
  const layers = layersOf(nodes, edges)
  const woven = weave(edges, layers)
  const order = orderOf(woven, layers.count, () => clock() - began > BUDGET)
  const w = new Float32Array(nodes).fill(BOX.width)
  const h = new Float32Array(nodes).fill(BOX.height)
  for (const one of large) [w[one.node], h[one.node]] = [one.width, one.height]
  const [long, wide] = way === 'across' ? [w, h] : [h, w]
  const gap = GAP[way]
  const middle = placed(woven, order, (node) => (node < nodes ? (at(wide, node) + gap.box) / 2 : gap.point / 2), nodes)
  const thick = thickOf(layers, long)
  let end = -gap.layer
  const ends = thick.map((size) => (end += gap.layer + size))
  const along = Float32Array.from(layers.layer, (layer) => at(ends, layer) - at(thick, layer))
  const across = Float32Array.from(wide, (size, node) => at(middle, node) - size / 2)
  const { bends, points } = bendsOf(edges, woven, middle)
  const length = ends.at(-1) ?? 0
  const breadth = across.reduce((most, edge, node) => Math.max(most, edge + at(wide, node)), 0)
  const turned = way === 'across' ? { x: along, y: across, width: length, height: breadth } : { x: across, y: along, width: breadth, height: length }
  return { ...turned, w, h, layer: layers.layer, ends, thick, back: layers.back, way, bends, points, took: clock() - began }
}

/** By layer: the size of its largest node along the flow. */
function thickOf({ layer, count }: Layers, long: Float32Array): Float32Array {
  const thick = new Float32Array(count)
  long.forEach((size, node) => (thick[at(layer, node)] = Math.max(at(thick, at(layer, node)), size)))
  return thick
}

/** Each layer is drawn towards its neighbours, forth and back, and keeps its distances. */
function placed(woven: Woven, order: Order, half: (node: number) => number, nodes: number): Float64Array {
  const y = new Float64Array(woven.count)
  for (const all of order.inLayer) {
    let edge = 0
    for (const node of all) {
      y[node] = edge + half(node)
      edge += half(node) * 2
    }
  }
  const layers = order.inLayer.length
  const rounds = woven.count > 20_000 ? 3 : 8
  for (let round = 0; round < rounds; round += 1) {
    const isForth = round % 2 === 0
    for (let step = 0; step < layers; step += 1) {
      const all = order.inLayer[isForth ? step : layers - 1 - step]
      if (all) draw(all, y, half, (node) => wish(node, nodes, woven, order, y, isForth ? 'up' : 'down'))
    }
  }
  let top = Infinity
  for (let node = 0; node < woven.count; node += 1) top = Math.min(top, at(y, node) - half(node))
  return y.map((middle) => middle - (Number.isFinite(top) ? top : 0))
}

/** Where a node would like to be: at the mean of its neighbours, and how much it insists. Points want straight lines. */
function wish(node: number, nodes: number, woven: Woven, order: Order, y: Float64Array, side: 'up' | 'down'): [number, number] {
  const [beside, ends] = side === 'up' ? [order.up, woven.links.from] : [order.down, woven.links.to]
  const [start, end] = [at(beside.start, node), at(beside.start, node + 1)]
  if (start === end) return [at(y, node), 0.1]
  let sum = 0
  for (let index = start; index < end; index += 1) sum += at(y, at(ends, at(beside.edges, index)))
  return [sum / (end - start), node < nodes ? end - start : 4]
}

/** The places nearest to all wishes that keep order and distance: neighbours in each other's way move as one block. */
function draw(all: Uint32Array, y: Float64Array, half: (node: number) => number, wished: (node: number) => [number, number]): void {
  const blocks: { first: number; weight: number; sum: number }[] = []
  const offset = new Float64Array(all.length)
  let edge = 0
  all.forEach((node, index) => {
    offset[index] = edge + half(node)
    edge += half(node) * 2
    const [place, weight] = wished(node)
    let block = { first: index, weight, sum: weight * (place - at(offset, index)) }
    for (let before = blocks.at(-1); before && before.sum / before.weight > block.sum / block.weight; before = blocks.at(-1)) {
      block = { first: before.first, weight: before.weight + block.weight, sum: before.sum + block.sum }
      blocks.pop()
    }
    blocks.push(block)
  })
  blocks.forEach((block, index) => {
    const end = blocks[index + 1]?.first ?? all.length
    for (let place = block.first; place < end; place += 1) y[at(all, place)] = block.sum / block.weight + at(offset, place)
  })
}

function bendsOf(edges: Edges, woven: Woven, middle: Float64Array): { bends: Uint32Array; points: Float32Array } {
  const bends = new Uint32Array(edges.from.length + 1)
  const points: number[] = []
  for (let edge = 0; edge < edges.from.length; edge += 1) {
    for (const point of woven.points.get(edge) ?? []) points.push(at(woven.layer, point), at(middle, point))
    bends[edge + 1] = points.length
  }
  return { bends, points: Float32Array.from(points) }
}
