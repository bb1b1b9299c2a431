// Owns the run along time: for each step how long it waited, ran, and waited to be tried again, and above it how many attempts
// ran at once. Promises: steps stand in the order in which they began. Never rounds times: it only scales them.

import { type Attempt, type Run, stateOf, type Step } from '../run/fold'
import { now } from '../ui/clock'
import { dependsOn } from '../ui/depends'
import { Virtual } from '../ui/virtual'
import { duration, LOOKS } from '../ui/words'
import type { Desk } from './desk'

const ROW = 24
const COLUMNS = 240
const TICKS = 5

export function Timeline({ desk, onChoose }: { desk: Desk; onChoose: (node: number) => void }) {
  const { run, version } = desk.watched
  dependsOn(version.value)
  const end = run.ended ?? now.value
  const length = Math.max(1, end - run.accepted)
  const steps = run.steps.flat().sort((a, b) => a.activated - b.activated || a.node - b.node)
  const share = (from: number, to: number) => ({ left: `${((from - run.accepted) / length) * 100}%`, width: `${(Math.max(0, to - from) / length) * 100}%` })
  return (
    <div class="timeline">
      <div class="time-head">
        <Parallel run={run} end={end} length={length} />
        <div class="ticks" aria-hidden="true">
          {Array.from({ length: TICKS + 1 }, (_, tick) => <span key={tick} style={{ left: `${(tick / TICKS) * 100}%` }}>{duration((length * tick) / TICKS)}</span>)}
        </div>
      </div>
      <Virtual count={steps.length} rowHeight={ROW} label="Steps along time" row={(index) => {
        const step = steps[index]
        if (!step) return null
        const name = run.graph.nodes[step.node]?.name ?? ''
        const visits = run.steps[step.node]?.length ?? 1
        return (
          <div key={`${step.node}.${step.visit}`} class="time-row" role="row" aria-selected={desk.selected.value === step.node} onClick={() => onChoose(step.node)}>
            <span role="gridcell" class="node-name" title={name}>{name}{visits > 1 ? ` · ${step.visit + 1}` : ''}</span>
            <span role="gridcell" class="track" aria-label={wordsOf(step, end)}>
              <span class="wait" style={share(step.activated, step.ended ?? end)} title={wordsOf(step, end)} />
              {step.attempts.map((attempt) => (
                <span key={`${attempt.item}.${attempt.attempt}`} class={`span s-${stateOfAttempt(attempt)}`} style={share(attempt.started, attempt.ended ?? end)}
                  title={`try ${attempt.attempt}: ${LOOKS[stateOfAttempt(attempt)].word}, ${duration((attempt.ended ?? end) - attempt.started)}`} />
              ))}
            </span>
          </div>
        )
      }} />
    </div>
  )
}

const stateOfAttempt = (attempt: Attempt) => (attempt.result ? stateOf(attempt.result.outcome) : 'running')

function wordsOf(step: Step, end: number): string {
  const first = step.attempts[0]?.started
  const ran = step.attempts.reduce((sum, attempt) => sum + (attempt.ended ?? end) - attempt.started, 0)
  const queued = (first ?? step.ended ?? end) - step.activated
  return `waited ${duration(queued)}, ran ${duration(ran)}, ${step.attempts.length === 1 ? '1 try' : `${step.attempts.length} tries`}`
}

/** By column: the most attempts that ran at once in it. */
function together(run: Run, end: number, columnOf: (at: number) => number): Uint32Array {
  const changes = run.steps.flat().flatMap((step) => step.attempts.flatMap((attempt) => [
    { at: attempt.started, by: 1 },
    { at: attempt.ended ?? end, by: -1 },
  ]))
  // What ends in the instant in which another begins does not run beside it.
  changes.sort((a, b) => a.at - b.at || a.by - b.by)
  const heights = new Uint32Array(COLUMNS)
  let running = 0
  let column = 0
  for (const change of changes) {
    for (; column < columnOf(change.at); column += 1) heights[column + 1] = running
    running += change.by
    heights[column] = Math.max(heights[column] ?? 0, running)
  }
  return heights
}

/** How many attempts ran at once. */
function Parallel({ run, end, length }: { run: Run; end: number; length: number }) {
  const heights = together(run, end, (at) => Math.min(COLUMNS - 1, Math.floor(((at - run.accepted) / length) * COLUMNS)))
  const most = Math.max(1, ...heights)
  const line = Array.from(heights, (height, column) => `H${column}V${(1 - height / most) * 40}H${column + 1}`).join('')
  return (
    <div class="parallel" title="attempts that ran at once">
      <svg viewBox={`0 0 ${COLUMNS} 41`} preserveAspectRatio="none" role="img" aria-label={`at most ${most} attempts at once`}>
        <path d={`M0 40${line}V40Z`} />
      </svg>
      <span class="most number">{most} at once</span>
    </div>
  )
}
