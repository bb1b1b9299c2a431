// Owns the screen of all runs: a dense table that lives. Promises: what is filtered stands in the address; a row offers what
// its run and our roles allow. Never shows more rows than can be seen, however many there are.

import { useEffect, useMemo, useState } from 'preact/hooks'
import { cancel, rerun } from '../api/client'
import type { RunSummary } from '../api/types'
import { may } from '../api/who'
import { ask, asked, go, href, ofRun } from '../router'
import { type Filter, listRuns } from '../run/list'
import { now } from '../ui/clock'
import { useKeys } from '../ui/keys'
import { Button, CountsBar, Empty, Live, StateMark, Trouble } from '../ui/parts'
import { useTitle } from '../ui/title'
import { Virtual } from '../ui/virtual'
import { duration, hasFailed, instant, isOver, isState, LOOKS, shortId } from '../ui/words'

const ROW = 34
const FILTERS: { name: keyof Filter; hint: string }[] = [
  { name: 'name', hint: 'exact name' },
  { name: 'label', hint: 'label=value' },
  { name: 'namespace', hint: 'namespace' },
  { name: 'since', hint: 'since, as 2h' },
]
/** A run as a whole is in one of these. */
const RUN_STATES = ['running', 'success', 'failure', 'timeout', 'canceled'] as const

export function Runs() {
  useTitle('Runs')
  const filter: Filter = { state: asked('state'), name: asked('name'), label: asked('label'), namespace: asked('namespace'), since: asked('since'), parent: asked('parent') }
  const list = useMemo(() => listRuns(filter), Object.values(filter))
  useEffect(() => list.stop, [list])
  const [cursor, setCursor] = useState(0)
  const [trouble, setTrouble] = useState<unknown>(undefined)
  const rows = list.rows.value
  const longest = Math.max(1, ...rows.map((run) => took(run, now.value)))
  const isFiltered = Object.values(filter).some((text) => text !== '')

  const act = (work: () => Promise<unknown>) => {
    setTrouble(undefined)
    work().catch(setTrouble)
  }
  const move = (by: number) => setCursor((at) => Math.min(Math.max(0, at + by), list.rows.value.length - 1))
  useKeys('Runs', [
    { keys: 'j', does: 'next run', act: () => move(1) },
    { keys: 'k', does: 'run before', act: () => move(-1) },
    { keys: 'Enter', does: 'open the run', act: () => setCursor((at) => (open(list.rows.value[at]), at)) },
  ])

  return (
    <div class="screen runs">
      <div class="bar-row">
        <h1>Runs</h1>
        <Live standing={list.standing.value} />
        <form class="filters" role="search" aria-label="Filter runs" onSubmit={(event) => event.preventDefault()}>
          <select aria-label="State" value={filter.state} onChange={(event) => ask({ state: event.currentTarget.value })}>
            <option value="">all states</option>
            {RUN_STATES.map((state) => <option key={state} value={state}>{LOOKS[state].word}</option>)}
          </select>
          <select aria-label="Started by" value={filter.parent} onChange={(event) => ask({ parent: event.currentTarget.value })}>
            <option value="">started by all</option>
            <option value="none">only by people</option>
            {filter.parent !== '' && filter.parent !== 'none' && <option value={filter.parent}>by {shortId(filter.parent)}</option>}
          </select>
          {FILTERS.map(({ name, hint }) => (
            <input key={name} type="search" aria-label={hint} placeholder={hint} value={filter[name]}
              onChange={(event) => ask({ [name]: event.currentTarget.value.trim() })} />
          ))}
          {isFiltered && <a class="button quiet" href={href('/runs')}>clear</a>}
        </form>
      </div>
      <Trouble error={trouble ?? list.trouble.value} />
      <div class="table" role="table" aria-label="Runs" aria-rowcount={rows.length + 1}>
        <div class="run-row head" role="row">
          {['State', 'Name', 'Nodes', 'Started', 'Took', 'Run', ''].map((word) => <span key={word} role="columnheader">{word}</span>)}
        </div>
        {rows.length > 0 && (
          <Virtual count={rows.length} rowHeight={ROW} label="Runs, newest first" role="rowgroup" onEnd={list.more}
            row={(at) => {
              const run = rows[at]
              return run && <Row key={run.id} run={run} longest={longest} isCurrent={at === cursor} act={act} />
            }} />
        )}
        {rows.length === 0 && list.next.value !== undefined && (
          <Empty>{isFiltered ? 'No run is like that.' : <>No run yet: <a href={href('/submit')}>submit a document</a>.</>}</Empty>
        )}
      </div>
    </div>
  )
}

const open = (run: RunSummary | undefined) => run && go(ofRun(run.id, 'graph'))

function took(run: RunSummary, now: number): number {
  return (run.stop_date ? Date.parse(run.stop_date) : now) - Date.parse(run.start_date)
}

function Row({ run, longest, isCurrent, act }: {
  run: RunSummary
  longest: number
  isCurrent: boolean
  act: (work: () => Promise<unknown>) => void
}) {
  const state = isState(run.state) ? run.state : 'initial'
  const labels = Object.entries(run.labels ?? {})
  const length = took(run, now.value)
  return (
    <div class={`run-row ${isCurrent ? 'current' : ''}`} role="row">
      <span role="cell">{run.paused === true ? <StateMark state="torun" word="paused" /> : <StateMark state={state} />}</span>
      <span role="cell" class="run-name">
        <a href={ofRun(run.id, 'graph')} title={run.failure?.message ?? run.name}>{run.name || 'unnamed'}</a>
        {run.namespace && <span class="tag">{run.namespace}</span>}
        {labels.map(([key, value]) => (
          <a key={key} class="tag" href={href('/runs', { label: `${key}=${value}` })} title="show only runs with this label">{value === '' ? key : `${key}=${value}`}</a>
        ))}
        {run.failure && <span class="code">{run.failure.code}</span>}
      </span>
      <span role="cell" class="run-nodes"><CountsBar counts={run.counts} /><span class="number">{run.nodes}</span></span>
      <span role="cell" class="number" title={run.start_date}>{instant(Date.parse(run.start_date), now.value)}</span>
      <span role="cell" class="run-took">
        <span class="took-bar"><span class={`took s-${state}`} style={{ width: `${Math.max(1, (Math.log1p(length) / Math.log1p(longest)) * 100)}%` }} /></span>
        <span class="number">{duration(length)}</span>
      </span>
      <code role="cell" class="id">{shortId(run.id)}</code>
      <span role="cell" class="row-acts">
        {!isOver(state) && may('cancel') && <Button kind="quiet" onClick={() => act(() => cancel(run.id))}>Cancel</Button>}
        {isOver(state) && may('submit') && (
          <Button kind="quiet" title={hasFailed(state) ? 'Run what failed again' : 'Run all again'}
            onClick={() => act(async () => go(ofRun((await rerun(run.id, hasFailed(state) ? 'failed' : 'all')).id, 'graph')))}>
            Rerun
          </Button>
        )}
      </span>
    </div>
  )
}
