// Owns one request to the API. Promises: a refusal is a `Refused` that carries the problem as the API said it, and what
// never came to an answer is an `Unreachable`; each request says that it comes from this page, which another origin
// cannot without being asked first. Never retries: who asks knows whether that is right.

import type { Problem } from './types'

/** What the gateway asks of every request that changes something: no form and no foreign page can send it. */
export const OURS = { 'x-gorch-ui': '1' } as const

/** The API said no, and why. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail)
    this.name = 'Refused'
  }
}

/** Nothing was said: the gateway or the orchestrator is not there. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('the orchestrator cannot be reached', { cause })
    this.name = 'Unreachable'
  }
}

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Sent as JSON; a text is sent as it is. */
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** The answer to a request, where it is a yes. */
export async function ask(path: string, { method = 'GET', body, headers = {}, signal }: Ask = {}): Promise<Response> {
  const said: Record<string, string> = { ...OURS, ...headers }
  const sent: RequestInit = { method, headers: said, cache: 'no-store', credentials: 'same-origin' }
  if (signal) sent.signal = signal
  if (body !== undefined) {
    sent.body = typeof body === 'string' ? body : JSON.stringify(body)
    said['content-type'] = 'application/json'
  }
  let answer: Response
  try {
    answer = await fetch(path, sent)
  } catch (error) {
    if (signal?.aborted) throw error
    throw new Unreachable(error)
  }
  if (answer.ok) return answer
  throw new Refused(await problemOf(answer))
}

/** The same, read as JSON. */
export async function json<T>(path: string, asked?: Ask): Promise<T> {
  const answer = await ask(path, asked)
  return (await answer.json()) as T
}

/** What an answer says that is a no; where it is no problem+json, as much as its status tells. */
async function problemOf(answer: Response): Promise<Problem> {
  const text = await answer.text()
  try {
    const said = JSON.parse(text) as Partial<Problem>
    if (typeof said.code === 'string' && typeof said.detail === 'string') return said as Problem
  } catch {
    // No JSON: told below.
  }
  const detail = `the answer is ${answer.status} ${answer.statusText} and does not say why`
  return { type: 'about:blank', title: answer.statusText, status: answer.status, code: 'unexplained', detail, message: detail }
}
