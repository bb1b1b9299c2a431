// Owns the proof that no line is lost.

import { expect, test } from 'vitest'
import { folded, Lines } from './lines'

test('lines are the same wherever the text is cut', () => {
  const text = 'one\ntwo\n\nlast'
  for (let cut = 0; cut <= text.length; cut += 1) {
    const lines = new Lines()
    lines.add(text.slice(0, cut))
    lines.add(text.slice(cut))
    lines.end()
    expect(lines.all).toEqual(['one', 'two', '', 'last'])
  }
})

test('words are found whatever their case and colours, also in lines that come later', () => {
  const lines = new Lines()
  lines.add('an \u001b[31mErr\u001b[0mor\nfine\n')
  expect([...lines.find('error')]).toEqual([0])
  lines.add('ERROR\n')
  expect([...lines.find('error')]).toEqual([0, 2])
})

test('what is not found is folded, and opened where somebody asks', () => {
  const isFound = (at: number) => at === 5
  expect(folded(10, isFound, new Set())).toEqual([
    { is: 'fold', from: 0, to: 4 },
    { is: 'line', at: 4 },
    { is: 'line', at: 5 },
    { is: 'line', at: 6 },
    { is: 'fold', from: 7, to: 10 },
  ])
  expect(folded(10, isFound, new Set([0])).filter((row) => row.is === 'line')).toHaveLength(7)
})
