// Owns the routes that this client uses, one function each. Promises: each path and its parameters are those of
// docs/openapi.json: a route that is not there does not compile. Never keeps an answer.

import { type Ask, ask, json } from './http'
import type { paths } from './schema'
import type { Accepted, Did, ExecutorList, NodeView, Plan, RunList, RunSummary, WhoAmI, Why } from './types'

type Route = keyof paths
type Values = Record<string, string | number | boolean | undefined>

/** A route with its places filled, and its query: what is absent or empty is left out. */
export function path(route: Route, places: Record<string, string> = {}, query: Values = {}): string {
  const filled = route.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(places[name] ?? ''))
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString()
  return text === '' ? filled : `${filled}?${text}`
}

const post = (body?: unknown): Ask => (body === undefined ? { method: 'POST' } : { method: 'POST', body })

type RunFilter = NonNullable<paths['/v1/tasks']['get']['parameters']['query']>

export const whoami = (): Promise<WhoAmI> => json(path('/v1/whoami'))
export const executors = (): Promise<ExecutorList> => json(path('/v1/executors'))

export function runs(filter: { [Key in keyof RunFilter]: RunFilter[Key] | undefined }, signal?: AbortSignal): Promise<RunList> {
  return json(path('/v1/tasks', {}, filter as Values), signal ? { signal } : {})
}

export const runState = (id: string): Promise<RunSummary> => json(path('/v1/tasks/{id}', { id }, { view: 'state' }))
export const node = (id: string, name: string): Promise<NodeView> => json(path('/v1/tasks/{id}/nodes/{node}', { id, node: name }))
export const why = (id: string, name: string): Promise<Why> => json(path('/v1/tasks/{id}/why/{node}', { id, node: name }))

export const cancel = (id: string): Promise<Did> => json(path('/v1/tasks/{id}/cancel', { id }), post())
export const pause = (id: string): Promise<Did> => json(path('/v1/tasks/{id}/pause', { id }), post())
export const resume = (id: string): Promise<Did> => json(path('/v1/tasks/{id}/resume', { id }), post())
export const rerun = (id: string, from: string): Promise<Accepted> => json(path('/v1/tasks/{id}/rerun', { id }), post({ from }))
export const undo = (id: string): Promise<Accepted> => json(path('/v1/tasks/{id}/undo', { id }), post())

export const cancelNode = (id: string, name: string): Promise<Did> =>
  json(path('/v1/tasks/{id}/nodes/{node}/cancel', { id, node: name }), post())
export const approve = (id: string, name: string, message: string): Promise<Did> =>
  json(path('/v1/tasks/{id}/nodes/{node}/approve', { id, node: name }), post({ message }))
export const refuse = (id: string, name: string, message: string): Promise<Did> =>
  json(path('/v1/tasks/{id}/nodes/{node}/refuse', { id, node: name }), post({ message }))
export const signal = (id: string, name: string, data: unknown): Promise<Did> =>
  json(path('/v1/tasks/{id}/signals/{name}', { id, name }), post(data))

export const validate = (document: string, stop: AbortSignal): Promise<Plan> =>
  json(path('/v1/validate'), { ...post(document), signal: stop })
/** The key makes a second click the same run. */
export const submit = (document: string, key: string): Promise<Accepted> =>
  json(path('/v1/tasks'), { ...post(document), headers: { 'idempotency-key': key } })

export const openapi = (): Promise<unknown> => json(path('/openapi.json'))

/** What a node writes, as it writes it; ends with the attempt. */
export async function logs(id: string, name: string, query: Values, stop: AbortSignal): Promise<Response> {
  return ask(path('/v1/tasks/{id}/nodes/{node}/logs', { id, node: name }, query), { signal: stop })
}
