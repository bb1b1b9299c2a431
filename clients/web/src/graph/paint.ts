// Owns how the graph is painted on a canvas. Promises: near, a box has a name, an icon and a word; farther away it has a
// name; far away it is a block of its colour; only what can be seen is painted. Colours are those of the page. Never lays
// out, never decides what is marked.

import type { State } from '../api/types'
import type { Critical } from '../run/critical'
import { firing, latest, type Run } from '../run/fold'
import { contentOf, itemStates } from '../run/parts'
import { duration, LOOKS } from '../ui/words'
import type { Camera, Size } from './camera'
import { at } from './layers'
import { TURN } from './hit'
import { CELL, type Inside, type Insides, PAD } from './inside'
import { BOX, type Layout } from './layout'
import { Lines } from './lines'

export interface Scene {
  run: Run
  layout: Layout
  selected: number | undefined
  /** What a search found; undefined: nothing is searched. */
  found: Set<number> | undefined
  critical: Critical | undefined
  /** What is drawn inside of nodes. */
  insides: Insides
  now: number
}

export type Colour = (name: string) => string
type Ctx = CanvasRenderingContext2D

/** From this scale on a box is a box, and from that on it says more than its name. */
const BOXES = 0.2
const WORDS = 0.5
/** More edges than this are painted as straight lines. */
const MANY = 4_000
/** So far an edge that leads back may go round. */
const AROUND = 200
/** More edges than this are painted paler: together they would hide what they join. */
const CROWDED = 500

/** The room of a condition, between two layers. */
const LABEL = 78

const icons = new Map<State, Path2D>()
const shortened = new Map<string, string>()
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'

function iconOf(state: State): Path2D {
  const icon = icons.get(state) ?? new Path2D(LOOKS[state].icon)
  icons.set(state, icon)
  return icon
}

export function paint(ctx: Ctx, scene: Scene, camera: Camera, size: Size, ratio: number, colour: Colour): void {
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0)
  ctx.clearRect(0, 0, size.width, size.height)
  ctx.setTransform(ratio * camera.scale, 0, 0, ratio * camera.scale, -camera.x * camera.scale * ratio, -camera.y * camera.scale * ratio)
  const seen = { left: camera.x, top: camera.y, right: camera.x + size.width / camera.scale, bottom: camera.y + size.height / camera.scale }
  paintEdges(ctx, scene, camera, seen, colour)
  paintNodes(ctx, scene, camera, seen, colour)
  for (const [node, inside] of scene.insides) paintInside(ctx, scene, node, inside, camera, seen, colour)
}

/** What stands inside of a node, as the same picture once more, or as one cell for each item. */
function paintInside(ctx: Ctx, scene: Scene, node: number, inside: Inside, camera: Camera, seen: Box, colour: Colour): void {
  const { layout, run, now } = scene
  // A layout that is older than what was opened has no room for it yet.
  if (at(layout.h, node) <= BOX.height) return
  const [x, y] = [at(layout.x, node) + PAD, at(layout.y, node) + BOX.height]
  ctx.save()
  ctx.translate(x, y)
  if (inside.is === 'run') {
    const inner: Scene = { run: inside.watched.run, layout: inside.layout, selected: undefined, found: undefined, critical: undefined, insides: new Map(), now }
    const innerSeen = { left: seen.left - x, top: seen.top - y, right: seen.right - x, bottom: seen.bottom - y }
    paintEdges(ctx, inner, camera, innerSeen, colour)
    paintNodes(ctx, inner, camera, innerSeen, colour)
  } else paintItems(ctx, itemStates(latest(run, node) ?? NO_STEP).slice(0, inside.shown), inside.columns, camera, colour)
  ctx.restore()
}

const NO_STEP = { items: 0, ended: undefined, reused: {}, attempts: [] }

