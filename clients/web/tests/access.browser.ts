// Owns the proof that nobody is kept out: no serious finding of axe on any screen, and all is reached by the keyboard.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { DESK, open, PHONE, stands } from './page'
import { browser, stand } from './scene'
import { script } from './stand'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Report {
  violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]
}

/** A run with every state that a node can have by itself. */
async function colourful(): Promise<string> {
  const nodes = [script('a', 'echo hello'), script('b', 'exit 1'), { name: 'c' }, { ...script('d', 'sleep 9'), timeout: '10ms' }, { name: 'e', engine: 'approval' }, script('f', 'sleep 600'), { name: 'g' }]
  const id = await stand.door.submit({ name: 'seen', labels: { team: 'web' }, nodes, edges: [{ from: 'a', to: 'b' }, { from: 'b', to: 'c' }, { from: 'f', to: 'g' }] })
  await stand.door.until(`/v1/tasks/${id}?view=state`, { counts: { failure: 1, timeout: 1 } })
  return id
}

test.each([
  ['light', DESK],
  ['dark', DESK],
  ['light', PHONE],
] as const)('nobody is kept out of any screen (%s, %o)', async (colorScheme, viewport) => {
  const id = await colourful()
  const found: string[] = []
  for (const path of ['/runs', `/runs/${id}/graph`, `/runs/${id}/graph?node=b`, `/runs/${id}/graph?node=e`, `/runs/${id}/matrix`, `/runs/${id}/timeline`, `/runs/${id}/logs/a`, '/submit', '/executors', '/api']) {
    const { page, complaints } = await open(browser, stand.door, path, { colorScheme, viewport })
    await page.locator('.state, .log-line, .s-success, .api-routes details').first().waitFor()
    await page.evaluate(AXE)
    const result = await page.evaluate<Report>('axe.run()')
    for (const { id: rule, impact, nodes } of result.violations) {
      if (impact === 'serious' || impact === 'critical') found.push(`${path}: ${rule}: ${nodes[0]?.html ?? ''} ${nodes[0]?.failureSummary ?? ''}`)
    }
    expect(complaints).toEqual([])
    await page.context().close()
  }
  expect(found).toEqual([])
  await stand.door.post(`/v1/tasks/${id}/cancel`)
})

test('a key that has a use of its own where one is stays with it', async () => {
  await stand.door.submit({ name: 'the first', nodes: [script('a', 'true')] })
  const { page } = await open(browser, stand.door, '/runs')
  await page.locator('.run-row a').first().waitFor()
  await page.getByRole('link', { name: 'Executors' }).focus()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/executors')
})

test('a run is found, looked at, and run again without a mouse', async () => {
  const id = await stand.door.submit({ name: 'by keys', nodes: [script('a', 'true'), script('b', 'exit 1')], edges: [{ from: 'a', to: 'b' }] })
  const { page, complaints } = await open(browser, stand.door, '/executors')
  await page.keyboard.press('?')
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.keyboard.press('g')
  await page.keyboard.press('r')
  await page.locator(`a[href^="/runs/${id}"]`).first().waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/graph')
  await stands(page, 'failed')
  await page.keyboard.press('3')
  await page.waitForURL('**/timeline**')
  await page.getByRole('treegrid', { name: 'Nodes with their states' }).focus()
  await page.keyboard.press('ArrowDown')
  await page.locator('.node h2').getByText('a').waitFor()
  await page.keyboard.press('n')
  await page.locator('.node h2').getByText('b').waitFor()
  await page.keyboard.press('Escape')
  await page.locator('.node').waitFor({ state: 'detached' })
  expect(await page.title()).toBe('failed: by keys · gorch')
  // By steps of the tab key alone, as somebody would who knows none of the others.
  const focused = () => page.evaluate<string>("document.activeElement?.textContent ?? ''")
  for (let step = 0; step < 60 && (await focused()) !== 'Rerun all'; step += 1) await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => !url.pathname.includes(id))
  expect(complaints).toEqual([])
})
