// Owns what states, times and numbers are called and how they look. Promises: a state has a word, an icon and a colour, so
// that none of them has to be seen; the icon is one path for pages and canvases. Never asks the clock: `now` comes in.

import type { Outcome, State } from '../api/types'
import { failureOf } from '../run/fold'

export interface Look {
  word: string
  /** Strokes on 16 x 16. */
  icon: string
}

export const LOOKS: Record<State, Look> = {
  initial: { word: 'not started', icon: 'M8 5.5a2.5 2.5 0 1 0 .01 0z' },
  torun: { word: 'waiting', icon: 'M8 2.8a5.2 5.2 0 1 0 .01 0zM8 5v3.2l2.2 1.4' },
  running: { word: 'running', icon: 'M5.5 3.5v9l7-4.5z' },
  success: { word: 'succeeded', icon: 'M3.2 8.6l3.2 3.2 6.4-7.4' },
  failure: { word: 'failed', icon: 'M4 4l8 8M12 4l-8 8' },
  notrunnable: { word: 'skipped', icon: 'M3.5 4l4.5 4-4.5 4M8 4l4.5 4L8 12' },
  timeout: { word: 'timed out', icon: 'M4.5 3h7M4.5 13h7M5.5 3c0 3.5 5 6.5 5 10M10.5 3c0 3.5-5 6.5-5 10' },
  canceled: { word: 'cancelled', icon: 'M4 4h8v8H4z' },
}

export const STATES = Object.keys(LOOKS) as State[]

/** In the order in which a bar shows them: what is done first. */
export const BAR_ORDER: State[] = ['success', 'failure', 'timeout', 'canceled', 'running', 'torun', 'notrunnable', 'initial']

export const isState = (word: string): word is State => word in LOOKS
export const hasFailed = (state: State | undefined): boolean => state === 'failure' || state === 'timeout'
export const isOver = (state: State): boolean => state !== 'initial' && state !== 'torun' && state !== 'running'

/** A length of time as one reads it: `0.05 s`, `12 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(milliseconds: number): string {
  if (milliseconds <= 0) return '0 s'
  const seconds = milliseconds / 1000
  if (seconds < 10) return `${seconds < 0.1 ? seconds.toFixed(2) : seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return pair(whole, 60, 'min', 's')
  if (whole < 86_400) return pair(Math.floor(whole / 60), 60, 'h', 'min')
  return pair(Math.floor(whole / 3600), 24, 'd', 'h')
}

function pair(value: number, size: number, large: string, small: string): string {
  const rest = value % size
  return rest === 0 ? `${Math.floor(value / size)} ${large}` : `${Math.floor(value / size)} ${large} ${rest} ${small}`
}

const sameDay = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
const otherDay = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false })

/** An instant: the time where it is today, else the day, too. */
export function instant(at: number, now: number): string {
  const isToday = new Date(at).toDateString() === new Date(now).toDateString()
  return (isToday ? sameDay : otherDay).format(at)
}

/** A number with its noun: `1 edge`, `2 edges`. */
export const counted = (count: number, noun: string): string => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`

export const shortId = (id: string): string => id.slice(0, 12)

const SIGNALS: Record<number, string> = { 1: 'HUP', 2: 'INT', 3: 'QUIT', 4: 'ILL', 6: 'ABRT', 7: 'BUS', 8: 'FPE', 9: 'KILL', 11: 'SEGV', 13: 'PIPE', 14: 'ALRM', 15: 'TERM' }

/** What an exit code usually says. */
export function exitCode(code: number): string {
  if (code === 0) return '0: it said that all is well'
  if (code === 126) return '126: the file is there and cannot be run'
  if (code === 127) return '127: a command was not found'
  const signal = SIGNALS[code - 128]
  if (signal !== undefined) return `${code}: a program in it was ended by the signal ${signal}`
  return code === 1 ? '1: it failed, and says no more by its code' : code === 2 ? '2: often wrong usage' : `${code}: its own code`
}

/** How something ended, in a word and perhaps a code. */
export function outcomeWords(outcome: Outcome): string {
  const failure = failureOf(outcome)
  return failure ? `failed: ${failure.code}` : outcome as string
}

export const bytes = (count: number): string =>
  count < 1024 ? `${count} B` : count < 1024 ** 2 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1024 ** 2).toFixed(1)} MiB`
