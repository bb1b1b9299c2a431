// Owns who is asked for a layout: a thread of its own for each graph, let go when it has answered. Never lays out by itself.

import type { Graph } from '../run/document'
import type { Large, Layout } from './layout'
import type { Asked } from './worker'

/** On a narrow view the flow goes from the top down. */
const NARROW = window.matchMedia('(max-width: 640px)')

/** A thread that is ready before there is a graph: while a large one comes, the page has no time to start one. */
let spare: Worker | undefined

const start = (): Worker => new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })

/** A graph will come soon. */
export function prepare(): void {
  spare ??= start()
}

/** Asks the thread for a layout; the function that is returned lets it go. */
export function layOut({ nodes, edges }: Graph, large: Large[], done: (layout: Layout) => void): () => void {
  const worker = spare ?? start()
  spare = undefined
  worker.addEventListener('message', ({ data }: MessageEvent<Layout>) => {
    done(data)
    worker.terminate()
  })
  const asked: Asked = {
    nodes: nodes.length,
    large,
    way: NARROW.matches ? 'down' : 'across',
    edges: { from: Uint32Array.from(edges, (edge) => edge.from), to: Uint32Array.from(edges, (edge) => edge.to) },
  }
  worker.postMessage(asked)
  return () => worker.terminate()
}
