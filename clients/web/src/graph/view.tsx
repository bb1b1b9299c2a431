// Owns the canvas with the graph: what moves it, what is hit, when it is painted. Promises: the layout is made once for a
// graph, in a thread of its own; states change colours and nothing else; it is painted only when something changed. The
// list beside it says the same for who cannot see it. Never asks the API.

import { effect, type ReadonlySignal, type Signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Critical } from '../run/critical'
import type { Run } from '../run/fold'
import type { Watched } from '../run/store'
import { now } from '../ui/clock'
import { dependsOn } from '../ui/depends'
import { colours, repaint } from '../ui/theme'
import { counted, LOOKS } from '../ui/words'
import { type Camera, centre, fit, pan, type Size, zoom } from './camera'
import { at } from './layers'
import { type Hit, hit } from './hit'
import type { Inside, Insides } from './inside'
import type { Layout } from './layout'
import { Minimap } from './minimap'
import { paint } from './paint'

export interface GraphProps {
  watched: Watched
  layout: Signal<Layout | undefined>
  camera: Signal<Camera | undefined>
  selected: ReadonlySignal<number | undefined>
  found: ReadonlySignal<Set<number> | undefined>
  critical: ReadonlySignal<Critical | undefined>
  insides: ReadonlySignal<Insides>
  /** Somebody chose something, or nothing. */
  onHit: (hit: Hit | undefined) => void
}

export function GraphView(props: GraphProps) {
  const { watched, layout, camera, selected, found, critical, insides } = props
  const canvas = useRef<HTMLCanvasElement>(null)
  const size = useRef<Size>({ width: 1, height: 1 })

  useEffect(() => {
    const element = canvas.current
    const ctx = element?.getContext('2d')
    if (!element || !ctx) return undefined
    let asked = 0
    let whole: Camera | undefined
    let painted: Layout | undefined
    let waiting: ReturnType<typeof setTimeout> | undefined
    let isDue = false
    const last = { end: 0, took: 0 }
    const seeAll = (drawn: Layout) => (camera.value = whole = fit(drawn, size.current))
    const draw = () => {
      asked = 0
      if (!layout.value) return
      if (painted && camera.value && painted !== layout.value) {
        if (camera.value === whole) seeAll(layout.value)
        else camera.value = stay(camera.value, painted, layout.value)
      }
      painted = layout.value
      const seen = camera.value ?? seeAll(layout.value)
      const scene = { run: watched.run, layout: layout.value, selected: selected.value, found: found.value, critical: critical.value, insides: insides.value, now: now.value }
      const began = performance.now()
      paint(ctx, scene, seen, size.current, window.devicePixelRatio, colours())
      // Most of the cost comes after the painting: the next frame says when it was over.
      last.end = Infinity
      requestAnimationFrame(() => {
        last.end = performance.now()
        last.took = last.end - began - FRAME
        if (isDue) calmly()
      })
      element.dataset['painted'] = String(watched.run.seq)
      element.ariaDescription = insideWords(watched.run, insides.value)
    }
    const soon = () => {
      if (asked === 0) asked = requestAnimationFrame(draw)
    }
    // What a run does by itself may wait for what somebody does: of a large graph a picture costs more than a frame.
    const calmly = () => {
      isDue = last.end === Infinity
      if (isDue) return
      waiting ??= setTimeout(() => {
        waiting = undefined
        soon()
      }, Math.max(0, last.end + last.took * CALM - performance.now()))
    }
    const watchSize = new ResizeObserver(() => {
      size.current = { width: element.clientWidth, height: element.clientHeight }
      element.width = Math.round(element.clientWidth * window.devicePixelRatio)
      element.height = Math.round(element.clientHeight * window.devicePixelRatio)
      // Whoever sees all goes on seeing all; whoever has moved stays where they are.
      if (layout.value && whole && camera.value === whole) seeAll(layout.value)
      soon()
    })
    watchSize.observe(element)
    const stop = effect(() => {
      dependsOn(layout.value, camera.value, selected.value, found.value, critical.value, insides.value, repaint.value)
      soon()
    })
    const stopRun = effect(() => {
      dependsOn(watched.version.value, ...Array.from(insides.value.values(), versionOf))
      if (watched.run.ended === undefined) dependsOn(now.value)
      calmly()
    })
    const stopMoves = listen(element, props, size)
    return () => {
      watchSize.disconnect()
      stop()
      stopRun()
      stopMoves()
      clearTimeout(waiting)
      cancelAnimationFrame(asked)
    }
  }, [watched])

  const step = (factor: number) => {
    if (camera.value) camera.value = zoom(camera.value, factor, { x: size.current.width / 2, y: size.current.height / 2 })
  }
  const all = () => {
    if (layout.value) camera.value = fit(layout.value, size.current)
  }
  return (
    <div class="graph">
      <canvas ref={canvas} tabIndex={0} role="img" aria-label="The graph of the run. The list of nodes says the same in words. Arrows move it, plus and minus zoom, 0 shows all."
        onKeyDown={(event) => {
          const move = MOVES[event.key]
          if (move && camera.value && layout.value) camera.value = pan(camera.value, ...move, layout.value, size.current)
          else if (event.key === '+') step(1.25)
          else if (event.key === '-') step(0.8)
          else if (event.key === '0') all()
          else return
          event.preventDefault()
        }} />
      <div class="graph-tools">
        <button type="button" class="button" onClick={() => step(1.25)} aria-label="Nearer">+</button>
        <button type="button" class="button" onClick={() => step(0.8)} aria-label="Farther">−</button>
        <button type="button" class="button" onClick={all}>Fit</button>
      </div>
      <Minimap watched={watched} layout={layout} camera={camera} size={size} />
    </div>
  )
}

