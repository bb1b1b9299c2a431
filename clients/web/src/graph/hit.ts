// Owns what somebody points at in a graph: a node, the sign that opens and closes it, or something inside of it. Promises: what
// is inside wins over what is around it; far away a node is a little larger than it is drawn. Never moves anything.

import type { Run } from '../run/fold'
import { contentOf } from '../run/parts'
import type { Camera } from './camera'
import { CELL, type Insides, PAD } from './inside'
import { at } from './layers'
import { BOX, type Layout } from './layout'

interface Point {
  x: number
  y: number
}

/** `what` is a node of the run inside, or an item. */
export type Hit = { on: 'node' | 'turn'; node: number } | { on: 'inside'; node: number; what: number }

/** The sign that opens a node, from the right upper corner of its box. */
export const TURN = { right: 22, top: 11, size: 15 } as const
const SLACK = 3

export function hit(point: Point, camera: Camera, { run, layout, insides }: { run: Run; layout: Layout; insides: Insides }): Hit | undefined {
  const slack = SLACK / camera.scale
  const place = { x: camera.x + point.x / camera.scale, y: camera.y + point.y / camera.scale }
  const node = nodeAt(place, layout, slack)
  if (node === undefined) return undefined
  const inner = { x: place.x - at(layout.x, node) - PAD, y: place.y - at(layout.y, node) - BOX.height }
  const fromRight = at(layout.x, node) + at(layout.w, node) - place.x
  const isTurn = fromRight <= TURN.right + slack && fromRight >= TURN.right - TURN.size - slack && inner.y < 0
  if (isTurn && contentOf(run, node)) return { on: 'turn', node }
  const inside = insides.get(node)
  if (inside?.is === 'run') {
    const what = nodeAt(inner, inside.layout, slack)
    if (what !== undefined) return { on: 'inside', node, what }
  } else if (inside && inner.x >= 0 && inner.y >= 0) {
    const [column, row] = [Math.floor(inner.x / CELL.width), Math.floor(inner.y / CELL.height)]
    const what = row * inside.columns + column
    if (column < inside.columns && what < inside.shown) return { on: 'inside', node, what }
  }
  return { on: 'node', node }
}

function nodeAt({ x, y }: Point, layout: Layout, slack: number): number | undefined {
  for (let node = 0; node < layout.x.length; node += 1) {
    const [left, top] = [at(layout.x, node) - slack, at(layout.y, node) - slack]
    if (x >= left && x <= left + at(layout.w, node) + slack * 2 && y >= top && y <= top + at(layout.h, node) + slack * 2) return node
  }
  return undefined
}
