// Owns the lines of edges: where they begin, bend and end, and where their condition is written. Promises: the same shapes
// whether layers stand beside or below each other: it thinks along the flow and across it, and turns that at the end.
// Never chooses a colour.

import type { Edge } from '../run/document'
import { at } from './layers'
import type { Layout } from './layout'

/** What is drawn on: a canvas, or whoever notes what would be drawn. */
export type Pen = Pick<CanvasPath, 'moveTo' | 'lineTo' | 'bezierCurveTo' | 'closePath'>

/** How far an edge that leads back goes round. */
const LOOP = 34
const HEAD = { length: 7, half: 3.5 }

export class Lines {
  private readonly isDown: boolean

  constructor(private readonly layout: Layout, private readonly edges: readonly Edge[]) {
    this.isDown = layout.way === 'down'
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
    const { bends, points, ends, thick, layer } = this.layout
    // Beside a larger node of the same layer the line goes straight on.
    let from = { along: at(ends, at(layer, this.edges[index]?.from ?? 0)), across: begin.across }
    pen.lineTo(...this.turn(from.along, from.across))
    for (let point = at(bends, index); point < at(bends, index + 1); point += 2) {
      const [passed, across] = [at(points, point), at(points, point + 1)]
      this.curve(pen, from, { along: at(ends, passed) - at(thick, passed), across })
      from = { along: at(ends, passed), across }
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
    return this.turn(end.along - (this.isDown ? 22 : 46), (before + end.across) / 2)
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
    const [first, last] = [this.size(edge?.from ?? 0), this.size(edge?.to ?? 0)]
    if (this.isBack(index)) {
      const side = this.isBefore(index) ? 0 : 1
      return {
        begin: { along: from.along + first.along / 2, across: from.across + side * first.across },
        end: { along: to.along + last.along / 2, across: to.across + side * last.across },
      }
    }
    return { begin: { along: from.along + first.along, across: from.across + first.across / 2 }, end: { along: to.along, across: to.across + last.across / 2 } }
  }

  private corner(node: number): Place {
    return this.place(at(this.layout.x, node), at(this.layout.y, node))
  }

  private size(node: number): Place {
    return this.place(at(this.layout.w, node), at(this.layout.h, node))
  }

  private place(x: number, y: number): Place {
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
