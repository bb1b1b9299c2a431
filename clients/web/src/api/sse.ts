// Owns a stream of server-sent events over fetch: its lines, its place, its return after a break. Promises: whoever
// listens gets each numbered event once and in order, however often the connection breaks, because each return names the
// last number that was given out. A page that nobody sees holds no connection: browsers allow few of them to one origin.
// Never gives up by itself but on a refusal; never polls.

import { ask, Refused } from './http'

/** One event of a stream. */
export interface Message {
  /** Absent in events that are not replayed. */
  id?: string
  name: string
  data: string
}

/** Cuts text that comes in pieces into messages. */
export class Reader {
  /** Pieces of a line that has not ended: a large document comes in many, and is put together once. */
  private rest: string[] = []
  private lines: string[] = []

  /** The messages that are whole now. */
  read(piece: string): Message[] {
    this.rest.push(piece)
    if (!piece.includes('\n')) return []
    const text = this.rest.join('')
    const found: Message[] = []
    let begin = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', begin)) {
      const line = text.slice(begin, text[end - 1] === '\r' ? end - 1 : end)
      begin = end + 1
      if (line !== '') this.lines.push(line)
      else if (this.lines.length > 0) {
        const message = messageOf(this.lines)
        if (message) found.push(message)
        this.lines = []
      }
    }
    this.rest = [text.slice(begin)]
    return found
  }
}

function messageOf(lines: string[]): Message | undefined {
  const message: Message = { name: 'message', data: '' }
  const data: string[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon === 0) continue
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') data.push(value)
    else if (field === 'event') message.name = value
    else if (field === 'id') message.id = value
  }
  if (data.length === 0) return undefined
  message.data = data.join('\n')
  return message
}

/** How a stream stands. */
export type Standing =
  | { is: 'connecting' }
  | { is: 'live' }
  | { is: 'reconnecting'; attempt: number }
  | { is: 'refused'; why: Refused }
  | { is: 'over' }

export interface Listener {
  /** What came, in order: as many at once as came at once. */
  messages: (batch: Message[]) => void
  standing: (now: Standing) => void
  /** Has all been said? Asked when a connection ends without an error. */
  isOver: () => boolean
}

/** Milliseconds of work at a stretch. */
const SLICE = 12
const FIRST_WAIT = 250
const LONGEST_WAIT = 8_000

/** The wait before the nth return: twice as long each time, and up to a quarter shorter, so that not all come at once. */
export function wait(attempt: number, chance: number): number {
  return Math.min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * (1 - chance / 4)
}

/** Follows a stream until it is over, refused, or stopped by the function that this returns. */
export function follow(url: string, listener: Listener): () => void {
  const stop = new AbortController()
  let last: string | undefined
  let attempt = 0

  const connection = async (): Promise<void> => {
    const headers: Record<string, string> = { accept: 'text/event-stream' }
    if (last !== undefined) headers['last-event-id'] = last
    const answer = await ask(url, { headers, signal: connected.signal })
    if (!answer.body) return
    listener.standing({ is: 'live' })
    attempt = 0
    const reader = new Reader()
    let since = performance.now()
    const pieces = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    for (let piece = await pieces.read(); !piece.done; piece = await pieces.read()) {
      const batch = reader.read(piece.value)
      if (batch.length === 0) continue
      last = batch.findLast((message) => message.id !== undefined)?.id ?? last
      listener.messages(batch)
      // A stream that never pauses must not keep the page from being drawn.
      if (performance.now() - since > SLICE) {
        await pause(0, connected.signal)
        since = performance.now()
      }
    }
  }

  const isStopped = () => stop.signal.aborted
  let connected = new AbortController()
  const hide = () => {
    if (isHidden()) connected.abort()
  }
  stop.signal.addEventListener('abort', () => connected.abort())
  whenSeen.addEventListener('change', hide, { signal: stop.signal })

  const go = async (): Promise<void> => {
    listener.standing({ is: 'connecting' })
    for (;;) {
      await seen(stop.signal)
      if (isStopped()) return
      connected = new AbortController()
      try {
        await connection()
      } catch (error) {
        if (error instanceof Refused && error.problem.status < 500) {
          listener.standing({ is: 'refused', why: error })
          return
        }
      }
      if (isStopped()) return
      if (listener.isOver()) {
        listener.standing({ is: 'over' })
        return
      }
      if (isHidden()) continue
      attempt += 1
      listener.standing({ is: 'reconnecting', attempt })
      await pause(wait(attempt, Math.random()), stop.signal)
      if (isStopped()) return
    }
  }
  void go()
  return () => stop.abort()
}

/** Tells of `change` when the page is seen, or not seen any more. */
const whenSeen = new EventTarget()
const isHidden = () => typeof document !== 'undefined' && document.visibilityState === 'hidden'
if (typeof document !== 'undefined') document.addEventListener('visibilitychange', () => whenSeen.dispatchEvent(new Event('change')))

/** Waits until somebody sees the page. */
function seen(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (isHidden() && !stop.aborted) return
      whenSeen.removeEventListener('change', look)
      resolve()
    }
    whenSeen.addEventListener('change', look)
    stop.addEventListener('abort', look, { once: true })
    look()
  })
}

function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    stop.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    }, { once: true })
  })
}