function paintItems(ctx: Ctx, states: State[], columns: number, camera: Camera, colour: Colour): void {
  ctx.font = `11px ${FONT}`
  ctx.textBaseline = 'middle'
  ctx.textAlign = 'center'
  states.forEach((state, item) => {
    const [x, y] = [(item % columns) * CELL.width, Math.floor(item / columns) * CELL.height]
    ctx.beginPath()
    ctx.roundRect(x + 1, y + 1, CELL.width - 2, CELL.height - 2, 3)
    ctx.fillStyle = colour(camera.scale < WORDS ? `${state}-block` : `${state}-soft`)
    ctx.fill()
    ctx.lineWidth = 1
    ctx.strokeStyle = colour(`${state}-block`)
    ctx.stroke()
    if (camera.scale < WORDS) return
    ctx.fillStyle = colour(state)
    ctx.fillText(String(item), x + CELL.width / 2, y + CELL.height / 2 + 0.5)
  })
  ctx.textAlign = 'left'
}

interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

/** The classes of edges, in the order in which they are painted. */
const CLASSES = ['skipped', 'open', 'taken', 'critical'] as const
type Class = (typeof CLASSES)[number]

function paintEdges(ctx: Ctx, scene: Scene, camera: Camera, seen: Box, colour: Colour): void {
  const { run, layout, critical } = scene
  const lines = new Lines(layout, run.graph.edges)
  const near: Record<Class, number[]> = { skipped: [], open: [], taken: [], critical: [] }
  let count = 0
  run.graph.edges.forEach((edge, index) => {
    const [ax, ay, bx, by] = [at(layout.x, edge.from), at(layout.y, edge.from), at(layout.x, edge.to), at(layout.y, edge.to)]
    const margin = layout.back[index] === 1 ? AROUND : 0
    const isBeside = Math.max(ax + at(layout.w, edge.from), bx + at(layout.w, edge.to)) + margin < seen.left || Math.min(ax, bx) - margin > seen.right
    const isAway = Math.max(ay + at(layout.h, edge.from), by + at(layout.h, edge.to)) + margin < seen.top || Math.min(ay, by) - margin > seen.bottom
    // An edge with bends may come by where neither of its ends is, but never before or after both.
    const isStraightOn = layout.bends[index] === layout.bends[index + 1]
    const isDown = layout.way === 'down'
    if ((isDown ? isAway : isBeside) || (isStraightOn && (isBeside || isAway))) return
    near[critical?.edges.has(index) === true ? 'critical' : firing(run, index)].push(index)
    count += 1
  })
  const isStraight = count > MANY
  for (const name of CLASSES) {
    ctx.beginPath()
    for (const edge of near[name]) lines.trace(ctx, edge, isStraight ? 'straight' : 'curved')
    const pixels = 1 / camera.scale
    ctx.lineWidth = name === 'critical' ? Math.max(2.5, 2 * pixels) : name === 'taken' ? Math.max(1.4, pixels * 0.8) : Math.max(1.1, pixels * 0.5)
    ctx.strokeStyle = name === 'critical' ? colour('accent') : colour(name === 'taken' ? 'edge-taken' : 'edge')
    ctx.globalAlpha = name === 'critical' ? 1 : isStraight ? 0.35 : count > CROWDED ? 0.45 : name === 'skipped' ? 0.7 : 1
    ctx.setLineDash(name === 'skipped' ? [3, 5] : [])
    ctx.stroke()
    ctx.setLineDash([])
    if (!isStraight && camera.scale > BOXES) {
      ctx.beginPath()
      for (const edge of near[name]) lines.head(ctx, edge)
      ctx.fillStyle = ctx.strokeStyle
      ctx.fill()
    }
    ctx.globalAlpha = 1
  }
  if (camera.scale >= WORDS) for (const name of CLASSES) for (const edge of near[name]) paintCondition(ctx, run, edge, lines.label(edge), colour)
}

