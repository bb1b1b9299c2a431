// Owns the way back from a run that is a part of others: each of them by its name, the nearest with the node that started it.
// Never follows them: they are asked for once, because a name does not change.

import { useEffect, useState } from 'preact/hooks'
import { runState } from '../api/client'
import { href, ofRun } from '../router'
import { nodeOf } from '../run/parts'
import { shortId } from '../ui/words'

/** As deep as runs may start each other. */
const DEEPEST = 16

interface Above {
  id: string
  name: string
}

async function above(id: string): Promise<Above[]> {
  const found: Above[] = []
  for (let at: string | undefined = id; at !== undefined && found.length < DEEPEST; ) {
    // What is above may be forgotten already; then the way ends there.
    const run: Awaited<ReturnType<typeof runState>> | undefined = await runState(at).catch(() => undefined)
    found.unshift({ id: at, name: run?.name ?? shortId(at) })
    at = run?.parent ?? undefined
  }
  return found
}

/** From the list of runs to the run that the attempt `partOf` is of. */
export function Trail({ partOf }: { partOf: string | undefined }) {
  const [runs, setRuns] = useState<Above[]>([])
  useEffect(() => {
    setRuns([])
    if (partOf !== undefined) void above(nodeOf(partOf).run).then(setRuns)
  }, [partOf])
  const node = partOf === undefined ? '' : nodeOf(partOf).node
  return (
    <>
      <a href={href('/runs')} class="muted" title="All runs (g r)">Runs</a>
      {runs.map(({ id, name }, index) => (
        <span key={id} class="trail">
          <span class="muted" aria-hidden="true">/</span>
          <a href={ofRun(id, 'graph', index === runs.length - 1 ? { node, open: node } : {})} title={`the run of which this one is a part: ${id}`}>{name || 'unnamed'}</a>
        </span>
      ))}
      <span class="muted" aria-hidden="true">/</span>
    </>
  )
}
