// Owns the proof that complaints are shown where they belong.

import { expect, test } from 'vitest'
import { placeOf, places } from './pointer'

const TEXT = '{"name": "a \\"b\\"",\n "nodes": [{"a/b": 1}, {"~": [true, null]}],\n "x": {}}'

test('each pointer leads to its value', () => {
  const found = places(TEXT)
  const shown = [...found].map(([pointer, place]) => [pointer, TEXT.slice(place, place + 4)])
  expect(shown).toEqual([
    ['', '{"na'],
    ['/name', '"a \\'],
    ['/nodes', '[{"a'],
    ['/nodes/0', '{"a/'],
    ['/nodes/0/a~1b', '1}, '],
    ['/nodes/1', '{"~"'],
    ['/nodes/1/~0', '[tru'],
    ['/nodes/1/~0/0', 'true'],
    ['/nodes/1/~0/1', 'null'],
    ['/x', '{}}'],
  ])
})

test('a field that is missing is shown at what misses it', () => {
  expect(placeOf(places(TEXT), '/nodes/0/engine')).toBe(TEXT.indexOf('{"a/b"'))
})

test('any beginning of a document is read without end or error', () => {
  for (let end = 0; end <= TEXT.length; end += 1) expect(places(TEXT.slice(0, end)).size).toBeLessThanOrEqual(10)
})
