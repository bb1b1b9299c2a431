// Owns how a document is read for drawing: nodes, edges, and which edge has which number. Promises: the numbers of edges
// are those of the events: ordered by source, and within a source as the document has them. It reads what was accepted,
// so it does not complain; it takes what it understands. Never judges a document: `/v1/validate` does.

/** A node, as the document describes it. */
export interface Node {
  id: number
  name: string
  engine: string
  /** Does it run once for each of many items? */
  each: boolean
  /** How much must have fired: `all`, `any`, or a number. */
  join: string
  /** The node as it was sent. */
  said: Record<string, unknown>
}

export interface Edge {
  from: number
  to: number
  /** `succeeded`, `failed:GLOB`, `finished`, `chose:LABEL`. */
  when: string
}

export interface Graph {
  name: string
  nodes: Node[]
  edges: Edge[]
}

type Fields = Record<string, unknown>

const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {})
const list = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : [])
const text = (value: unknown, otherwise: string): string => (typeof value === 'string' && value !== '' ? value : otherwise)

/** The graph of a document. Fails where the text is no JSON. */
export function graphOf(document: string): Graph {
  const said = fields(JSON.parse(document))
  const nodes = list(said['nodes']).map((node, position) => nodeOf(fields(node), position)).sort((a, b) => a.id - b.id)
  const edges = Array.isArray(said['edges']) ? edgesOf(said['edges'], nodes) : cellsOf(list(said['digraph']), nodes.length)
  // The sort is stable: within a source the order of the document stays.
  edges.sort((a, b) => a.from - b.from)
  return { name: text(said['name'], ''), nodes, edges }
}

function nodeOf(said: Fields, position: number): Node {
  const id = typeof said['id'] === 'number' ? said['id'] : position
  const engine = text(said['engine'], 'nil')
  return { id, name: text(said['name'], String(id)), engine, each: 'each' in said, join: joinOf(said['join']), said }
}

function joinOf(join: unknown): string {
  if (typeof join === 'string') return join
  if (typeof join === 'number') return String(join)
  const need = fields(join)['need']
  return typeof need === 'number' ? String(need) : 'all'
}

function edgesOf(said: unknown[], nodes: Node[]): Edge[] {
  const ids = new Map<unknown, number>(nodes.flatMap((node) => [[node.name, node.id], [node.id, node.id], [String(node.id), node.id]]))
  const edges: Edge[] = []
  for (const edge of said.map(fields)) {
    const from = ids.get(edge['from'])
    const to = ids.get(edge['to'])
    if (from !== undefined && to !== undefined) edges.push({ from, to, when: text(edge['when'], 'succeeded') })
  }
  return edges
}

/** Cells that stand for an edge on failure. */
const ON_FAILURE = 4

function cellsOf(cells: unknown[], size: number): Edge[] {
  const edges: Edge[] = []
  cells.forEach((cell, at) => {
    if (cell === 0) return
    edges.push({ from: Math.floor(at / size), to: at % size, when: cell === ON_FAILURE ? 'failed' : 'succeeded' })
  })
  return edges
}
