// Owns the screen of the executors. Promises: it shows what the orchestrator knew when it was asked, and says when that was: no
// stream tells of executors, so it is asked when somebody comes back to the page, or wants it. Never polls.

import { useEffect, useState } from 'preact/hooks'
import { executors } from '../api/client'
import type { ExecutorView } from '../api/types'
import { now } from '../ui/clock'
import { Button, Empty, Trouble } from '../ui/parts'
import { useTitle } from '../ui/title'
import { duration, instant } from '../ui/words'

export function Executors() {
  useTitle('Executors')
  const [all, setAll] = useState<ExecutorView[] | undefined>(undefined)
  const [read, setRead] = useState(0)
  const [trouble, setTrouble] = useState<unknown>(undefined)
  const load = () => {
    executors().then((got) => {
      setAll(got.executors)
      setRead(Date.now())
      setTrouble(undefined)
    }, setTrouble)
  }
  useEffect(() => {
    load()
    const seen = () => {
      if (document.visibilityState === 'visible') load()
    }
    document.addEventListener('visibilitychange', seen)
    return () => document.removeEventListener('visibilitychange', seen)
  }, [])
  const [held, slots] = [all?.reduce((sum, one) => sum + one.held, 0) ?? 0, all?.reduce((sum, one) => sum + one.slots, 0) ?? 0]
  return (
    <div class="screen">
      <div class="bar-row">
        <h1>Executors</h1>
        {all && <span class="muted">{held} of {slots} slots held, as of {instant(read, now.value)}</span>}
        <span class="spring" />
        <Button onClick={load}>Refresh</Button>
      </div>
      <Trouble error={trouble} />
      {all?.length === 0 && <Empty>No executor has registered: nodes that need one wait.</Empty>}
      {all && all.length > 0 && (
        <div class="table executors" tabIndex={0} role="region" aria-label="The executors">
          <table>
            <thead>
              <tr>{['State', 'Name', 'Slots', 'Engines', 'Labels', 'Targets', 'Seen', 'Certificate', 'Listens at'].map((word) => <th key={word} scope="col">{word}</th>)}</tr>
            </thead>
            <tbody>{all.map((one) => <Row key={one.name} one={one} />)}</tbody>
          </table>
        </div>
      )}
    </div>
  )
}

/** The colours of states of executors are those of nodes that mean the same. */
const LOOK: Record<string, string> = { alive: 's-success', suspect: 's-torun', lost: 's-failure', draining: 's-canceled' }

/** Somebody should look at a certificate that does for less than this. */
const SOON = 14 * 24 * 3_600_000

/** How long the executor can still be talked to. */
function Certificate({ until }: { until: string | null | undefined }) {
  if (!until) return <span class="muted">unknown</span>
  const left = Date.parse(until) - now.value
  const said = left <= 0 ? 'expired' : `${duration(left)} left`
  return <time dateTime={until} title={until} class={left < SOON ? 's-failure' : ''}>{said}</time>
}

function Row({ one }: { one: ExecutorView }) {
  const seen = one.last_seen ? Date.parse(one.last_seen) : undefined
  return (
    <tr>
      <td><span class={`state ${LOOK[one.state] ?? ''}`}><span class="dot-block" aria-hidden="true" />{one.state}</span></td>
      <td><b>{one.name}</b></td>
      <td>
        <span class="slots" role="img" aria-label={`${one.held} of ${one.slots} held`}>
          {Array.from({ length: Math.min(one.slots, 24) }, (_, slot) => <span key={slot} class={slot < one.held ? 'slot held' : 'slot'} />)}
        </span>
        <span class="number muted">{one.held} / {one.slots}</span>
      </td>
      <td>{one.engines.map((engine) => <span key={engine} class="tag">{engine}</span>)}</td>
      <td>{Object.entries(one.labels).map(([key, value]) => <span key={key} class="tag">{key}={value}</span>)}</td>
      <td>{one.targets.join(', ')}</td>
      <td class="number">{seen === undefined ? 'never' : `${duration(now.value - seen)} ago`}</td>
      <td class="number"><Certificate until={one.not_after} /></td>
      <td><code>{one.url}</code></td>
    </tr>
  )
}
