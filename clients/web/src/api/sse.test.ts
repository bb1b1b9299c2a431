// Owns the proof that a stream is cut and followed as it should be.

import { afterEach, expect, test, vi } from 'vitest'
import { follow, Reader, type Standing, wait } from './sse'

const TEXT = 'id: 1\nevent: run_accepted\ndata: {"a":1}\n\n: alive\n\nevent: progress\ndata: x\ndata: y\n\nid: 2\r\ndata: ü\r\n\r\n'
const MESSAGES = [
  { id: '1', name: 'run_accepted', data: '{"a":1}' },
  { name: 'progress', data: 'x\ny' },
  { id: '2', name: 'message', data: 'ü' },
]

afterEach(() => vi.unstubAllGlobals())

test('messages are the same wherever the text is cut', () => {
  for (let cut = 0; cut <= TEXT.length; cut += 1) {
    const reader = new Reader()
    expect([...reader.read(TEXT.slice(0, cut)), ...reader.read(TEXT.slice(cut))]).toEqual(MESSAGES)
  }
})

test('the waits double up to a limit and are shortened by chance', () => {
  expect([1, 2, 3, 6, 20].map((attempt) => wait(attempt, 0))).toEqual([250, 500, 1000, 8000, 8000])
  expect(wait(3, 1)).toBe(750)
})

test('a broken stream is resumed after the last number, and each event is given once', async () => {
  const asked: (string | null)[] = []
  const pieces = ['id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\nda', 'id: 3\ndata: c\n\n']
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    asked.push(new Headers(init.headers).get('last-event-id'))
    return Promise.resolve(new Response(pieces.shift() ?? ''))
  })
  const seen: string[] = []
  const standings: Standing['is'][] = []
  await new Promise<void>((resolve) => {
    follow('/v1/events', {
      messages: (batch) => seen.push(...batch.map((message) => message.data)),
      standing: (now) => {
        standings.push(now.is)
        if (now.is === 'over') resolve()
      },
      isOver: () => seen.includes('c'),
    })
  })
  expect(seen).toEqual(['a', 'b', 'c'])
  expect(asked).toEqual([null, '2'])
  expect(standings).toEqual(['connecting', 'live', 'reconnecting', 'live', 'over'])
})

test('a refusal ends it, and says why', async () => {
  const problem = { type: '', title: '', status: 404, code: 'not_found', detail: 'no such run', message: '' }
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(JSON.stringify(problem), { status: 404 })))
  const refused = await new Promise<Standing>((resolve) => {
    const standing = (now: Standing) => {
      if (now.is !== 'connecting') resolve(now)
    }
    follow('/v1/tasks/x/events', { messages: () => undefined, standing, isOver: () => false })
  })
  expect(refused).toMatchObject({ is: 'refused', why: { problem: { code: 'not_found' } } })
})
