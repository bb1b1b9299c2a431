// Owns lists that are longer than a screen: only the rows that can be seen are there. Promises: rows of one height, any
// number of them, at the cost of those that are seen. Never knows what a row shows.

import type { ComponentChildren, RefObject } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

export interface VirtualProps {
  count: number
  rowHeight: number
  row: (index: number) => ComponentChildren
  /** Said of the list as a whole: its role, its label. */
  label: string
  /** A grid of its own, the rows of a table around it, or lines of a log. */
  role?: 'grid' | 'treegrid' | 'rowgroup' | 'log'
  /** Follows the end as rows are added, as long as one looks at the end. */
  tail?: 'follow' | 'stay'
  /** Called when the end comes near. */
  onEnd?: () => void
  /** Where others scroll it from. */
  view?: RefObject<HTMLDivElement | null>
}

const SPARE = 8

export function Virtual({ count, rowHeight, row, label, role = 'grid', tail = 'stay', onEnd, view }: VirtualProps) {
  const own = useRef<HTMLDivElement>(null)
  const box = view ?? own
  const [seen, setSeen] = useState({ top: 0, height: 600 })
  const atEnd = useRef(true)

  const look = () => {
    const element = box.current
    if (!element) return
    atEnd.current = element.scrollTop + element.clientHeight >= element.scrollHeight - rowHeight * 2
    setSeen({ top: element.scrollTop, height: element.clientHeight })
    if (onEnd && element.scrollTop + element.clientHeight * 2 > element.scrollHeight) onEnd()
  }

  useEffect(() => {
    const element = box.current
    if (!element) return undefined
    const watch = new ResizeObserver(look)
    watch.observe(element)
    return () => watch.disconnect()
  }, [])

  useLayoutEffect(() => {
    const element = box.current
    if (tail === 'follow' && atEnd.current && element) element.scrollTop = element.scrollHeight
  }, [count, tail])

  const first = Math.max(0, Math.floor(seen.top / rowHeight) - SPARE)
  const last = Math.min(count, Math.ceil((seen.top + seen.height) / rowHeight) + SPARE)
  const isGrid = role === 'grid' || role === 'treegrid'
  const rows = []
  for (let index = first; index < last; index += 1) rows.push(row(index))
  return (
    <div class="virtual" ref={box} onScroll={look} role={role} aria-label={label} aria-rowcount={isGrid ? count : undefined} tabIndex={0}>
      <div class="virtual-all" role="presentation" style={{ height: `${count * rowHeight}px` }}>
        <div class="virtual-seen" role={isGrid ? 'rowgroup' : 'presentation'} style={{ transform: `translateY(${first * rowHeight}px)` }}>
          {rows}
        </div>
      </div>
    </div>
  )
}