/** What must have become of the source, where it is not the usual; how often it was so, where that was more than once. */
function paintCondition(ctx: Ctx, run: Run, edge: number, [x, y]: [number, number], colour: Colour): void {
  const when = run.graph.edges[edge]?.when ?? ''
  const taken = run.taken[edge] ?? 0
  const said = when === 'succeeded' ? '' : when.replace('chose:', '').replace('failed:', 'failed ')
  const whole = [said, taken > 1 ? `×${taken}` : ''].filter((word) => word !== '').join(' ')
  if (whole === '') return
  const isSkipped = firing(run, edge) === 'skipped'
  ctx.font = `${taken > 0 ? '600 ' : ''}10.5px ${FONT}`
  const words = short(ctx, whole, LABEL)
  const width = ctx.measureText(words).width + 8
  ctx.fillStyle = colour('ground')
  ctx.fillRect(x - width / 2, y - 7, width, 14)
  ctx.fillStyle = isSkipped ? colour('muted') : colour(when.startsWith('failed') ? 'failure' : 'text')
  ctx.textAlign = 'center'
  ctx.textBaseline = 'middle'
  ctx.fillText(words, x, y + 0.5)
  ctx.textAlign = 'left'
  // Not only paler: struck out, for eyes that do not see how pale.
  if (isSkipped) ctx.fillRect(x - width / 2 + 3, y, width - 6, 1)
}

function paintNodes(ctx: Ctx, scene: Scene, camera: Camera, seen: Box, colour: Colour): void {
  const { layout, run } = scene
  const isBox = camera.scale >= BOXES
  const spare = isBox ? 0 : 4
  for (let node = 0; node < run.states.length; node += 1) {
    const [x, y] = [at(layout.x, node), at(layout.y, node)]
    const [width, height] = [at(layout.w, node), at(layout.h, node)]
    if (x > seen.right || x + width < seen.left || y > seen.bottom || y + height < seen.top) continue
    const state = run.states[node] ?? 'initial'
    ctx.globalAlpha = scene.found?.has(node) === false ? 0.22 : 1
    if (isBox) paintBox(ctx, scene, node, state, x, y, camera, colour)
    else {
      ctx.fillStyle = colour(scene.insides.has(node) ? `${state}-soft` : `${state}-block`)
      ctx.fillRect(x - spare, y - spare, width + spare * 2, height + spare * 2)
    }
    if (scene.found?.has(node) === true || scene.selected === node) ring(ctx, x, y, width, height, camera, colour('accent'))
  }
  ctx.globalAlpha = 1
}

function ring(ctx: Ctx, x: number, y: number, width: number, height: number, camera: Camera, colour: string): void {
  ctx.lineWidth = Math.max(2, 2.5 / camera.scale)
  ctx.strokeStyle = colour
  const out = ctx.lineWidth / 2 + 2
  ctx.beginPath()
  ctx.roundRect(x - out, y - out, width + out * 2, height + out * 2, 6 + out)
  ctx.stroke()
}

function paintBox(ctx: Ctx, scene: Scene, node: number, state: State, x: number, y: number, camera: Camera, colour: Colour): void {
  const said = scene.run.graph.nodes[node]
  if (!said) return
  const { layout, insides, run } = scene
  const size = { width: at(layout.w, node), height: at(layout.h, node) }
  const isStack = (said.each || said.engine === 'gorch') && !insides.has(node)
  if (isStack) box(ctx, x + 4, y + 4, size, colour('surface'), colour('line-strong'), 1)
  const isQuiet = state === 'initial' || state === 'notrunnable'
  const isCritical = scene.critical?.nodes.has(node) === true
  box(ctx, x, y, size, colour(isQuiet || insides.has(node) ? 'surface' : `${state}-soft`), isCritical ? colour('accent') : colour(isQuiet ? 'line-strong' : `${state}-block`), isCritical ? 2.5 : 1.2)
  ctx.fillStyle = colour(`${state}-block`)
  ctx.beginPath()
  ctx.roundRect(x, y, 5, size.height, [5, 0, 0, 5])
  ctx.fill()
  paintIcon(ctx, state, x + 12, y + (camera.scale >= WORDS ? 4.5 : 12), colour)
  ctx.fillStyle = colour(state === 'notrunnable' ? 'muted' : 'text')
  ctx.textBaseline = 'middle'
  if (camera.scale < WORDS) {
    ctx.font = `600 14px ${FONT}`
    ctx.fillText(short(ctx, said.name, size.width - 42), x + 33, y + BOX.height / 2 + 0.5)
    return
  }
  const canTurn = contentOf(run, node) !== undefined
  if (canTurn) paintTurn(ctx, x + size.width - TURN.right, y + TURN.top, insides.has(node) ? 'close' : 'open', colour)
  ctx.font = `600 12.5px ${FONT}`
  ctx.fillStyle = colour(state === 'notrunnable' ? 'muted' : 'text')
  ctx.fillText(short(ctx, said.name, size.width - (canTurn ? 60 : 42)), x + 33, y + 12.5)
  ctx.font = `11px ${FONT}`
  ctx.fillStyle = colour(state)
  ctx.fillText(short(ctx, wordsOf(scene, node, state), size.width - (canTurn ? 40 : 24)), x + 13, y + 28)
}

