// Owns the canvas with the graph: what moves it, what is hit, when it is painted. Promises: the layout is made once for a
// graph, in a thread of its own; states change colours and nothing else; it is painted only when something changed. The
// list beside it says the same for who cannot see it. Never asks the API.

import { effect, type ReadonlySignal, type Signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Critical } from '../run/critical'
import type { Watched } from '../run/store'
import { now } from '../ui/clock'
import { dependsOn } from '../ui/depends'
import { colours, repaint } from '../ui/theme'
import { type Camera, centre, fit, pan, type Size, zoom } from './camera'
import { at } from './layers'
import { BOX, type Layout } from './layout'
import { Minimap } from './minimap'
import { paint } from './paint'
import type { Asked } from './worker'

export interface GraphProps {
  watched: Watched
  layout: Signal<Layout | undefined>
  camera: Signal<Camera | undefined>
  selected: ReadonlySignal<number | undefined>
  found: ReadonlySignal<Set<number> | undefined>
  critical: ReadonlySignal<Critical | undefined>
  /** Somebody chose a node, or none. */
  onChoose: (node: number | undefined) => void
}

/** On a narrow view the flow goes from the top down. */
const NARROW = window.matchMedia('(max-width: 640px)')

/** Asks the thread for a layout; the function that is returned lets it go. */
export function layOut(watched: Watched, done: (layout: Layout) => void): () => void {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  worker.addEventListener('message', ({ data }: MessageEvent<Layout>) => {
    done(data)
    worker.terminate()
  })
  const { nodes, edges } = watched.run.graph
  const asked: Asked = {
    nodes: nodes.length,
    way: NARROW.matches ? 'down' : 'across',
    edges: { from: Uint32Array.from(edges, (edge) => edge.from), to: Uint32Array.from(edges, (edge) => edge.to) },
  }
  worker.postMessage(asked)
  return () => worker.terminate()
}

export function GraphView(props: GraphProps) {
  const { watched, layout, camera, selected, found, critical } = props
  const canvas = useRef<HTMLCanvasElement>(null)
  const size = useRef<Size>({ width: 1, height: 1 })

  useEffect(() => {
    const element = canvas.current
    const ctx = element?.getContext('2d')
    if (!element || !ctx) return undefined
    let asked = 0
    let whole: Camera | undefined
    const seeAll = (drawn: Layout) => (camera.value = whole = fit(drawn, size.current))
    const draw = () => {
      asked = 0
      if (!layout.value) return
      const seen = camera.value ?? seeAll(layout.value)
      const scene = { run: watched.run, layout: layout.value, selected: selected.value, found: found.value, critical: critical.value, now: now.value }
      paint(ctx, scene, seen, size.current, window.devicePixelRatio, colours())
      element.dataset['painted'] = String(watched.run.seq)
    }
    const soon = () => {
      if (asked === 0) asked = requestAnimationFrame(draw)
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
      // Whatever of these changes makes a new picture.
      dependsOn(watched.version.value, layout.value, camera.value, selected.value, found.value, critical.value, repaint.value)
      if (watched.run.ended === undefined) dependsOn(now.value)
      soon()
    })
    const stopMoves = listen(element, props, size)
    return () => {
      watchSize.disconnect()
      stop()
      stopMoves()
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

const MOVES: Record<string, [number, number]> = { ArrowLeft: [-80, 0], ArrowRight: [80, 0], ArrowUp: [0, -80], ArrowDown: [0, 80] }

/** A press that moves less than this is a click. */
const SLACK = 5

function listen(element: HTMLCanvasElement, { layout, camera, onChoose }: GraphProps, size: { current: Size }): () => void {
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
  const release = (event: PointerEvent) => {
    if (held.delete(event.pointerId) && event.type === 'pointerup' && moved < SLACK) onChoose(hit(place(event), camera.value, layout.value))
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

function hit(point: { x: number; y: number }, camera: Camera | undefined, layout: Layout | undefined): number | undefined {
  if (!camera || !layout) return undefined
  const [x, y] = [camera.x + point.x / camera.scale, camera.y + point.y / camera.scale]
  const slack = 3 / camera.scale
  for (let node = 0; node < layout.x.length; node += 1) {
    const [left, top] = [at(layout.x, node) - slack, at(layout.y, node) - slack]
    if (x >= left && x <= left + BOX.width + slack * 2 && y >= top && y <= top + BOX.height + slack * 2) return node
  }
  return undefined
}

/** Brings a node into the middle. */
export function show(node: number, layout: Layout | undefined, camera: Signal<Camera | undefined>): void {
  const canvas = document.querySelector<HTMLCanvasElement>('.graph canvas')
  if (!layout || !camera.value || !canvas) return
  const place = { x: at(layout.x, node) + BOX.width / 2, y: at(layout.y, node) + BOX.height / 2 }
  camera.value = centre(camera.value, place, { width: canvas.clientWidth, height: canvas.clientHeight })
}
