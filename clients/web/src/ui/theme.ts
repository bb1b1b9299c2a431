// Owns light and dark. Promises: what the system prefers, until somebody chose; the choice is kept in this browser.
// Never draws: colours are custom properties of styles/, and who paints on a canvas reads them from here.

import { signal } from '@preact/signals'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'gorch.theme'
const THEMES: readonly Theme[] = ['system', 'light', 'dark']
const dark = window.matchMedia('(prefers-color-scheme: dark)')

export const theme = signal<Theme>(kept())
/** Counts how often the colours have changed: a canvas paints anew then. */
export const repaint = signal(0)

function kept(): Theme {
  const said = window.localStorage.getItem(KEY)
  return THEMES.find((known) => known === said) ?? 'system'
}

function apply(): void {
  const shown = theme.value === 'system' ? (dark.matches ? 'dark' : 'light') : theme.value
  document.documentElement.dataset['theme'] = shown
  repaint.value += 1
}

/** From the one to the next. */
export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system'
  window.localStorage.setItem(KEY, theme.value)
  apply()
}

/** A reader of custom properties, as they are now. */
export function colours(): (name: string) => string {
  const style = getComputedStyle(document.documentElement)
  const known = new Map<string, string>()
  return (name) => {
    const colour = known.get(name) ?? style.getPropertyValue(`--${name}`).trim()
    known.set(name, colour)
    return colour
  }
}

dark.addEventListener('change', apply)
apply()
