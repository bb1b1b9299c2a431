// Owns a client that shows what was recorded: its files from dist/, the answers of the API from recorded.json. Promises: the same
// picture each time: the clock stands still, the zone is UTC, and nothing is asked of anybody. Never starts a process.

import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import answers from './recorded.json'

const AT = 'http://127.0.0.1:1'
const DIST = new URL('../dist', import.meta.url)
const TYPES: Partial<Record<string, string>> = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html' }

/** The ids that were recorded. */
export const RUN = '01a200660146734491c6e36b51baac9e'
export const LOOP = '01a20066100d725d896d0b0515dbd1b3'
export const SHIP = '01a20069d62374c8a03099a0cbe23a94'
/** A little after it was recorded. */
const NOW = '2026-11-21T23:16:59Z'

/** The stream of all runs stays open and says nothing. */
const SILENT = `{
  const real = window.fetch
  window.fetch = (asked, how) => (String(asked).startsWith('/v1/events') ? Promise.resolve(new Response(new ReadableStream())) : real(asked, how))
}`

/** Opens a recorded screen. */
export async function show(browser: Browser, path: string, look: { theme: 'light' | 'dark'; width: number; height: number }): Promise<Page> {
  const { theme, width, height } = look
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, timezoneId: 'UTC', locale: 'en-GB', reducedMotion: 'reduce' })
  const page = await context.newPage()
  await page.clock.setFixedTime(new Date(NOW))
  await page.addInitScript(SILENT)
  await page.route('**', (route) => {
    const { pathname, search } = new URL(route.request().url())
    if (!pathname.startsWith('/v1/') && pathname !== '/openapi.json') return route.fulfill(file(pathname))
    if (pathname === '/v1/validate') return route.fulfill({ json: { nodes: 2, edges: 1, levels: [['build'], ['deploy']] } })
    const said = (answers as Partial<Record<string, string>>)[pathname + search]
    if (said === undefined) return route.fulfill({ status: 404, json: { code: 'not_recorded', detail: `${pathname}${search} was not recorded` } })
    return route.fulfill({ body: said, contentType: said.startsWith('{') ? 'application/json' : 'text/plain' })
  })
  await page.goto(AT + path)
  return page
}

/** A file of the client; every other path is its page. */
function file(path: string): { body: Buffer; contentType: string } {
  const type = TYPES[extname(path)]
  return { body: readFileSync(`${DIST.pathname}${type === undefined ? '/index.html' : path}`), contentType: type ?? 'text/html' }
}
