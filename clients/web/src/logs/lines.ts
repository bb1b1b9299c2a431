// Owns lines of a log as they come, and which of them are shown. Promises: text that comes in pieces becomes the same lines
// however it was cut; what a search does not find is folded, never lost. Never styles.

import { plain } from './ansi'

/** Lines, and what has come of the last one. */
export class Lines {
  readonly all: string[] = []
  private rest = ''
  /** The first lines without styles and in small letters: made once, when somebody searches. */
  private readonly small: string[] = []

  add(piece: string): void {
    const lines = (this.rest + piece).split('\n')
    this.rest = lines.pop() ?? ''
    for (const line of lines) this.all.push(line)
  }

  /** Which lines hold these words, whatever their case. */
  find(words: string): Set<number> {
    const found = new Set<number>()
    const wanted = words.toLowerCase()
    for (const [at, line] of this.all.entries()) {
      const small = (this.small[at] ??= plain(line).toLowerCase())
      if (small.includes(wanted)) found.add(at)
    }
    return found
  }

  /** Nothing more comes: what is left is a line. */
  end(): void {
    if (this.rest !== '') this.all.push(this.rest)
    this.rest = ''
  }
}

/** A row of the view: a line, or the lines that a search does not find. */
export type Shown = { is: 'line'; at: number } | { is: 'fold'; from: number; to: number }

/** So many lines around one that is found are shown, too. */
const AROUND = 1

/** The rows of a search: found lines with their neighbours; the rest folded, but where somebody has opened a fold. */
export function folded(count: number, isFound: (at: number) => boolean, opened: ReadonlySet<number>): Shown[] {
  const keep = new Uint8Array(count)
  for (let at = 0; at < count; at += 1) {
    if (isFound(at)) keep.fill(1, Math.max(0, at - AROUND), Math.min(count, at + AROUND + 1))
  }
  const rows: Shown[] = []
  for (let at = 0; at < count; at += 1) {
    if (keep[at] === 1) {
      rows.push({ is: 'line', at })
      continue
    }
    let to = at
    while (to < count && keep[to] === 0) to += 1
    if (opened.has(at)) for (let line = at; line < to; line += 1) rows.push({ is: 'line', at: line })
    else rows.push({ is: 'fold', from: at, to })
    at = to - 1
  }
  return rows
}
