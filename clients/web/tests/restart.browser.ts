// Owns the proof that a page which shows a run outlives the orchestrator: it says that it is cut off, comes back by itself, and
// misses nothing.

import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { open, sees, stands } from './page'
import { browser, stand } from './scene'
import { script } from './stand'

test('the orchestrator is killed while its run is looked at, and the page misses nothing', async () => {
  const go = stand.file('go')
  const away = `until [ -e ${go} ]; do sleep 0.02; done`
  const many = Array.from({ length: 40 }, (_, index) => script(`after ${index}`, 'true'))
  const document = {
    name: 'outlives',
    nodes: [script('before', 'true'), script('meanwhile', away), { name: 'may it', engine: 'approval' }, ...many],
    edges: [{ from: 'before', to: 'meanwhile' }, { from: 'meanwhile', to: 'may it' }, ...many.map(({ name }) => ({ from: 'may it', to: name }))],
  }
  const id = await stand.door.submit(document)
  const { page, complaints } = await open(browser, stand.door, `/runs/${id}/graph?node=meanwhile`)
  await page.locator('.node .state').getByText('running').waitFor()
  await page.evaluate("window.mark = 'the same page'")

  await stand.killOrchestrator()
  await sees(page, 'reconnecting')
  // The job ends while nobody is there to hear of it.
  await writeFile(go, '')
  await stand.startOrchestrator()

  await sees(page, 'live')
  await page.locator('.node .state').getByText('succeeded').waitFor()
  await stand.door.post(`/v1/tasks/${id}/nodes/${encodeURIComponent('may it')}/approve`, { message: '' })
  await stands(page, 'succeeded')
  await sees(page, 'ended')
  await page.getByRole('button', { name: `${document.nodes.length} succeeded` }).waitFor()
  expect(await page.evaluate('window.mark')).toBe('the same page')
  expect(complaints).toEqual([])
})

test('the list of runs comes back, too, with what was submitted since', async () => {
  const { page, complaints } = await open(browser, stand.door, '/runs')
  await sees(page, 'live')
  await stand.killOrchestrator()
  await sees(page, 'reconnecting')
  await stand.startOrchestrator()
  await stand.door.until('/v1/whoami', { roles: [] })
  await stand.door.submit({ name: 'submitted since', nodes: [{ name: 'a' }] })
  await sees(page, 'submitted since')
  expect(complaints).toEqual([])
})
