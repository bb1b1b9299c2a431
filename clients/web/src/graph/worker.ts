// Owns the layout in a thread of its own, so that no graph makes the page wait. Never knows a run.

import type { Edges } from './layers'
import { type Large, type Layout, layout, type Way } from './layout'

export interface Asked {
  nodes: number
  edges: Edges
  large: Large[]
  way: Way
}

self.addEventListener('message', ({ data }: MessageEvent<Asked>) => {
  const made: Layout = layout(data.nodes, data.edges, data.large, data.way, () => performance.now())
  self.postMessage(made)
})
