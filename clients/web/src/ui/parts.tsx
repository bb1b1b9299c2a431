// Owns the small parts that all screens are made of: a state, a bar of counts, a problem, how a stream stands. Promises:
// texts of others are text nodes. Never asks the API.

import type { ComponentChildren } from 'preact'
import { Refused } from '../api/http'
import type { Standing } from '../api/sse'
import type { Counts, State } from '../api/types'
import { BAR_ORDER, LOOKS } from './words'

export function Icon({ state }: { state: State }) {
  return (
    <svg class={`icon s-${state}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={LOOKS[state].icon} />
    </svg>
  )
}

/** Icon and word, in the state's colour. */
export function StateMark({ state, word = LOOKS[state].word }: { state: State; word?: string }) {
  return (
    <span class={`state s-${state}`}>
      <Icon state={state} />
      <span>{word}</span>
    </span>
  )
}

/** How many nodes are in which state: as a bar, and in words for who cannot see it. */
export function CountsBar({ counts }: { counts: Counts }) {
  const there = BAR_ORDER.filter((state) => counts[state] > 0)
  // Of a run that was accepted a moment ago nothing is counted yet.
  const words = there.map((state) => `${counts[state]} ${LOOKS[state].word}`).join(', ') || 'nothing counted yet'
  return (
    <span class="bar" role="img" aria-label={words} title={words}>
      {there.map((state) => (
        <span key={state} class={`bar-part s-${state}`} style={{ flexGrow: counts[state] }} />
      ))}
    </span>
  )
}

/** What went wrong, as the API says it, with each complaint. */
export function Trouble({ error }: { error: unknown }) {
  if (error === undefined || error === null) return null
  if (!(error instanceof Refused)) return <p class="trouble" role="alert">{error instanceof Error ? error.message : 'something went wrong'}</p>
  const { problem } = error
  return (
    <div class="trouble" role="alert">
      <p>
        <code>{problem.code}</code> {problem.detail}
      </p>
      {problem.complaints && (
        <ul>
          {problem.complaints.map((complaint) => (
            <li key={complaint.pointer + complaint.code}>
              <code>{complaint.pointer || '/'}</code> found {complaint.found}, expected {complaint.expected}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

/** Is what is shown what is true now? */
export function Live({ standing }: { standing: Standing }) {
  const said = standing.is === 'reconnecting' ? 'reconnecting' : standing.is === 'over' ? 'ended' : standing.is
  return (
    <span class={`live live-${standing.is}`} role="status" title={EXPLAINED[standing.is]}>
      <span class="dot" aria-hidden="true" />
      {said}
    </span>
  )
}

const EXPLAINED: Record<Standing['is'], string> = {
  connecting: 'the stream of events is being opened',
  live: 'each event is shown as it becomes durable',
  reconnecting: 'the connection broke; nothing will be missed when it is back',
  refused: 'the orchestrator refuses the stream',
  over: 'the run has ended: nothing more will happen',
}

export function Button({ onClick, children, kind = 'plain', disabled = false, title }: {
  onClick: () => void
  children: ComponentChildren
  kind?: 'plain' | 'main' | 'danger' | 'quiet'
  disabled?: boolean
  title?: string
}) {
  return (
    <button type="button" class={`button ${kind}`} onClick={onClick} disabled={disabled} title={title}>
      {children}
    </button>
  )
}

/** What is there where nothing is. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>
}
