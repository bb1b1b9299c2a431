// Owns what the views of one run share: the run, its picture, what is chosen, found and opened in it. Promises: what somebody chose
// stands in the address, so that it can be sent to somebody. Never draws.

import { computed, signal } from '@preact/signals'
import { prepare } from '../graph/ask'
import type { Camera } from '../graph/camera'
import type { Hit } from '../graph/hit'
import { type Inside, lookInside } from '../graph/inside'
import type { Layout } from '../graph/layout'
import { show } from '../graph/view'
import { ask, asked, go, ofRun } from '../router'
import { criticalPath } from '../run/critical'
import { attemptOfItem, contentOf, runOf } from '../run/parts'
import { watch } from '../run/store'
import { dependsOn } from '../ui/depends'
import { hasFailed } from '../ui/words'

/** So many nodes are open at once: each may hold a stream, and a browser has few for one origin. */
const MOST_OPEN = 4

export function makeDesk(id: string) {
  prepare()
  const watched = watch(id)
  const { run } = watched
  const layout = signal<Layout | undefined>(undefined)
  const camera = signal<Camera | undefined>(undefined)
  const isCritical = signal(false)
  const ids = computed(() => {
    dependsOn(watched.version.value)
    return new Map(run.graph.nodes.map((node) => [node.name, node.id]))
  })
  /** A node is named, or numbered by who does not know its name. */
  const selected = computed(() => ids.value.get(asked('node')) ?? (run.graph.nodes[Number(asked('node') || NaN)] ? Number(asked('node')) : undefined))
  const found = computed(() => {
    const words = asked('q').toLowerCase()
    if (words === '') return undefined
    return new Set(run.graph.nodes.filter((node) => node.name.toLowerCase().includes(words)).map((node) => node.id))
  })
  const critical = computed(() => (isCritical.value && watched.version.value > 0 && run.ended !== undefined ? criticalPath(run) : undefined))
  const openedText = computed(() => asked('open'))
  const opened = computed(() => openedText.value.split('.').filter((node) => node !== '').map(Number))
  const { insides, stop: stopLooking } = lookInside(watched, opened)

  const choose = (node: number | undefined) => ask({ node: node === undefined ? '' : run.graph.nodes[node]?.name ?? '' }, 'push')
  const jump = (node: number) => {
    choose(node)
    show(node, layout.value, camera)
  }
  const turn = (node: number) => {
    const others = opened.value.filter((other) => other !== node)
    const next = others.length < opened.value.length ? others : [...others.slice(1 - MOST_OPEN), node]
    ask({ open: next.join('.') })
  }
  const enter = (node: number, inside: Inside | undefined, what: number) => {
    if (inside?.is === 'run') {
      const inner = inside.watched.run
      go(ofRun(inner.id, 'graph', { node: inner.graph.nodes[what]?.name ?? '' }))
      return
    }
    const attempt = run.graph.nodes[node]?.engine === 'gorch' ? attemptOfItem(run, node, what) : undefined
    if (attempt === undefined) choose(node)
    else void runOf(attempt).then((part) => go(ofRun(part, 'graph')))
  }

  return {
    id,
    watched,
    layout,
    camera,
    isCritical,
    selected,
    found,
    critical,
    insides,
    choose,
    jump,
    turn,
    isOpen: (node: number): boolean => opened.value.includes(node),
    canOpen: (node: number): boolean => contentOf(run, node) !== undefined,
    /** Does what somebody means who points at something. */
    point: (hit: Hit | undefined) => {
      if (hit?.on === 'turn') turn(hit.node)
      else if (hit?.on === 'inside') enter(hit.node, insides.value.get(hit.node), hit.what)
      else choose(hit?.node)
    },
    nextFailed: () => {
      const failed = run.graph.nodes.filter((node) => hasFailed(run.states[node.id])).map((node) => node.id)
      const next = failed.find((node) => node > (selected.value ?? -1)) ?? failed[0]
      if (next !== undefined) jump(next)
    },
    stop: () => {
      stopLooking()
      watched.stop()
    },
  }
}

export type Desk = ReturnType<typeof makeDesk>
