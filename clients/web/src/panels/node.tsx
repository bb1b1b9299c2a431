// Owns the panel of one node: what it is, how it went, why it waits, what can be done. Promises: it asks when an event said that
// the node has changed, and not otherwise; it offers what the node's state and our roles allow. Never folds.

import { useEffect, useState } from 'preact/hooks'
import { approve, cancelNode, node as askNode, refuse, signal as sendSignal, why as askWhy } from '../api/client'
import type { AttemptView, NodeView, StepView } from '../api/types'
import { may } from '../api/who'
import { ofRun } from '../router'
import type { Node } from '../run/document'
import { latest } from '../run/fold'
import type { Desk } from '../screens/desk'
import { now } from '../ui/clock'
import { dependsOn } from '../ui/depends'
import { Button, StateMark, Trouble } from '../ui/parts'
import { bytes, duration, exitCode, instant, isOver, isState, outcomeWords, shortId } from '../ui/words'
import { asShell } from './shell'

const MOST_ATTEMPTS = 50

export function NodePanel({ desk, node, onClose }: { desk: Desk; node: number; onClose: () => void }) {
  const { run, version } = desk.watched
  dependsOn(version.value)
  const said = run.graph.nodes[node]
  const state = run.states[node] ?? 'initial'
  const step = latest(run, node)
  const mark = [state, run.steps[node]?.length, step?.attempts.length, step?.itemsEnded].join()
  const [view, setView] = useState<NodeView | undefined>(undefined)
  const [why, setWhy] = useState('')
  const [trouble, setTrouble] = useState<unknown>(undefined)
  const name = said?.name ?? ''

  useEffect(() => {
    let isWanted = true
    askNode(desk.id, name).then((got) => isWanted && setView(got), (error: unknown) => isWanted && setTrouble(error))
    if (isOver(state)) setWhy('')
    else askWhy(desk.id, name).then((got) => isWanted && setWhy(got.why), () => isWanted && setWhy(''))
    return () => {
      isWanted = false
    }
  }, [mark, name])

  if (!said) return null
  const act = (work: () => Promise<unknown>) => {
    setTrouble(undefined)
    work().catch(setTrouble)
  }
  const live = view?.node
  return (
    <aside class="node" aria-label={`Node ${name}`}>
      <header>
        <h2 title={name}>{name}</h2>
        <Button kind="quiet" onClick={onClose} title="Close (Esc)">✕</Button>
      </header>
      <div class="node-scroll">
        <div class="node-top">
          <StateMark state={state} />
          {step && <span class="number muted">{duration((step.ended ?? now.value) - step.activated)}</span>}
          <span class="spring" />
          {desk.canOpen(node) && <Button title="In the graph (o)" onClick={() => desk.turn(node)}>{desk.isOpen(node) ? 'Close' : 'Open'}</Button>}
          <a class="button" href={ofRun(desk.id, `logs/${encodeURIComponent(name)}`)}>Logs</a>
          {(state === 'running' || state === 'torun') && may('cancel') && <Button kind="danger" onClick={() => act(() => cancelNode(desk.id, name))}>Cancel</Button>}
        </div>
        <Trouble error={trouble} />
        {why !== '' && <p class="why">{why}</p>}
        {state === 'running' && said.engine === 'approval' && may('operate') && <Approval id={desk.id} name={name} act={act} />}
        {state === 'running' && said.engine === 'signal' && may('submit') && <Signals id={desk.id} node={said} act={act} />}
        {live?.failure && <p class="node-failure"><code>{live.failure.code}</code> {live.failure.message}</p>}
        <Facts node={said} view={view} runId={desk.id} />
        {view?.visits.toReversed().map((visit) => <Visit key={visit.visit} visit={visit} of={{ visits: view.visits.length, isEach: said.each }} />)}
        {live && <Values title="Outputs" values={live.output} />}
        {live?.artifacts && Object.entries(live.artifacts).map(([title, files]) => (
          <section key={title}>
            <h3>Files: {title}</h3>
            <ul class="files">
              {files.map((file) => <li key={file.path}><a href={`/v1/artifacts/${file.sha256}`} download={file.path.split('/').at(-1)} data-plain>{file.path}</a> <span class="muted">{bytes(file.size)}</span></li>)}
            </ul>
          </section>
        ))}
        {live?.confinement && <Values title="How it was held" values={{ ...live.confinement.applied, ...live.confinement.missing }} />}
        <Described node={said} />
      </div>
    </aside>
  )
}

function Facts({ node, view, runId }: { node: Node; view: NodeView | undefined; runId: string }) {
  const live = view?.node
  return (
    <dl class="facts">
      <div><dt>Engine</dt><dd>{node.engine}</dd></div>
      {live?.target && <div><dt>Target</dt><dd>{live.target}</dd></div>}
      {live?.executor && <div><dt>Executor</dt><dd>{live.executor}</dd></div>}
      {live?.items && <div><dt>Items</dt><dd>{live.items.ended} of {live.items.of} ended</dd></div>}
      {node.join !== 'all' && <div><dt>Waits for</dt><dd>{node.join === 'any' ? 'any of its edges' : `${node.join} of its edges`}</dd></div>}
      {live?.child && <div><dt>Its run</dt><dd><a href={ofRun(live.child, 'graph')}>{shortId(live.child)}</a></dd></div>}
      {live?.reused_from && live.reused_from !== runId && <div><dt>Copied from</dt><dd><a href={ofRun(live.reused_from, 'graph')}>{shortId(live.reused_from)}</a></dd></div>}
    </dl>
  )
}

