// Owns the list of a run's nodes: the same that the graph shows, in words, for eyes, keyboard and screen reader. Promises: any
// number of nodes; a node that was visited or tried more than once opens into its visits and tries; what is searched and which
// states are shown stand in the address. Never paints.

import { computed, signal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { State } from '../api/types'
import { ask, asked } from '../router'
import { type Attempt, latest, type Run, stateOf, type Step } from '../run/fold'
import type { Desk } from '../screens/desk'
import { now } from '../ui/clock'
import { dependsOn } from '../ui/depends'
import { Icon } from '../ui/parts'
import { Virtual } from '../ui/virtual'
import { BAR_ORDER, duration, LOOKS } from '../ui/words'

const ROW = 26

/** A row: a node, or a visit or try of the node above it. */
type Row = { is: 'node'; node: number } | { is: 'visit'; node: number; step: Step } | { is: 'try'; node: number; step: Step; attempt: Attempt }

export function NodeList({ desk, onChoose }: { desk: Desk; onChoose: (node: number) => void }) {
  const { watched, found, selected } = desk
  const { run, version } = watched
  const view = useRef<HTMLDivElement>(null)
  const opened = useMemo(() => signal<ReadonlySet<number>>(new Set()), [desk])
  const shown = useMemo(() => computed(() => {
    dependsOn(version.value)
    const state = asked('show')
    const nodes = run.graph.nodes.filter((node) => (found.value?.has(node.id) ?? true) && (state === '' || run.states[node.id] === state))
    return nodes.flatMap(({ id }): Row[] => [{ is: 'node', node: id }, ...(opened.value.has(id) ? inside(run, id) : [])])
  }), [desk])
  const rows = shown.value
  dependsOn(version.value)
  const place = selected.value === undefined ? -1 : rows.findIndex((row) => row.is === 'node' && row.node === selected.value)

  const choose = (from: number, by: 1 | -1 | 20 | -20) => {
    let at = Math.min(Math.max(0, from + by), rows.length - 1)
    while (rows[at]?.is !== 'node' && at > 0 && at < rows.length - 1) at += Math.sign(by)
    const row = rows[at]
    if (row) onChoose(row.node)
  }
  const turn = (node: number, to: 'open' | 'closed') => {
    const next = new Set(opened.value)
    if (to === 'open') next.add(node)
    else next.delete(node)
    opened.value = next
  }

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
          if (event.key === 'Enter') choose(-1, 1)
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
        const by = BY[event.key]
        if (by !== undefined) choose(place, by)
        else if (selected.value !== undefined && event.key === 'ArrowRight') turn(selected.value, 'open')
        else if (selected.value !== undefined && event.key === 'ArrowLeft') turn(selected.value, 'closed')
        else return
        event.preventDefault()
      }}>
        <Virtual view={view} count={rows.length} rowHeight={ROW} label="Nodes with their states" role="treegrid" row={(index) => {
          const row = rows[index]
          if (!row) return null
          if (row.is !== 'node') return <Inside key={keyOf(row)} row={row} index={index} onClick={() => onChoose(row.node)} />
          return (
            <NodeRow key={row.node} run={run} node={row.node} index={index} isChosen={selected.value === row.node} isOpen={opened.value.has(row.node)}
              onChoose={onChoose} onTurn={turn} />
          )
        }} />
      </div>
    </aside>
  )
}

const BY: Record<string, 1 | -1 | 20 | -20> = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }

const keyOf = (row: Exclude<Row, { is: 'node' }>): string =>
  row.is === 'visit' ? `${row.node}.${row.step.visit}` : `${row.node}.${row.step.visit}.${row.attempt.item}.${row.attempt.attempt}`

/** Is there more to a node than one try? */
function isMore(run: Run, node: number): boolean {
  const steps = run.steps[node] ?? []
  return steps.length > 1 || (steps[0]?.attempts.length ?? 0) > 1
}

/** Visits, with their tries where there are several; tries alone where there is one visit. */
function inside(run: Run, node: number): Row[] {
  const steps = run.steps[node] ?? []
  const tries = (step: Step) => step.attempts.map((attempt): Row => ({ is: 'try', node, step, attempt }))
  if (steps.length === 1) return steps.flatMap(tries)
  return steps.flatMap((step): Row[] => [{ is: 'visit', node, step }, ...(step.attempts.length > 1 ? tries(step) : [])])
}

function NodeRow({ run, node: id, index, isChosen, isOpen, onChoose, onTurn }: {
  run: Run
  node: number
  index: number
  isChosen: boolean
  isOpen: boolean
  onChoose: (node: number) => void
  onTurn: (node: number, to: 'open' | 'closed') => void
}) {
  const name = run.graph.nodes[id]?.name ?? ''
  const state = run.states[id] ?? 'initial'
  const step = latest(run, id)
  const visits = run.steps[id]?.length ?? 0
  const hasMore = isMore(run, id)
  return (
    <div class="node-row" role="row" aria-rowindex={index + 1} aria-level={1} aria-selected={isChosen} {...(hasMore ? { 'aria-expanded': isOpen } : {})} onClick={() => onChoose(id)}>
      <StateCell state={state} />
      <span role="gridcell" class="node-name" title={name}>{name}</span>
      <span role="gridcell" class="muted number">{visits > 1 ? `×${visits} ` : ''}{step ? duration((step.ended ?? now.value) - step.activated) : ''}</span>
      {hasMore && (
        <span role="gridcell">
          <button type="button" class="turn" tabIndex={-1} aria-label={isOpen ? 'close' : 'open'} onClick={(event) => {
            event.stopPropagation()
            onTurn(id, isOpen ? 'closed' : 'open')
          }}>{isOpen ? '▾' : '▸'}</button>
        </span>
      )}
    </div>
  )
}

function Inside({ row, index, onClick }: { row: Exclude<Row, { is: 'node' }>; index: number; onClick: () => void }) {
  const { step } = row
  const outcome = row.is === 'visit' ? step.outcome : row.attempt.result?.outcome
  const began = row.is === 'visit' ? step.activated : row.attempt.started
  const ended = row.is === 'visit' ? step.ended : row.attempt.ended
  const words = row.is === 'visit' ? [`visit ${step.visit + 1}`, step.label] : [step.items === undefined ? undefined : `item ${row.attempt.item}`, `try ${row.attempt.attempt}`]
  return (
    <div class="node-row inside" role="row" aria-rowindex={index + 1} aria-level={row.is === 'visit' ? 2 : 3} onClick={onClick}>
      <StateCell state={outcome ? stateOf(outcome) : 'running'} />
      <span role="gridcell" class="node-name">{words.filter((word) => word !== undefined).join(' · ')}</span>
      <span role="gridcell" class="muted number">{duration((ended ?? now.value) - began)}</span>
    </div>
  )
}

function StateCell({ state }: { state: State }) {
  return <span role="gridcell" class={`s-${state}`} title={LOOKS[state].word}><Icon state={state} /><span class="unseen">{LOOKS[state].word}</span></span>
}