/** So many nodes of a run inside are told by name. */
const MOST_TOLD = 30

/** What stands inside of opened nodes, for who cannot see it. */
function insideWords(run: Run, insides: Insides): string {
  return Array.from(insides, ([node, inside]) => {
    const name = run.graph.nodes[node]?.name ?? ''
    if (inside.is === 'items') return `inside of ${name}: ${counted(inside.shown, 'item')}`
    const { graph, states } = inside.watched.run
    return `inside of ${name}: ${graph.nodes.slice(0, MOST_TOLD).map((one) => `${one.name} ${LOOKS[states[one.id] ?? 'initial'].word}`).join(', ')}`
  }).join('; ')
}

const versionOf = (inside: Inside): number => (inside.is === 'run' ? inside.watched.version.value : 0)

const MOVES: Record<string, [number, number]> = { ArrowLeft: [-80, 0], ArrowRight: [80, 0], ArrowUp: [0, -80], ArrowDown: [0, 80] }

/** After a picture that nobody asked for comes a rest of so many times what it cost. */
const CALM = 4
/** Milliseconds from one frame to the next where nothing holds them up. */
const FRAME = 16

/** A press that moves less than this is a click. */
const SLACK = 5

function listen(element: HTMLCanvasElement, { watched, layout, camera, insides, onHit }: GraphProps, size: { current: Size }): () => void {
  const stop = new AbortController()
  const on = { signal: stop.signal }
  const held = new Map<number, { x: number; y: number }>()
  let moved = 0
  const place = (event: MouseEvent) => ({ x: event.offsetX, y: event.offsetY })

  element.addEventListener('pointerdown', (event) => {
    held.set(event.pointerId, place(event))
    element.setPointerCapture(event.pointerId)
    if (held.size === 1) moved = 0
  }, on)
  element.addEventListener('pointermove', (event) => {
    const before = held.get(event.pointerId)
    if (!before || !camera.value || !layout.value) return
    const here = place(event)
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1]
    if (other) {
      const factor = Math.hypot(here.x - other.x, here.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y))
      camera.value = zoom(camera.value, factor, { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 })
      moved += SLACK
    } else {
      moved += Math.abs(here.x - before.x) + Math.abs(here.y - before.y)
      camera.value = pan(camera.value, before.x - here.x, before.y - here.y, layout.value, size.current)
    }
    held.set(event.pointerId, here)
  }, on)
  const chosen = (point: { x: number; y: number }) => {
    if (camera.value && layout.value) onHit(hit(point, camera.value, { run: watched.run, layout: layout.value, insides: insides.value }))
  }
  const release = (event: PointerEvent) => {
    if (held.delete(event.pointerId) && event.type === 'pointerup' && moved < SLACK) chosen(place(event))
  }
  element.addEventListener('pointerup', release, on)
  element.addEventListener('pointercancel', release, on)
  element.addEventListener('wheel', (event) => {
    if (!camera.value) return
    event.preventDefault()
    camera.value = zoom(camera.value, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), place(event))
  }, { ...on, passive: false })
  return () => stop.abort()
}

/** What was opened or closed stays where it is seen. */
function stay(camera: Camera, before: Layout, after: Layout): Camera {
  const turned = after.w.findIndex((width, node) => width !== before.w[node] || after.h[node] !== before.h[node])
  if (turned < 0) return camera
  return { ...camera, x: camera.x + at(after.x, turned) - at(before.x, turned), y: camera.y + at(after.y, turned) - at(before.y, turned) }
}

/** Brings a node into the middle. */
export function show(node: number, layout: Layout | undefined, camera: Signal<Camera | undefined>): void {
  const canvas = document.querySelector<HTMLCanvasElement>('.graph canvas')
  if (!layout || !camera.value || !canvas) return
  const place = { x: at(layout.x, node) + at(layout.w, node) / 2, y: at(layout.y, node) + at(layout.h, node) / 2 }
  camera.value = centre(camera.value, place, { width: canvas.clientWidth, height: canvas.clientHeight })
}