/** What a box says below its name. */
function wordsOf({ run, now }: Scene, node: number, state: State): string {
  const step = latest(run, node)
  const visits = run.steps[node]?.length ?? 0
  const words = [LOOKS[state].word]
  const said = run.progress.get(node)
  if (said !== undefined && state === 'running') words.push(said)
  if (step?.items !== undefined) words.push(`${step.itemsEnded} of ${step.items}`)
  if (step && state !== 'torun') words.push(duration((step.ended ?? now) - step.activated))
  if (step?.items === undefined && step && step.attempts.length > 1) words.push(`try ${step.attempts.length}`)
  if (visits > 1) words.push(`visit ${visits}`)
  if (!step) words.push(run.graph.nodes[node]?.engine ?? '')
  return words.join(' · ')
}

function box(ctx: Ctx, x: number, y: number, size: { width: number; height: number }, fill: string, line: string, width: number): void {
  ctx.beginPath()
  ctx.roundRect(x, y, size.width, size.height, 5)
  ctx.fillStyle = fill
  ctx.fill()
  ctx.lineWidth = width
  ctx.strokeStyle = line
  ctx.stroke()
}

/** The sign that opens a node, or closes it. */
function paintTurn(ctx: Ctx, x: number, y: number, does: 'open' | 'close', colour: Colour): void {
  const { size } = TURN
  ctx.beginPath()
  ctx.roundRect(x, y, size, size, 3)
  ctx.fillStyle = colour('surface')
  ctx.fill()
  const middle = size / 2
  ctx.moveTo(x + 4, y + middle)
  ctx.lineTo(x + size - 4, y + middle)
  if (does === 'open') {
    ctx.moveTo(x + middle, y + 4)
    ctx.lineTo(x + middle, y + size - 4)
  }
  ctx.lineWidth = 1.2
  ctx.strokeStyle = colour('muted')
  ctx.stroke()
}

function paintIcon(ctx: Ctx, state: State, x: number, y: number, colour: Colour): void {
  ctx.save()
  ctx.translate(x, y)
  ctx.strokeStyle = ctx.fillStyle = colour(state)
  ctx.lineWidth = 2
  ctx.lineCap = ctx.lineJoin = 'round'
  const icon = iconOf(state)
  if (state === 'running' || state === 'canceled') ctx.fill(icon)
  ctx.stroke(icon)
  ctx.restore()
}

/** A text as far as there is room; the answer is kept, because measuring is what costs. */
function short(ctx: Ctx, text: string, room: number): string {
  const key = `${ctx.font}|${room}|${text}`
  const known = shortened.get(key)
  if (known !== undefined) return known
  let cut = text
  while (cut.length > 1 && ctx.measureText(cut === text ? cut : `${cut}…`).width > room) cut = cut.slice(0, Math.max(1, Math.floor(cut.length * 0.92)))
  const made = cut === text ? text : `${cut}…`
  if (shortened.size > 50_000) shortened.clear()
  shortened.set(key, made)
  return made
}
