// Owns the proof that times and codes read as they should.

import { expect, test } from 'vitest'
import { asShell } from '../panels/shell'
import { bytes, duration, exitCode } from './words'

test.each([
  [0, '0 s'],
  [54, '0.05 s'],
  [4_060, '4.1 s'],
  [59_400, '59 s'],
  [184_000, '3 min 4 s'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [273_600_000, '3 d 4 h'],
])('%i ms are %s', (milliseconds, words) => {
  expect(duration(milliseconds)).toBe(words)
})

test('exit codes are told in words', () => {
  expect([0, 3, 127, 137, 143].map(exitCode)).toEqual([
    '0: it said that all is well',
    '3: its own code',
    '127: a command was not found',
    '137: a program in it was ended by the signal KILL',
    '143: a program in it was ended by the signal TERM',
  ])
  expect(bytes(65_536)).toBe('64.0 KiB')
})

test('a node is copied as a command whose texts are quoted', () => {
  const node = (said: Record<string, unknown>, engine = 'shell') => ({ id: 0, name: 'n', engine, each: false, join: 'all', said })
  expect(asShell(node({ artifact: './deploy.sh', args: ["it's", 'VERSION=get_attribute build:version', '-v'], env: { A: '1' } }))).toBe(
    "export A=1\nexport VERSION='get_attribute build:version'\n./deploy.sh 'it'\\''s' -v",
  )
  expect(asShell(node({ artifact: '#!/bin/sh\necho $1\n', args: ['x y'] }))).toBe("/bin/sh -s -- 'x y' <<'GORCH'\necho $1\nGORCH")
  expect(asShell(node({ artifact: 'x' }, 'http'))).toBeUndefined()
})
