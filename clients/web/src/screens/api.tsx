// Owns the screen of the API: every route with its role, parameters and answers, read from the description that the
// orchestrator serves. Promises: it shows what this orchestrator has, not what this client was built with. It is our own because
// Swagger UI alone would take most of what we may ship. Never sends anything.

import { useEffect, useState } from 'preact/hooks'
import { openapi } from '../api/client'
import { ask, asked } from '../router'
import { Empty, Trouble } from '../ui/parts'
import { useTitle } from '../ui/title'

interface Parameter {
  name: string
  in: string
  description?: string
}

interface Operation {
  summary?: string
  description?: string
  tags?: string[]
  parameters?: Parameter[]
  responses?: Record<string, { description?: string }>
  'x-gorch-role'?: string
}

interface Route {
  method: string
  path: string
  said: Operation
}

const METHODS = ['get', 'post', 'put', 'delete'] as const

function routesOf(description: unknown): Route[] {
  const paths = (description as { paths?: Record<string, Partial<Record<string, Operation>>> }).paths ?? {}
  return Object.entries(paths).flatMap(([path, methods]) => METHODS.flatMap((method) => {
    const said = methods[method]
    return said ? [{ method: method.toUpperCase(), path, said }] : []
  }))
}

export function Api() {
  useTitle('API')
  const [routes, setRoutes] = useState<Route[] | undefined>(undefined)
  const [trouble, setTrouble] = useState<unknown>(undefined)
  useEffect(() => {
    openapi().then((description) => setRoutes(routesOf(description)), setTrouble)
  }, [])
  const words = asked('q').toLowerCase()
  const shown = routes?.filter(({ path, said }) => `${path} ${said.summary ?? ''} ${said.tags?.join(' ') ?? ''}`.toLowerCase().includes(words))
  return (
    <div class="screen api">
      <div class="bar-row">
        <h1>API</h1>
        {routes && <span class="muted">{routes.length} routes</span>}
        <span class="spring" />
        <input type="search" placeholder="search" aria-label="Search the API" value={asked('q')} onInput={(event) => ask({ q: event.currentTarget.value })} />
        <a class="button" href="/openapi.json" download="openapi.json" data-plain>openapi.json</a>
      </div>
      <Trouble error={trouble} />
      <div class="api-routes">
        {shown?.map((route) => <One key={route.method + route.path} route={route} />)}
        {shown?.length === 0 && <Empty>No route is like that.</Empty>}
      </div>
    </div>
  )
}

function One({ route: { method, path, said } }: { route: Route }) {
  return (
    <details>
      <summary>
        <b class={`method m-${method}`}>{method}</b>
        <code>{path}</code>
        <span class="muted">{said.summary}</span>
        <span class="spring" />
        {said['x-gorch-role'] && <span class="tag">{said['x-gorch-role']}</span>}
      </summary>
      <div class="api-said">
        {said.description && <p>{said.description}</p>}
        {said.parameters && said.parameters.length > 0 && (
          <dl class="values">
            {said.parameters.map((one) => <div key={one.in + one.name}><dt><code>{one.name}</code> <span class="muted">{one.in}</span></dt><dd>{one.description}</dd></div>)}
          </dl>
        )}
        <dl class="values">
          {Object.entries(said.responses ?? {}).map(([status, one]) => <div key={status}><dt>{status}</dt><dd>{one.description}</dd></div>)}
        </dl>
      </div>
    </details>
  )
}
