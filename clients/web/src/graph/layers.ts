// Owns in which layer each node stands, and which edges lead back. Promises: an edge that does not lead back leads to a
// later layer; a node stands as early as its predecessors let it; the same graph always gives the same layers; the cost is
// linear, and no depth of a graph is too deep. Never places anything across a layer.

/** Edges as two columns of node numbers. */
export interface Edges {
  from: Uint32Array
  to: Uint32Array
}

export interface Layers {
  /** By node. */
  layer: Uint32Array
  /** By edge: 1 where it leads back. */
  back: Uint8Array
  count: number
}

/** For each node where its edges begin in `edges`. */
export interface Rows {
  start: Uint32Array
  edges: Uint32Array
}

/** The edges of each node, by one of their ends. */
export function rows(nodes: number, ends: Uint32Array): Rows {
  const start = new Uint32Array(nodes + 1)
  for (const end of ends) start[end + 1] = at(start, end + 1) + 1
  for (let node = 0; node < nodes; node += 1) start[node + 1] = at(start, node + 1) + at(start, node)
  const next = start.slice()
  const edges = new Uint32Array(ends.length)
  ends.forEach((end, edge) => {
    edges[at(next, end)] = edge
    next[end] = at(next, end) + 1
  })
  return { start, edges }
}

/** A number of a column; every index here is one of a node or an edge that exists. */
export const at = (column: ArrayLike<number>, index: number): number => column[index] ?? 0

/** Layers by the longest path, over the edges that do not lead back. */
export function layersOf(nodes: number, edges: Edges): Layers {
  const out = rows(nodes, edges.from)
  const back = backEdges(nodes, edges, out)
  const waits = new Uint32Array(nodes)
  edges.to.forEach((to, edge) => {
    if (back[edge] === 0) waits[to] = at(waits, to) + 1
  })
  const layer = new Uint32Array(nodes)
  const queue = new Uint32Array(nodes)
  let end = 0
  let count = nodes === 0 ? 0 : 1
  for (let node = 0; node < nodes; node += 1) if (waits[node] === 0) queue[end++] = node
  for (let place = 0; place < end; place += 1) {
    const node = at(queue, place)
    for (let index = at(out.start, node); index < at(out.start, node + 1); index += 1) {
      const edge = at(out.edges, index)
      if (back[edge] === 1) continue
      const to = at(edges.to, edge)
      layer[to] = Math.max(at(layer, to), at(layer, node) + 1)
      count = Math.max(count, at(layer, to) + 1)
      waits[to] = at(waits, to) - 1
      if (waits[to] === 0) queue[end++] = to
    }
  }
  return { layer, back, count }
}

const UNSEEN = 0
const OPEN = 1
const DONE = 2

/** The edges that lead to a node which is still open: a walk that begins where no edge leads to, then wherever is left. */
function backEdges(nodes: number, edges: Edges, out: Rows): Uint8Array {
  const back = new Uint8Array(edges.from.length)
  const mark = new Uint8Array(nodes)
  const next = out.start.slice(0, nodes)
  const isRoot = new Uint8Array(nodes).fill(1)
  edges.to.forEach((to, edge) => {
    if (edges.from[edge] !== to) isRoot[to] = 0
  })
  const path: number[] = []
  const walk = (root: number) => {
    path.push(root)
    mark[root] = OPEN
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      const index = at(next, node)
      if (index === at(out.start, node + 1)) {
        mark[node] = DONE
        path.pop()
        continue
      }
      next[node] = index + 1
      const edge = at(out.edges, index)
      const to = at(edges.to, edge)
      if (mark[to] === OPEN) back[edge] = 1
      else if (mark[to] === UNSEEN) {
        mark[to] = OPEN
        path.push(to)
      }
    }
  }
  for (let node = 0; node < nodes; node += 1) if (isRoot[node] === 1 && mark[node] === UNSEEN) walk(node)
  for (let node = 0; node < nodes; node += 1) if (mark[node] === UNSEEN) walk(node)
  return back
}
