// Owns from where the graph is seen. Promises: what is under the pointer stays there while it is zoomed; nobody gets lost:
// a part of the graph is always in sight. Never draws.

export interface Camera {
  /** What stands in the upper left corner. */
  x: number
  y: number
  /** Pixels for one unit. */
  scale: number
}

export interface Size {
  width: number
  height: number
}

const NEAREST = 2.5
const FARTHEST = 0.004
/** So near one begins, at most. */
const FIRST = 1
const EDGE = 24

/** All of it, in the middle. */
export function fit(graph: Size, view: Size): Camera {
  const inside = { width: Math.max(1, view.width - EDGE * 2), height: Math.max(1, view.height - EDGE * 2) }
  const scale = Math.max(FARTHEST, Math.min(FIRST, inside.width / Math.max(1, graph.width), inside.height / Math.max(1, graph.height)))
  return { x: (graph.width - view.width / scale) / 2, y: (graph.height - view.height / scale) / 2, scale }
}

/** Nearer or farther by a factor; the point of the view stays where it is. */
export function zoom(camera: Camera, factor: number, at: { x: number; y: number }): Camera {
  const scale = Math.min(NEAREST, Math.max(FARTHEST, camera.scale * factor))
  return { x: camera.x + at.x / camera.scale - at.x / scale, y: camera.y + at.y / camera.scale - at.y / scale, scale }
}

/** Aside by pixels, but not so far that nothing is left in sight. */
export function pan(camera: Camera, dx: number, dy: number, graph: Size, view: Size): Camera {
  const keep = 60 / camera.scale
  const x = Math.min(Math.max(camera.x + dx / camera.scale, keep - view.width / camera.scale), graph.width - keep)
  const y = Math.min(Math.max(camera.y + dy / camera.scale, keep - view.height / camera.scale), graph.height - keep)
  return { x, y, scale: camera.scale }
}

/** A place in the middle, near enough to be read. */
export function centre(camera: Camera, place: { x: number; y: number }, view: Size): Camera {
  const scale = Math.max(camera.scale, 0.8)
  return { x: place.x - view.width / scale / 2, y: place.y - view.height / scale / 2, scale }
}
