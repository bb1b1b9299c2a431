// Owns the adjacency matrix as a heat map, the notation of gorch itself: row = predecessor, column = successor. Promises: a
// cell has the colour of its row's state, full where the edge was taken; the diagonal shows the nodes; live. Never orders: rows
// are by id, as in the document.

import { effect } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import { firing, type Run } from '../run/fold'
import { type Colour } from '../graph/paint'
import { dependsOn } from '../ui/depends'
import { colours, repaint } from '../ui/theme'
import { LOOKS } from '../ui/words'
import type { Desk } from './desk'

const NAMES = 150
const LARGEST = 26
/** Below this a name cannot be read. */
const READABLE = 11

export function Matrix({ desk, onChoose }: { desk: Desk; onChoose: (node: number) => void }) {
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const cell = useRef(1)
  const [words, setWords] = useState('')
  const { run, version } = desk.watched

  useEffect(() => {
    const [element, around] = [canvas.current, box.current]
    const ctx = element?.getContext('2d')
    if (!element || !around || !ctx) return undefined
    let asked = 0
    const draw = () => {
      asked = 0
      const room = Math.min(around.clientWidth, around.clientHeight) - NAMES - 20
      const size = Math.max(1, Math.min(LARGEST, Math.floor(room / run.states.length)))
      cell.current = size
      const side = NAMES + size * run.states.length + 1
      const ratio = Math.min(window.devicePixelRatio, 8_000 / side)
      element.width = element.height = Math.round(side * ratio)
      element.style.width = element.style.height = `${side}px`
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0)
      paintMatrix(ctx, run, size, colours())
    }
    const soon = () => {
      if (asked === 0) asked = requestAnimationFrame(draw)
    }
    const watchSize = new ResizeObserver(soon)
    watchSize.observe(around)
    const stop = effect(() => {
      dependsOn(version.value, repaint.value)
      soon()
    })
    return () => {
      watchSize.disconnect()
      stop()
      cancelAnimationFrame(asked)
    }
  }, [run])

  const placeOf = (event: MouseEvent) => ({ row: Math.floor((event.offsetY - NAMES) / cell.current), column: Math.floor((event.offsetX - NAMES) / cell.current) })
  return (
    <div class="matrix" ref={box} tabIndex={0} role="region" aria-label="The adjacency matrix">
      <p class="matrix-words" aria-live="polite">{words || 'Row: predecessor. Column: successor. The diagonal is the nodes.'}</p>
      <canvas ref={canvas} role="img" aria-label="The adjacency matrix; the list of nodes says the same in words"
        onMouseMove={(event) => setWords(describe(run, placeOf(event)))}
        onMouseLeave={() => setWords('')}
        onClick={(event) => {
          const { row, column } = placeOf(event)
          const node = row < 0 ? column : row
          if (run.graph.nodes[node]) onChoose(node)
        }} />
    </div>
  )
}

function describe(run: Run, { row, column }: { row: number; column: number }): string {
  const [from, to] = [run.graph.nodes[row], run.graph.nodes[column]]
  const state = run.states[row]
  if (!from || !to || !state) return ''
  if (row === column) return `${from.name}: ${LOOKS[state].word}`
  const between = run.graph.edges.map((edge, index) => ({ edge, index })).filter(({ edge }) => edge.from === row && edge.to === column)
  if (between.length === 0) return `${from.name} → ${to.name}: no edge`
  return between.map(({ edge, index }) => `${from.name} → ${to.name} when ${edge.when}: ${firing(run, index)}`).join('; ')
}

function paintMatrix(ctx: CanvasRenderingContext2D, run: Run, size: number, colour: Colour): void {
  const count = run.states.length
  ctx.clearRect(0, 0, NAMES + size * count + 1, NAMES + size * count + 1)
  ctx.fillStyle = colour('surface')
  ctx.fillRect(NAMES, NAMES, size * count, size * count)
  const inset = size > 6 ? 1 : 0
  if (size >= 5) {
    ctx.strokeStyle = colour('line')
    ctx.lineWidth = 1
    ctx.beginPath()
    for (let line = 0; line <= count; line += 1) {
      const place = NAMES + line * size + 0.5
      ctx.moveTo(NAMES, place)
      ctx.lineTo(NAMES + size * count, place)
      ctx.moveTo(place, NAMES)
      ctx.lineTo(place, NAMES + size * count)
    }
    ctx.stroke()
  }
  run.states.forEach((state, node) => {
    ctx.fillStyle = colour(`${state}-block`)
    const place = NAMES + node * size
    ctx.globalAlpha = 0.35
    ctx.fillRect(place + inset, place + inset, size - inset, size - inset)
    ctx.globalAlpha = 1
  })
  run.graph.edges.forEach((edge, index) => {
    const state = run.states[edge.from] ?? 'initial'
    const what = firing(run, index)
    const [x, y] = [NAMES + edge.to * size + inset, NAMES + edge.from * size + inset]
    ctx.fillStyle = colour(what === 'skipped' ? 'notrunnable-block' : `${state}-block`)
    if (what === 'taken' || size < 6) ctx.fillRect(x, y, size - inset, size - inset)
    else {
      ctx.strokeStyle = ctx.fillStyle
      ctx.lineWidth = 2
      ctx.strokeRect(x + 2, y + 2, size - inset - 4, size - inset - 4)
    }
  })
  if (size < READABLE) return
  ctx.font = `${Math.min(12, size - 2)}px system-ui, sans-serif`
  ctx.textBaseline = 'middle'
  run.graph.nodes.forEach((node) => {
    const state = run.states[node.id] ?? 'initial'
    ctx.fillStyle = colour(state)
    const middle = NAMES + node.id * size + size / 2
    ctx.textAlign = 'right'
    ctx.fillText(node.name.slice(0, 22), NAMES - 6, middle, NAMES - 10)
    ctx.save()
    ctx.translate(middle, NAMES - 6)
    ctx.rotate(-Math.PI / 2)
    ctx.textAlign = 'left'
    ctx.fillText(node.name.slice(0, 22), 0, 0, NAMES - 10)
    ctx.restore()
  })
}
