// Owns the list of a run's nodes: the same that the graph shows, in words, for eyes, keyboard and screen reader. Promises: any
// number of nodes; what is searched and which states are shown stand in the address. Never paints.

import { computed } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { ask, asked } from '../router'
import { latest } from '../run/fold'
import type { Desk } from '../screens/run'
import { now } from '../ui/clock'
import { dependsOn } from '../ui/depends'
import { Icon } from '../ui/parts'
import { Virtual } from '../ui/virtual'
import { BAR_ORDER, duration, LOOKS } from '../ui/words'

const ROW = 26

export function NodeList({ desk, onChoose }: { desk: Desk; onChoose: (node: number) => void }) {
  const { watched, found, selected } = desk
  const { run, version } = watched
  const view = useRef<HTMLDivElement>(null)
  const shown = useMemo(() => computed(() => {
    dependsOn(version.value)
    const state = asked('show')
    return run.graph.nodes.filter((node) => (found.value?.has(node.id) ?? true) && (state === '' || run.states[node.id] === state)).map((node) => node.id)
  }), [desk])
  const ids = shown.value
  dependsOn(version.value)
  const choose = (place: number) => {
    const node = ids[Math.min(Math.max(0, place), ids.length - 1)]
    if (node !== undefined) onChoose(node)
  }
  const place = selected.value === undefined ? -1 : ids.indexOf(selected.value)

  useEffect(() => {
    const box = view.current
    if (!box || place < 0) return
    if (place * ROW < box.scrollTop) box.scrollTop = place * ROW
    else if ((place + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (place + 1) * ROW - box.clientHeight
  }, [place])

  return (
    <aside class="nodes" aria-label="Nodes">
      <input type="search" placeholder="find a node" aria-label="Find a node" value={asked('q')}
        onInput={(event) => ask({ q: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === 'Enter') choose(0)
        }} />
      <div class="chips" role="group" aria-label="Only nodes in this state">
        {BAR_ORDER.filter((state) => run.counts[state] > 0).map((state) => (
          <button key={state} type="button" class={`chip s-${state}`} aria-pressed={asked('show') === state} title={LOOKS[state].word}
            aria-label={`${run.counts[state]} ${LOOKS[state].word}`} onClick={() => ask({ show: asked('show') === state ? '' : state })}>
            <Icon state={state} />
            <span class="number">{run.counts[state]}</span>
          </button>
        ))}
      </div>
      <div class="nodes-grid" onKeyDown={(event) => {
        const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key]
        if (by === undefined) return
        event.preventDefault()
        choose(place + by)
      }}>
        <Virtual view={view} count={ids.length} rowHeight={ROW} label="Nodes with their states" role="grid" row={(index) => {
          const id = ids[index]
          const node = id === undefined ? undefined : run.graph.nodes[id]
          if (!node) return null
          const state = run.states[node.id] ?? 'initial'
          const step = latest(run, node.id)
          const visits = run.steps[node.id]?.length ?? 0
          return (
            <div key={node.id} class="node-row" role="row" aria-rowindex={index + 1} aria-selected={selected.value === node.id} onClick={() => onChoose(node.id)}>
              <span role="gridcell" class={`s-${state}`} title={LOOKS[state].word}><Icon state={state} /><span class="unseen">{LOOKS[state].word}</span></span>
              <span role="gridcell" class="node-name" title={node.name}>{node.name}</span>
              <span role="gridcell" class="muted number">{visits > 1 ? `×${visits} ` : ''}{step ? duration((step.ended ?? now.value) - step.activated) : ''}</span>
            </div>
          )
        }} />
      </div>
    </aside>
  )
}
