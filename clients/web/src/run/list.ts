// Owns the list of runs that is shown: its pages, and how it stays true. Promises: one stream says that something has
// changed, and only then the API is asked, at most twice a second however much happens: the first page, and the rows
// further down that changed. Rows keep their place. Never asks without an event.

import { signal } from '@preact/signals'
import { path, runs, runState } from '../api/client'
import { follow, type Message, type Standing } from '../api/sse'
import type { RunSummary } from '../api/types'

export interface Filter {
  state: string
  name: string
  label: string
  namespace: string
  since: string
  parent: string
}

const PAGE = 200
const BETWEEN = 500
/** So many rows below the first page are asked for one by one at once. */
const MOST_SINGLE = 20

export const given = (text: string): string | undefined => (text === '' ? undefined : text)

/** Begins to show runs that a filter lets through. */
export function listRuns(filter: Filter) {
  const rows = signal<RunSummary[]>([])
  const trouble = signal<unknown>(undefined)
  const standing = signal<Standing>({ is: 'connecting' })
  /** The cursor of the next page; null: there is none; undefined: nothing was read yet. */
  const next = signal<string | null | undefined>(undefined)
  const stopped = new AbortController()
  const dirty = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let isReading = false

  const query = { state: given(filter.state), name: given(filter.name), label: given(filter.label), namespace: given(filter.namespace), since: given(filter.since), parent: given(filter.parent), limit: PAGE }

  const guarded = async (work: () => Promise<void>): Promise<void> => {
    if (isReading) return
    isReading = true
    try {
      await work()
      trouble.value = undefined
    } catch (error) {
      if (!stopped.signal.aborted) trouble.value = error
    } finally {
      isReading = false
    }
  }

  const refresh = () => guarded(async () => {
    const changed = [...dirty]
    dirty.clear()
    const page = await runs(query, stopped.signal)
    const fresh = new Map(page.tasks.map((run) => [run.id, run]))
    const below = rows.value.filter((run) => !fresh.has(run.id) && isBelow(run, page.tasks))
    const single = below.filter((run) => changed.includes(run.id)).slice(0, MOST_SINGLE)
    const again = new Map((await Promise.all(single.map((run) => runState(run.id)))).map((run) => [run.id, run]))
    rows.value = [...page.tasks, ...below.map((run) => again.get(run.id) ?? run)]
    if (next.value === undefined) next.value = page.next ?? null
  })

  const more = () => guarded(async () => {
    if (typeof next.value !== 'string') return
    const page = await runs({ ...query, cursor: next.value }, stopped.signal)
    const known = new Set(rows.value.map((run) => run.id))
    rows.value = [...rows.value, ...page.tasks.filter((run) => !known.has(run.id))]
    next.value = page.next ?? null
  })

  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      void refresh().then(() => dirty.size > 0 && soon())
    }, BETWEEN)
  }

  const stop = follow(path('/v1/events', {}, { namespace: query.namespace }), {
    messages: (batch: Message[]) => {
      for (const message of batch) dirty.add((JSON.parse(message.data) as { run: string }).run)
      soon()
    },
    standing: (now) => {
      // Without a place to resume from, what happened meanwhile is read from the list.
      if (now.is === 'live') void refresh()
      standing.value = now
    },
    isOver: () => false,
  })

  return {
    rows,
    trouble,
    standing,
    next,
    more: () => void more(),
    stop: () => {
      stopped.abort()
      clearTimeout(timer)
      stop()
    },
  }
}

/** Is the run older than all of a page? Else it is on it no more because the filter does not let it through any more. */
function isBelow(run: RunSummary, page: RunSummary[]): boolean {
  const last = page.at(-1)
  return page.length >= PAGE && last !== undefined && run.start_date <= last.start_date
}
