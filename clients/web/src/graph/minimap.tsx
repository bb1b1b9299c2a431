// Owns the small picture of the whole graph with the part that is seen. Promises: it costs little: it is painted at most four
// times a second, and not at all where everything is in sight. Never shows edges.

import { effect, type Signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Watched } from '../run/store'
import { dependsOn } from '../ui/depends'
import { colours, repaint } from '../ui/theme'
import type { Camera, Size } from './camera'
import { at } from './layers'
import type { Layout } from './layout'

const ROOM = { width: 190, height: 120 }
const BETWEEN = 250

export function Minimap({ watched, layout, camera, size }: {
  watched: Watched
  layout: Signal<Layout | undefined>
  camera: Signal<Camera | undefined>
  size: { current: Size }
}) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const frame = useRef<HTMLDivElement>(null)
  const scaleOf = (drawn: Layout) => Math.min(ROOM.width / drawn.width, ROOM.height / drawn.height)

  useEffect(() => {
    const ctx = canvas.current?.getContext('2d')
    if (!ctx) return undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    const draw = () => {
      timer = undefined
      const drawn = layout.value
      if (!drawn) return
      const scale = scaleOf(drawn)
      const colour = colours()
      ctx.clearRect(0, 0, ROOM.width * 2, ROOM.height * 2)
      watched.run.states.forEach((state, node) => {
        ctx.fillStyle = colour(`${state}-block`)
        const { x, y, w, h } = drawn
        ctx.fillRect(at(x, node) * scale * 2, at(y, node) * scale * 2, Math.max(1.5, at(w, node) * scale * 2), Math.max(1.5, at(h, node) * scale * 2))
      })
    }
    const stopPainting = effect(() => {
      dependsOn(watched.version.value, layout.value, repaint.value)
      timer ??= setTimeout(draw, BETWEEN)
    })
    const stopMoving = effect(() => {
      const [drawn, seen, element] = [layout.value, camera.value, frame.current]
      if (!drawn || !seen || !element) return
      const scale = scaleOf(drawn)
      const { width, height } = size.current
      if (element.parentElement) element.parentElement.style.height = `${Math.max(24, Math.min(ROOM.height, drawn.height * scale)) + 2}px`
      const isAll = seen.x <= 0 && seen.y <= 0 && seen.x + width / seen.scale >= drawn.width && seen.y + height / seen.scale >= drawn.height
      element.parentElement?.classList.toggle('hidden', isAll)
      element.style.transform = `translate(${seen.x * scale}px, ${seen.y * scale}px)`
      element.style.width = `${(width / seen.scale) * scale}px`
      element.style.height = `${(height / seen.scale) * scale}px`
    })
    return () => {
      clearTimeout(timer)
      stopPainting()
      stopMoving()
    }
  }, [watched])

  const move = (event: PointerEvent) => {
    if (event.buttons !== 1 || !layout.value || !camera.value) return
    const scale = scaleOf(layout.value)
    const { width, height } = size.current
    const { scale: near } = camera.value
    camera.value = { x: event.offsetX / scale - width / near / 2, y: event.offsetY / scale - height / near / 2, scale: near }
  }
  return (
    <div class="minimap hidden" aria-hidden="true">
      <canvas ref={canvas} width={ROOM.width * 2} height={ROOM.height * 2} onPointerDown={move} onPointerMove={move} />
      <div class="minimap-seen" ref={frame} />
    </div>
  )
}
