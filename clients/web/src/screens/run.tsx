// Owns the screen of one run: its head, its views, the node that is looked at. Promises: one stream of events for all views;
// what is chosen stands in the address. Never folds: run/ does.

import { useEffect, useMemo, useState } from 'preact/hooks'
import { cancel, pause, rerun, resume, undo } from '../api/client'
import { may } from '../api/who'
import { layOut } from '../graph/ask'
import { roomOf } from '../graph/inside'
import { GraphView } from '../graph/view'
import { NodeList } from '../panels/nodes'
import { NodePanel } from '../panels/node'
import { Trail } from '../panels/trail'
import { asked, go, ofRun } from '../router'
import { runState } from '../run/fold'
import type { Watched } from '../run/store'
import { now } from '../ui/clock'
import { dependsOn } from '../ui/depends'
import { focusSearch, useKeys } from '../ui/keys'
import { Button, CountsBar, Empty, Live, StateMark, Trouble } from '../ui/parts'
import { useTitle } from '../ui/title'
import { counted, duration, hasFailed, instant, LOOKS, shortId } from '../ui/words'
import { type Desk, makeDesk } from './desk'
import { Logs } from './logs'
import { Matrix } from './matrix'
import { Timeline } from './timeline'

const VIEWS = [
  { view: 'graph', word: 'Graph', keys: '1' },
  { view: 'matrix', word: 'Matrix', keys: '2' },
  { view: 'timeline', word: 'Timeline', keys: '3' },
] as const

export function RunScreen({ id, rest }: { id: string; rest: string[] }) {
  const desk = useMemo(() => makeDesk(id), [id])
  const { watched, layout, camera, selected, insides, choose, nextFailed } = desk
  const { run } = watched
  useEffect(() => desk.stop, [desk])
  const isKnown = watched.version.value > 0 && run.seq > 0
  useEffect(() => (isKnown ? layOut(run.graph, roomOf(insides.value), (made) => (layout.value = made)) : undefined), [isKnown, insides.value])

  useTitle(isKnown && rest[0] !== 'logs' ? `${LOOKS[runState(run)].word}: ${run.graph.name || 'unnamed'}` : undefined)

  useKeys('Run', [
    ...VIEWS.map(({ view, word, keys }) => ({ keys, does: `show as ${word.toLowerCase()}`, act: () => go(ofRun(id, view, { node: asked('node') })) })),
    { keys: 'n', does: 'next node that failed', act: nextFailed },
    { keys: 'c', does: 'critical path, when the run has ended', act: () => (desk.isCritical.value = !desk.isCritical.value) },
    { keys: 'o', does: 'open the node, or close it, where something is inside', act: () => selected.value !== undefined && desk.turn(selected.value) },
    { keys: 'f', does: 'find a node', act: focusSearch },
    { keys: 'Escape', does: 'close the node', act: () => selected.value !== undefined && choose(undefined) },
  ])

  const [view = 'graph', node] = rest
  if (view === 'logs' && node !== undefined) return <Logs id={id} node={node} />
  const standing = watched.standing.value
  if (standing.is === 'refused') return <div class="screen"><Trouble error={standing.why} /></div>
  return (
    <div class="screen run">
      <Head desk={desk} onFailed={nextFailed} />
      <div class={`run-body ${selected.value === undefined ? '' : 'with-node'}`}>
        <NodeList desk={desk} onChoose={desk.jump} />
        <section class="run-view" aria-label={view}>
          <nav class="tabs" aria-label="Views">
            {VIEWS.map((one) => (
              <a key={one.view} href={ofRun(id, one.view, { node: asked('node') })} aria-current={one.view === view ? 'page' : undefined}>{one.word}</a>
            ))}
            <span class="spring" />
            {view === 'graph' && run.ended !== undefined && (
              <button type="button" class="button quiet" aria-pressed={desk.isCritical.value} onClick={() => (desk.isCritical.value = !desk.isCritical.value)}>
                Critical path
              </button>
            )}
          </nav>
          {!isKnown && <Empty>Reading the run …</Empty>}
          {isKnown && view === 'graph' && (
            <GraphView watched={watched} layout={layout} camera={camera} selected={selected} found={desk.found} critical={desk.critical} insides={insides} onHit={desk.point} />
          )}
          {isKnown && view === 'matrix' && <Matrix desk={desk} onChoose={choose} />}
          {isKnown && view === 'timeline' && <Timeline desk={desk} onChoose={choose} />}
        </section>
        {isKnown && selected.value !== undefined && <NodePanel key={selected.value} desk={desk} node={selected.value} onClose={() => choose(undefined)} />}
      </div>
    </div>
  )
}

