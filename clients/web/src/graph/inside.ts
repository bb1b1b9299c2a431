// Owns what is drawn inside of nodes that are opened: the graph of the run that a node is, live, or its items. Promises: a run is
// followed only while its node is open; who is drawn again is told when something inside takes another size. Never paints.

import { effect, type ReadonlySignal, type Signal, signal, untracked } from '@preact/signals'
import { type Content, contentOf, runOf } from '../run/parts'
import { type Watched, watch } from '../run/store'
import { dependsOn } from '../ui/depends'
import { layOut } from './ask'
import { BOX, type Large, type Layout } from './layout'

export type Inside = { is: 'run'; watched: Watched; layout: Layout } | { is: 'items'; columns: number; shown: number }

/** By node. */
export type Insides = ReadonlyMap<number, Inside>

/** Around what is inside; above it stands what a closed node says. */
export const PAD = 10
export const CELL = { width: 30, height: 20 } as const
const MOST_ITEMS = 400
const MOST_COLUMNS = 20

/** The room that opened nodes need. */
export function roomOf(insides: Insides): Large[] {
  return Array.from(insides, ([node, inside]) => {
    const { width, height } = sizeOf(inside)
    return { node, width: Math.max(BOX.width, width + PAD * 2), height: BOX.height + height + PAD }
  })
}

function sizeOf(inside: Inside): { width: number; height: number } {
  if (inside.is === 'run') return inside.layout
  return { width: inside.columns * CELL.width, height: Math.ceil(inside.shown / inside.columns) * CELL.height }
}

function items(count: number): Inside {
  const shown = Math.min(count, MOST_ITEMS)
  return { is: 'items', shown, columns: Math.min(MOST_COLUMNS, Math.max(5, Math.ceil(Math.sqrt(shown)))) }
}

interface Entry {
  key: string
  stop: () => void
}

/** Looks into the nodes that are open, until the function `stop` is called. */
export function lookInside(watched: Watched, opened: ReadonlySignal<readonly number[]>): { insides: Signal<Insides>; stop: () => void } {
  const insides = signal<Insides>(new Map())
  const open = new Map<number, Entry>()
  const put = (node: number, inside: Inside) => (insides.value = new Map([...insides.value, [node, inside]]))
  const close = (node: number) => {
    open.get(node)?.stop()
    open.delete(node)
    insides.value = new Map([...insides.value].filter(([other]) => other !== node))
  }
  const begin = (node: number, content: Content): (() => void) => {
    if (content.is === 'run') return follow(content.attempt, (inside) => put(node, inside))
    put(node, items(content.count))
    return () => undefined
  }
  const stopLooking = effect(() => {
    dependsOn(watched.version.value)
    const wanted = new Map(opened.value.flatMap((node): [number, Content][] => {
      const content = contentOf(watched.run, node)
      return content ? [[node, content]] : []
    }))
    untracked(() => {
      for (const [node, { key }] of open) if (keyOf(wanted.get(node)) !== key) close(node)
      for (const [node, content] of wanted) {
        if (open.has(node)) continue
        // Noted before it begins: what is there at once must not be begun twice.
        const entry: Entry = { key: keyOf(content), stop: () => undefined }
        open.set(node, entry)
        entry.stop = begin(node, content)
      }
    })
  })
  const stop = () => {
    stopLooking()
    for (const { stop: stopOne } of open.values()) stopOne()
  }
  return { insides, stop }
}

const keyOf = (content: Content | undefined): string => JSON.stringify(content ?? null)

/** Follows the run that an attempt is; tells of it once its graph is known and laid out. */
function follow(attempt: string, known: (inside: Inside) => void): () => void {
  const stops: (() => void)[] = []
  let isStopped = false
  void runOf(attempt).then((id) => {
    if (isStopped) return
    const watched = watch(id)
    stops.push(watched.stop)
    let isAsked = false
    stops.push(effect(() => {
      if (watched.version.value === 0 || watched.run.seq === 0 || isAsked) return
      isAsked = true
      stops.push(layOut(watched.run.graph, [], (layout) => known({ is: 'run', watched, layout })))
    }))
  })
  return () => {
    isStopped = true
    for (const stop of stops) stop()
  }
}
