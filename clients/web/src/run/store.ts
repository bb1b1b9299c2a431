// Owns a run that is watched: its fold, its stream, and who is told of changes. Promises: one stream for a run however many
// screens show it; people are told at most ten times a second, however many events come. Never
// asks for states: the events are all it needs.

import { signal, type Signal } from '@preact/signals'
import { path } from '../api/client'
import { follow, type Message, type Standing } from '../api/sse'
import type { EventView, ProgressView } from '../api/types'
import { advance, apply, newRun, type Run } from './fold'

/** Milliseconds from one telling to the next: soon enough for eyes, and calm while thousands of events come. */
const BETWEEN = 90

export interface Watched {
  run: Run
  /** Counts the pictures: whoever reads it is drawn again when the run has changed. */
  version: Signal<number>
  standing: Signal<Standing>
  stop: () => void
}

/** Begins to watch a run, from its first event. */
export function watch(id: string): Watched {
  const run = newRun(id)
  const version = signal(0)
  const standing = signal<Standing>({ is: 'connecting' })
  let isTold = true

  const tell = () => {
    if (!isTold) return
    isTold = false
    setTimeout(() => {
      // A page that is not seen draws no pictures; it is told when it is seen again.
      requestAnimationFrame(() => {
        isTold = true
        version.value += 1
      })
    }, run.seq > 0 && version.value > 0 ? BETWEEN : 0)
  }

  const take = ({ id: number, name, data }: Message) => {
    if (number !== undefined) apply(run, JSON.parse(data) as EventView)
    else if (name === 'progress') advance(run, JSON.parse(data) as ProgressView)
  }

  const stop = follow(path('/v1/tasks/{id}/events', { id }), {
    messages: (batch) => {
      batch.forEach(take)
      tell()
    },
    standing: (now) => {
      standing.value = now
    },
    isOver: () => run.ended !== undefined,
  })
  return { run, version, standing, stop }
}
