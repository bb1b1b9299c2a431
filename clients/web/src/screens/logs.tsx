// Owns the log of a node: live, searchable, each line with an address. Promises: a hundred thousand lines scroll as ten do;
// lines are texts, whatever stands in them; when the connection breaks the log is read again. Never keeps what the
// orchestrator no longer has.

import { signal } from '@preact/signals'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { logs, path } from '../api/client'
import { Refused } from '../api/http'
import { type Standing, wait } from '../api/sse'
import { partsOf } from '../logs/ansi'
import { folded, Lines } from '../logs/lines'
import { ask, asked, href, ofRun } from '../router'
import { Button, Empty, Live, Trouble } from '../ui/parts'
import { useTitle } from '../ui/title'
import { Virtual } from '../ui/virtual'
import { counted, shortId } from '../ui/words'

const ROW = 18
const BETWEEN = 80

/** Reads a log as it is written, until the attempt has ended. */
function followLog(id: string, node: string, stream: string, attempt: string) {
  const lines = signal(new Lines())
  const version = signal(0)
  const standing = signal<Standing>({ is: 'connecting' })
  const trouble = signal<unknown>(undefined)
  const stop = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const tell = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      version.value += 1
    }, BETWEEN)
  }
  const read = async (): Promise<void> => {
    const answer = await logs(id, node, { follow: true, stream, attempt }, stop.signal)
    const fresh = new Lines()
    lines.value = fresh
    standing.value = { is: 'live' }
    if (answer.body) {
      const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader()
      for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
        fresh.add(piece.value)
        tell()
      }
    }
    fresh.end()
    tell()
  }
  const go = async (tries: number): Promise<void> => {
    try {
      await read()
      standing.value = { is: 'over' }
    } catch (error) {
      if (stop.signal.aborted) return
      if (error instanceof Refused) {
        trouble.value = error
        standing.value = { is: 'refused', why: error }
        return
      }
      standing.value = { is: 'reconnecting', attempt: tries }
      setTimeout(() => void go(tries + 1), wait(tries, Math.random()))
    }
  }
  void go(1)
  return { lines, version, standing, trouble, stop: () => stop.abort() }
}

export function Logs({ id, node }: { id: string; node: string }) {
  useTitle(`Log of ${node}`)
  const [stream, attempt] = [asked('stream'), asked('attempt')]
  const log = useMemo(() => followLog(id, node, stream, attempt), [id, node, stream, attempt])
  useEffect(() => log.stop, [log])
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set())
  const [isWrapped, setWrapped] = useState(false)
  const view = useRef<HTMLDivElement>(null)
  const { all } = log.lines.value
  const version = log.version.value
  const words = asked('q')
  const line = Number(asked('line')) - 1

  const found = useMemo(() => (words === '' ? undefined : log.lines.value.find(words)), [words, version, all])
  const rows = useMemo(() => found && folded(all.length, (at) => found.has(at), opened), [found, opened])

  useEffect(() => {
    if (line >= 0 && line < all.length && words === '' && view.current) view.current.scrollTop = Math.max(0, line - 5) * ROW
  }, [line, all.length > line])

  const raw = path('/v1/tasks/{id}/nodes/{node}/logs', { id, node }, { stream, attempt })
  return (
    <div class="screen logs">
      <div class="bar-row">
        <a href={href('/runs')} class="muted">Runs</a>
        <span class="muted">/</span>
        <a href={ofRun(id, 'graph', { node })}>{shortId(id)}</a>
        <span class="muted">/</span>
        <h1>{node}</h1>
        <Live standing={log.standing.value} />
        <span class="muted number">{counted(all.length, 'line')}{found === undefined ? '' : `, ${found.size.toLocaleString('en')} found`}</span>
        <span class="spring" />
        <input type="search" placeholder="search, and fold the rest" aria-label="Search the log" value={asked('q')} onInput={(event) => {
          setOpened(new Set())
          ask({ q: event.currentTarget.value })
        }} />
        <select aria-label="Stream" value={stream} onChange={(event) => ask({ stream: event.currentTarget.value })}>
          <option value="">both streams</option>
          <option value="stdout">stdout</option>
          <option value="stderr">stderr</option>
        </select>
        <button type="button" class="button" aria-pressed={isWrapped} onClick={() => setWrapped(!isWrapped)} title="Show long lines as a whole when one looks at them">Wrap</button>
        <a class="button" href={raw} download={`${node}.log`} data-plain>Download</a>
      </div>
      <Trouble error={log.trouble.value} />
      <div class={`log-lines ${isWrapped ? 'wrapped' : ''}`}>
        {all.length === 0 && log.standing.value.is !== 'refused' && <Empty>{log.standing.value.is === 'over' ? 'It wrote nothing.' : 'Nothing yet: lines appear as they are written.'}</Empty>}
        {all.length > 0 && (
          <Virtual view={view} count={rows?.length ?? all.length} rowHeight={ROW} label="Log" role="log" tail={words === '' && line < 0 ? 'follow' : 'stay'} row={(index) => {
            const row = rows ? rows[index] : { is: 'line' as const, at: index }
            if (!row) return null
            if (row.is === 'fold') {
              return (
                <div key={`f${row.from}`} class="log-fold">
                  <Button kind="quiet" onClick={() => setOpened(new Set([...opened, row.from]))}>… {counted(row.to - row.from, 'line')}</Button>
                </div>
              )
            }
            return <Line key={row.at} at={row.at} text={all[row.at] ?? ''} isMarked={row.at === line} />
          }} />
        )}
      </div>
    </div>
  )
}

function Line({ at, text, isMarked }: { at: number; text: string; isMarked: boolean }) {
  return (
    <div class={`log-line ${isMarked ? 'marked' : ''}`}>
      <button type="button" class="log-number" tabIndex={-1} title="A link to this line" onClick={() => ask({ line: isMarked ? '' : String(at + 1) })}>{at + 1}</button>
      <span class="log-text">{partsOf(text).map((part, index) => (part.style === '' ? part.text : <span key={index} class={part.style}>{part.text}</span>))}</span>
    </div>
  )
}
