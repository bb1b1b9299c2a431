// Owns the lines of edges: where they begin, bend and end, and where their condition is written. Promises: the same shapes
// whether layers stand beside or below each other: it thinks along the flow and across it, and turns that at the end.
// Never chooses a colour.

import type { Edge } from '../run/document'
import { at } from './layers'
import { BOX, type Layout } from './layout'

/** What is drawn on: a canvas, or whoever notes what would be drawn. */
export type Pen = Pick<CanvasPath, 'moveTo' | 'lineTo' | 'bezierCurveTo' | 'closePath'>

/** How far an edge that leads back goes round. */
const LOOP = 34
const HEAD = { length: 7, half: 3.5 }

export class Lines {
  private readonly isDown: boolean
  /** The size of a box along the flow and across it. */
  private readonly size: { along: number; across: number }

  constructor(private readonly layout: Layout, private readonly edges: readonly Edge[]) {
    this.isDown = layout.way === 'down'
    this.size = this.isDown ? { along: BOX.height, across: BOX.width } : { along: BOX.width, across: BOX.height }
  }

  /** The line of an edge; a straight one where there are too many to see their shapes. */
  trace(pen: Pen, index: number, shape: 'curved' | 'straight'): void {
    const { begin, end } = this.ends(index)
    pen.moveTo(...this.turn(begin.along, begin.across))
    if (this.isBack(index)) {
      const round = this.round(index)
      const aside = begin.along === end.along ? LOOP : 0
      pen.bezierCurveTo(...this.turn(begin.along + aside, round), ...this.turn(end.along - aside, round), ...this.turn(end.along, end.across))
      return
    }
    if (shape === 'straight') {
      pen.lineTo(...this.turn(end.along, end.across))
      return
    }
    let from = begin
    const { bends, points } = this.layout
    for (let point = at(bends, index); point < at(bends, index + 1); point += 2) {
      const [middle, across] = [at(points, point), at(points, point + 1)]
      this.curve(pen, from, { along: middle - this.size.along / 2, across })
      from = { along: middle + this.size.along / 2, across }
      pen.lineTo(...this.turn(from.along, from.across))
    }
    this.curve(pen, from, end)
  }

  /** The head of its arrow. */
  head(pen: Pen, index: number): void {
    const { end } = this.ends(index)
    pen.moveTo(...this.turn(end.along, end.across))
    if (this.isBack(index)) {
      const out = end.across + (this.isBefore(index) ? -HEAD.length : HEAD.length)
      pen.lineTo(...this.turn(end.along + HEAD.half, out))
      pen.lineTo(...this.turn(end.along - HEAD.half / 2, out))
    } else {
      pen.lineTo(...this.turn(end.along - HEAD.length, end.across - HEAD.half))
      pen.lineTo(...this.turn(end.along - HEAD.length, end.across + HEAD.half))
    }
    pen.closePath()
  }

  /** Where its condition is written. */
  label(index: number): [number, number] {
    const { begin, end } = this.ends(index)
    if (this.isBack(index)) return this.turn((begin.along + end.along) / 2, (begin.across + end.across) / 8 + this.round(index) * 0.75)
    const { bends, points } = this.layout
    const before = at(bends, index + 1) > at(bends, index) ? at(points, at(bends, index + 1) - 1) : begin.across
    return this.turn(end.along - (this.isDown ? 22 : 38), (before + end.across) / 2)
  }

  private isBack(index: number): boolean {
    return this.layout.back[index] === 1
  }

  /** Does an edge that leads back go round on the near side? It does where its source stands there. */
  private isBefore(index: number): boolean {
    const edge = this.edges[index]
    if (!edge || edge.from === edge.to) return false
    return this.corner(edge.from).across <= this.corner(edge.to).across
  }

  private round(index: number): number {
    const { begin, end } = this.ends(index)
    const out = LOOP + Math.min(60, Math.abs(begin.along - end.along) / 12)
    return this.isBefore(index) ? Math.min(begin.across, end.across) - out : Math.max(begin.across, end.across) + out
  }

  private ends(index: number): { begin: Place; end: Place } {
    const edge = this.edges[index]
    const [from, to] = [this.corner(edge?.from ?? 0), this.corner(edge?.to ?? 0)]
    const { along, across } = this.size
    if (this.isBack(index)) {
      const side = this.isBefore(index) ? 0 : across
      return { begin: { along: from.along + along / 2, across: from.across + side }, end: { along: to.along + along / 2, across: to.across + side } }
    }
    return { begin: { along: from.along + along, across: from.across + across / 2 }, end: { along: to.along, across: to.across + across / 2 } }
  }

  private corner(node: number): Place {
    const [x, y] = [at(this.layout.x, node), at(this.layout.y, node)]
    return this.isDown ? { along: y, across: x } : { along: x, across: y }
  }

  private curve(pen: Pen, from: Place, to: Place): void {
    const half = (to.along - from.along) / 2
    pen.bezierCurveTo(...this.turn(from.along + half, from.across), ...this.turn(to.along - half, to.across), ...this.turn(to.along, to.across))
  }

  private turn(along: number, across: number): [number, number] {
    return this.isDown ? [across, along] : [along, across]
  }
}

interface Place {
  along: number
  across: number
}
