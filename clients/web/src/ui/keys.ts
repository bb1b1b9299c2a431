// Owns the keyboard: keys that do something wherever one is, and keys of the screen that is shown. Promises: nothing is
// taken from a field that is typed into, nor from the browser's own combinations. Never lists a key that does nothing.

import { useLayoutEffect, useRef } from 'preact/hooks'
import { signal } from '@preact/signals'

export interface Key {
  /** One key, or two after each other: `g r`. */
  keys: string
  does: string
  act: () => void
}

interface Group {
  title: string
  readonly keys: Key[]
}

/** The keys that count now, in groups. */
export const groups = signal<Group[]>([])

const PAUSE = 900
let before = { key: '', at: 0 }

/** Puts keys into force for as long as the component is shown: what is seen can be pressed, so not only after a paint. */
export function useKeys(title: string, keys: Key[]): void {
  const latest = useRef(keys)
  latest.current = keys
  useLayoutEffect(() => {
    // What a key does may change with each drawing; the group stays in force.
    const group: Group = {
      title,
      get keys() {
        return latest.current
      },
    }
    groups.value = [...groups.value, group]
    return () => {
      groups.value = groups.value.filter((other) => other !== group)
    }
  }, [title])
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** What has a use of its own for Enter. */
const isPressable = (target: EventTarget | null): boolean => target instanceof Element && target.closest('a, button, summary') !== null

function pressed(event: KeyboardEvent): void {
  if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return
  if (isTyping(event.target)) {
    if (event.key === 'Escape' && event.target instanceof HTMLElement) event.target.blur()
    return
  }
  if (event.key === 'Enter' && isPressable(event.target)) return
  const pair = event.timeStamp - before.at < PAUSE ? `${before.key} ${event.key}` : ''
  before = { key: event.key, at: event.timeStamp }
  const all = groups.value.flatMap((group) => group.keys).reverse()
  const found = all.find((key) => key.keys === pair) ?? all.find((key) => key.keys === event.key)
  if (!found) return
  event.preventDefault()
  before = { key: '', at: 0 }
  found.act()
}

window.addEventListener('keydown', pressed)

/** Puts the cursor into the search field of the screen. */
export function focusSearch(): void {
  document.querySelector<HTMLInputElement>('input[type=search]')?.focus()
}