/** Of many items those that failed come first, then those that run; of the tries of one the last ones are shown. */
function shownOf(attempts: AttemptView[], isEach: boolean): AttemptView[] {
  if (!isEach) return attempts.slice(-MOST_ATTEMPTS)
  const rank = ({ outcome }: AttemptView) => (outcome === 'succeeded' ? 2 : outcome ? 0 : 1)
  return attempts.toSorted((a, b) => rank(a) - rank(b)).slice(0, MOST_ATTEMPTS)
}

function Visit({ visit, of }: { visit: StepView; of: { visits: number; isEach: boolean } }) {
  const many = of.visits > 1
  const attempts = visit.attempts ?? []
  return (
    <section>
      <h3>{many ? `Visit ${visit.visit + 1}` : 'Attempts'}{visit.label ? `: ${visit.label}` : ''}</h3>
      {many && isState(visit.state) && <p><StateMark state={visit.state} /></p>}
      {visit.because && visit.because.length > 0 && <p class="muted">after {visit.because.join(', ')}</p>}
      <ol class="attempts">
        {shownOf(attempts, of.isEach).map((attempt) => <Attempt key={attempt.id} attempt={attempt} isItem={of.isEach} />)}
      </ol>
      {attempts.length > MOST_ATTEMPTS && <p class="muted">{attempts.length - MOST_ATTEMPTS} others are not shown</p>}
      {attempts.length === 0 && <p class="muted">none: gorch ran it itself, or has not begun</p>}
    </section>
  )
}

function Attempt({ attempt, isItem }: { attempt: AttemptView; isItem: boolean }) {
  const [, , , item, number] = attempt.id.split('.')
  const began = Date.parse(attempt.start_date)
  const ended = attempt.stop_date ? Date.parse(attempt.stop_date) : undefined
  const code = attempt.output?.['exit_code']
  return (
    <li>
      <div class="attempt-line">
        <b>try {number}</b>
        {isItem && <span class="tag">item {item}</span>}
        <span>{attempt.outcome ? outcomeWords(attempt.outcome) : 'running'}</span>
        <span class="spring" />
        <span class="number muted">{duration((ended ?? now.value) - began)}</span>
      </div>
      <div class="muted">
        {instant(began, now.value)}{attempt.executor ? ` on ${attempt.executor}` : ''}
        {attempt.retry_at ? `, again at ${instant(Date.parse(attempt.retry_at), now.value)}` : ''}
        {attempt.late === true ? ', came too late and changed nothing' : ''}
      </div>
      {typeof code === 'number' && <div class={code === 0 ? 'muted' : ''}>exit code {exitCode(code)}</div>}
      {attempt.progress && <div>{attempt.progress.percent === undefined ? '' : `${attempt.progress.percent} % `}{attempt.progress.text}</div>}
    </li>
  )
}

const written = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value, null, 1))

function Values({ title, values }: { title: string; values: Record<string, unknown> }) {
  const all = Object.entries(values)
  if (all.length === 0) return null
  return (
    <section>
      <h3>{title}</h3>
      <dl class="values">
        {all.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{written(value)}</dd></div>)}
      </dl>
    </section>
  )
}

/** Fields that stand elsewhere in the panel. */
const SHOWN = ['id', 'name', 'engine', 'artifact', 'output', 'join', 'target']

/** The node as its document has it. */
function Described({ node }: { node: Node }) {
  const [isCopied, setCopied] = useState(false)
  const { artifact } = node.said
  const shell = asShell(node)
  const fields = Object.fromEntries(Object.entries(node.said).filter(([field]) => !SHOWN.includes(field)))
  return (
    <section>
      {artifact !== undefined && <h3>Artifact</h3>}
      {artifact !== undefined && <pre class="artifact" tabIndex={0}>{written(artifact)}</pre>}
      {shell !== undefined && (
        <Button onClick={() => void navigator.clipboard.writeText(shell).then(() => setCopied(true))}>{isCopied ? 'Copied' : 'Copy as shell'}</Button>
      )}
      <Values title="Said by the document" values={fields} />
    </section>
  )
}

type Act = (work: () => Promise<unknown>) => void

function Approval({ id, name, act }: { id: string; name: string; act: Act }) {
  const [message, setMessage] = useState('')
  return (
    <div class="ask">
      <input type="text" aria-label="Message" placeholder="message, if any" maxLength={4096} value={message} onInput={(event) => setMessage(event.currentTarget.value)} />
      <Button kind="main" onClick={() => act(() => approve(id, name, message))}>Approve</Button>
      <Button kind="danger" onClick={() => act(() => refuse(id, name, message))}>Refuse</Button>
    </div>
  )
}

function Signals({ id, node, act }: { id: string; node: Node; act: Act }) {
  const args = node.said['args']
  const names = Array.isArray(args) ? args.filter((name) => typeof name === 'string') : []
  return (
    <div class="ask">
      {names.map((name) => <Button key={name} onClick={() => act(() => sendSignal(id, name, {}))}>Send {name}</Button>)}
    </div>
  )
}
