// Owns the proof that lines lose nothing but their sequences.

import { expect, test } from 'vitest'
import { partsOf, plain } from './ansi'

test('colours become styles, and end where they end', () => {
  expect(partsOf('\u001b[1;31merror\u001b[0m: \u001b[92mx\u001b[39my')).toEqual([
    { text: 'error', style: 'a-bold a-31' },
    { text: ': ', style: '' },
    { text: 'x', style: 'a-32' },
    { text: 'y', style: '' },
  ])
})

test.each([
  ['\u001b]0;a title\u0007text', 'text'],
  ['\u001b[2K\u001b[1Gtext', 'text'],
  ['\u001b[38;5;196mtext\u001b[48;2;1;2;3m!', 'text!'],
  ['10 %\r50 %\r100 %', '100 %'],
  ['done\r', 'done'],
  ['<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
])('%j is shown as %j', (line, shown) => {
  expect(plain(line)).toBe(shown)
})
