// Owns the address: which screen, of what, filtered how. Promises: the address alone says what is shown, so that it can be
// sent to somebody; paths begin below the base of the build, without a hash. Never knows the screens.

import { computed, signal } from '@preact/signals'

const base = import.meta.env.BASE_URL.replace(/\/$/, '')
const here = signal(read())

interface Place {
  path: string
  query: URLSearchParams
}

function read(): Place {
  const { pathname, search } = window.location
  return { path: pathname.startsWith(base) ? pathname.slice(base.length) || '/' : pathname, query: new URLSearchParams(search) }
}

window.addEventListener('popstate', () => {
  here.value = read()
})

/** The parts of the path, decoded. */
export const parts = computed(() => here.value.path.split('/').filter((part) => part !== '').map(decodeURIComponent))

/** What the query says of this; empty where it says nothing. */
export const asked = (name: string): string => here.value.query.get(name) ?? ''

/** The address of a screen. */
export function href(path: string, query: Record<string, string> = {}): string {
  const said = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString()
  return `${base}${path}${said === '' ? '' : `?${said}`}`
}

/** The address of a screen of a run. */
export const ofRun = (id: string, screen: string, query: Record<string, string> = {}): string => href(`/runs/${id}/${screen}`, query)

/** Where one comes back to, and what is passed over by `back`. */
export type Step = 'push' | 'replace'

/** Goes to an address that `href` made. */
export function go(to: string, step: Step = 'push'): void {
  if (step === 'push') window.history.pushState(null, '', to)
  else window.history.replaceState(null, '', to)
  here.value = read()
}

/** Says something else in the query of this address. What is typed letter by letter should not fill the history. */
export function ask(changes: Record<string, string>, step: Step = 'replace'): void {
  const query = Object.fromEntries([...here.value.query, ...Object.entries(changes)])
  go(href(here.value.path, query), step)
}

/** Follows links of our own without loading the page again. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (!link || link.target !== '' || link.hasAttribute('download') || link.origin !== window.location.origin) return
  if (link.getAttribute('href')?.startsWith('#') === true || link.dataset['plain'] !== undefined) return
  event.preventDefault()
  go(link.pathname + link.search)
}