function Head({ desk, onFailed }: { desk: Desk; onFailed: () => void }) {
  const { watched, id } = desk
  const { run, version, standing } = watched
  dependsOn(version.value)
  const [trouble, setTrouble] = useState<unknown>(undefined)
  const act = (work: () => Promise<unknown>) => {
    setTrouble(undefined)
    work().catch(setTrouble)
  }
  const state = runState(run)
  const failed = run.counts.failure + run.counts.timeout
  return (
    <header class="run-head">
      <div class="bar-row">
        <Trail partOf={run.partOf} />
        <h1>{run.graph.name || 'unnamed'}</h1>
        {run.paused && run.ended === undefined ? <StateMark state="torun" word="paused" /> : <StateMark state={state} {...(run.cancelling && run.ended === undefined ? { word: 'cancelling' } : {})} />}
        <Live standing={standing.value} />
        <span class="head-bar"><CountsBar counts={run.counts} /></span>
        {failed > 0 && <Button kind="quiet" onClick={onFailed} title="Next node that failed (n)"><span class="s-failure">{failed} failed</span></Button>}
        <span class="spring" />
        <Acts watched={watched} id={id} act={act} />
      </div>
      <div class="run-facts">
        <code class="id" title={id}>{shortId(id)}</code>
        {run.namespace && <span class="tag">{run.namespace}</span>}
        {run.accepted > 0 && <span>started <b class="number">{instant(run.accepted, now.value)}</b></span>}
        {run.accepted > 0 && <span>{run.ended === undefined ? 'for' : 'took'} <b class="number">{duration((run.ended ?? now.value) - run.accepted)}</b></span>}
        <span class="number">{counted(run.states.length, 'node')}, {counted(run.graph.edges.length, 'edge')}</span>
        {run.rerunOf && <a href={ofRun(run.rerunOf, 'graph')}>repeats {shortId(run.rerunOf)}</a>}
        {run.undoneBy && <a href={ofRun(run.undoneBy, 'graph')}>taken back by {shortId(run.undoneBy)}</a>}
        <FailureFact watched={watched} />
      </div>
      <Trouble error={trouble} />
    </header>
  )
}

function FailureFact({ watched: { run } }: { watched: Watched }) {
  if (typeof run.outcome !== 'object') return null
  const { failed } = run.outcome
  return <span class="run-failure" title={failed.message}><code class="code">{failed.code}</code> {failed.message}</span>
}

/** What may be done with the run, as it stands and by our roles. */
function Acts({ watched: { run }, id, act }: { watched: Watched; id: string; act: (work: () => Promise<unknown>) => void }) {
  const open = async (made: Promise<{ id: string }>) => go(ofRun((await made).id, 'graph'))
  if (run.seq === 0) return null
  if (run.ended === undefined) {
    if (!may('cancel') || run.cancelling) return null
    return (
      <>
        <Button onClick={() => act(() => (run.paused ? resume(id) : pause(id)))}>{run.paused ? 'Resume' : 'Pause'}</Button>
        <Button kind="danger" onClick={() => act(() => cancel(id))}>Cancel run</Button>
      </>
    )
  }
  if (!may('submit')) return null
  const isFailed = hasFailed(runState(run)) || run.outcome === 'cancelled'
  return (
    <>
      {isFailed && <Button kind="main" onClick={() => act(() => open(rerun(id, 'failed')))}>Rerun what failed</Button>}
      <Button onClick={() => act(() => open(rerun(id, 'all')))}>Rerun all</Button>
      {run.undoneBy === undefined && run.graph.nodes.some((node) => 'undo' in node.said) && (
        <Button onClick={() => act(() => open(undo(id)))}>Take back</Button>
      )}
    </>
  )
}
