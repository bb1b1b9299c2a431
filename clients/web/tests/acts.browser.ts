// Owns the proof, in a real browser against real processes, that the client shows what happens and does what is asked.

import { expect, test } from 'vitest'
import { open, press, sees, stands } from './page'
import { browser, stand } from './scene'
import { script } from './stand'

test('what is submitted fails, is run again, and succeeds, all live', async () => {
  const { page, complaints } = await open(browser, stand.door, '/submit')
  const fails = script('second', `[ -e ${stand.file('once')} ] && exit 0; touch ${stand.file('once')}; exit 3`)
  const document = { name: 'fails once', nodes: [script('first', 'true'), fails], edges: [{ from: 'first', to: 'second' }] }
  await page.getByLabel('The document').fill(JSON.stringify(document))
  await page.getByText('2 nodes, 1 edge').waitFor()
  await press(page, 'Run')
  await stands(page, 'failed')
  await page.keyboard.press('n')
  await sees(page, 'exit_nonzero')
  await sees(page, 'exit code 3: its own code')
  const before = new URL(page.url()).pathname
  await press(page, 'Rerun what failed')
  await page.waitForURL((url) => url.pathname !== before)
  await stands(page, 'succeeded')
  await page.locator('.node-row', { hasText: 'first' }).click()
  await sees(page, 'Copied from')
  expect(complaints).toEqual([])
})

test('a complaint stands beside its line while one types', async () => {
  const { page, complaints } = await open(browser, stand.door, '/submit')
  await page.getByLabel('The document').fill('{"nodes": [\n{"name": "a", "engine": "shel"}\n]}')
  await page.locator('.gutter .wrong').getByText('✕ 2').waitFor()
  await page.getByLabel('Complaints').getByText('unknown_engine').waitFor()
  expect(await page.getByRole('button', { name: 'Run', exact: true }).isDisabled()).toBe(true)
  expect(complaints).toEqual([])
})

test('a run appears in the list as it is submitted, and is cancelled from its row', async () => {
  const { page, complaints } = await open(browser, stand.door, '/runs?name=cancelled')
  await sees(page, 'live')
  await stand.door.submit({ name: 'cancelled', nodes: [script('long', 'sleep 600')] })
  await press(page, 'Cancel')
  await page.locator('.run-row').getByText('cancelled').first().waitFor()
  await page.locator('.run-row').getByRole('button', { name: 'Rerun' }).waitFor()
  expect(complaints).toEqual([])
})

test('a node is cancelled from its panel', async () => {
  const id = await stand.door.submit({ name: 'one is cancelled', nodes: [script('long', 'sleep 600'), script('short', 'true')], edges: [] })
  const { page } = await open(browser, stand.door, `/runs/${id}/graph?node=long`)
  await page.locator('.node').getByRole('button', { name: 'Cancel', exact: true }).click()
  await page.locator('.node').getByText('cancelled').first().waitFor()
})

test('a run is paused, and goes on when it is resumed', async () => {
  const go = stand.file('resumed')
  const id = await stand.door.submit({ name: 'rests', nodes: [script('a', `until [ -e ${go} ]; do sleep 0.02; done`), script('b', 'true')], edges: [{ from: 'a', to: 'b' }] })
  const { page } = await open(browser, stand.door, `/runs/${id}/graph`)
  await press(page, 'Pause')
  await stands(page, 'paused')
  await stand.door.submit({ nodes: [script('go', `touch ${go}`)] })
  await page.locator('.node-row', { hasText: 'b' }).getByText('waiting').waitFor({ state: 'attached' })
  await press(page, 'Resume')
  await stands(page, 'succeeded')
})

test.each([
  ['Approve', 'succeeded'],
  ['Refuse', 'failed'],
])('an approval is asked for, and the answer is `%s`', async (answer, word) => {
  const id = await stand.door.submit({ name: 'asks', nodes: [{ name: 'may it', engine: 'approval' }, script('goes on', 'true')], edges: [{ from: 'may it', to: 'goes on' }] })
  const { page, complaints } = await open(browser, stand.door, `/runs/${id}/graph?node=may+it`)
  await page.getByLabel('Message').fill('looked at')
  await press(page, answer)
  await stands(page, word)
  await page.locator('.node').getByText('looked at').first().waitFor()
  expect(complaints).toEqual([])
})

test('lines of a log appear while the job writes them', async () => {
  const go = stand.file('written')
  const id = await stand.door.submit({ name: 'writes', nodes: [script('writer', `echo begun; until [ -e ${go} ]; do sleep 0.02; done; echo ended`)] })
  const { page, complaints } = await open(browser, stand.door, `/runs/${id}/logs/writer`)
  await sees(page, 'begun')
  expect(await page.locator('.log-line').count()).toBe(1)
  await stand.door.submit({ nodes: [script('go', `touch ${go}`)] })
  await page.locator('.log-line').getByText('ended', { exact: true }).waitFor()
  expect(complaints).toEqual([])
})
