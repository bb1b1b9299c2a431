// Owns the recorded streams of real runs, for tests. Never ships: only tests import it.

import { Reader } from '../api/sse'
import type { EventView } from '../api/types'
import { apply, newRun, type Run } from './fold'

const streams = import.meta.glob<string>('./fixtures/*.sse', { query: '?raw', import: 'default', eager: true })

export const names = Object.keys(streams).map((path) => path.slice('./fixtures/'.length, -'.sse'.length))

/** The events of a recorded run. */
export function recorded(name: string): EventView[] {
  const text = streams[`./fixtures/${name}.sse`] ?? ''
  return new Reader().read(text).filter((message) => message.id !== undefined).map((message) => JSON.parse(message.data) as EventView)
}

export function folded(events: EventView[]): Run {
  const run = newRun(events[0]?.run ?? 'recorded')
  events.forEach((event) => apply(run, event))
  return run
}
