// Owns the proof that nobody gets lost in a graph.

import { expect, test } from 'vitest'
import { type Camera, centre, fit, pan, zoom } from './camera'

const VIEW = { width: 800, height: 600 }
const GRAPH = { width: 24_000, height: 9_000 }
const seen = (camera: Camera, x: number, y: number) => ({ x: (x - camera.x) * camera.scale, y: (y - camera.y) * camera.scale })

test('at first all is in sight, and what is small is not blown up', () => {
  const camera = fit(GRAPH, VIEW)
  for (const [x, y] of [[0, 0], [GRAPH.width, GRAPH.height]] as const) {
    const place = seen(camera, x, y)
    expect(place.x).toBeGreaterThanOrEqual(0)
    expect(place.x).toBeLessThanOrEqual(VIEW.width)
    expect(place.y).toBeGreaterThanOrEqual(0)
    expect(place.y).toBeLessThanOrEqual(VIEW.height)
  }
  expect(fit({ width: 100, height: 40 }, VIEW).scale).toBe(1)
})

test('what is under the pointer stays there while one zooms', () => {
  const before = fit(GRAPH, VIEW)
  const pointer = { x: 123, y: 456 }
  const under = { x: before.x + pointer.x / before.scale, y: before.y + pointer.y / before.scale }
  const after = zoom(before, 3, pointer)
  const place = seen(after, under.x, under.y)
  expect(place.x).toBeCloseTo(pointer.x)
  expect(place.y).toBeCloseTo(pointer.y)
})

test('however far one goes, a part of the graph stays in sight', () => {
  for (const [dx, dy] of [[1e6, 1e6], [-1e6, -1e6]] as const) {
    const camera = pan(fit(GRAPH, VIEW), dx, dy, GRAPH, VIEW)
    const [first, last] = [seen(camera, 0, 0), seen(camera, GRAPH.width, GRAPH.height)]
    expect(first.x).toBeLessThan(VIEW.width)
    expect(first.y).toBeLessThan(VIEW.height)
    expect(last.x).toBeGreaterThan(0)
    expect(last.y).toBeGreaterThan(0)
  }
})

test('a node that is jumped to stands in the middle and can be read', () => {
  const camera = centre(fit(GRAPH, VIEW), { x: 5_000, y: 4_000 }, VIEW)
  expect(seen(camera, 5_000, 4_000)).toEqual({ x: 400, y: 300 })
  expect(camera.scale).toBeGreaterThanOrEqual(0.8)
})
