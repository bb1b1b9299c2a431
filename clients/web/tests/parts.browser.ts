// Owns the proof that what is inside of a node is shown where it stands: the run that it is, live, and its items.

import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { open, press, sees, stands } from './page'
import { browser, stand } from './scene'
import { script } from './stand'

/** A run inside of a run inside of a run; the innermost waits for a file. */
const nested = (file: string) => ({
  name: 'outer',
  nodes: [
    script('before', 'true'),
    {
      name: 'middle',
      engine: 'gorch',
      artifact: { nodes: [script('first', 'true'), { name: 'inner', engine: 'gorch', artifact: { nodes: [script('waits', `until [ -e ${file} ]; do sleep 0.02; done`)] } }], edges: [{ from: 'first', to: 'inner' }] },
    },
  ],
  edges: [{ from: 'before', to: 'middle' }],
})

/** The picture on the canvas. */
const picture = (page: Page) => page.evaluate<string>("document.querySelector('.graph > canvas').toDataURL()")

/** Waits until these words say what is inside of opened nodes. */
const isInside = (page: Page, words: string) => page.locator(`.graph > canvas[aria-description="${words}"]`).waitFor()

test('a node is opened into the run that it is, one goes into it, and comes back', async () => {
  const go = stand.file('nested')
  const id = await stand.door.submit(nested(go))
  const { page, complaints } = await open(browser, stand.door, `/runs/${id}/graph?node=middle`)
  await page.locator('.node .state').getByText('running').waitFor()
  const closed = await picture(page)
  await press(page, 'Open')
  await isInside(page, 'inside of middle: first succeeded, inner running')
  expect(new URL(page.url()).searchParams.get('open')).toBe('1')
  expect(await picture(page)).not.toBe(closed)

  await page.getByRole('link', { name: /^[0-9a-f]{12}$/ }).click()
  await page.locator('h1').getByText('middle').waitFor()
  await page.locator('.trail a').getByText('outer').waitFor()
  await page.locator('.node-row', { hasText: 'inner' }).click()
  await page.keyboard.press('o')
  await isInside(page, 'inside of inner: waits running')
  await page.getByRole('link', { name: /^[0-9a-f]{12}$/ }).click()
  await page.locator('h1').getByText('inner').waitFor()
  await page.locator('.trail a').getByText('middle').waitFor()
  expect(await page.locator('.trail a').allTextContents()).toEqual(['outer', 'middle'])

  await page.locator('.trail a').getByText('outer').click()
  await page.locator('h1').getByText('outer').waitFor()
  await stand.door.submit({ nodes: [script('go', `touch ${go}`)] })
  await stands(page, 'succeeded')
  expect(complaints).toEqual([])
})

test('what happens inside is shown while it happens', async () => {
  const go = stand.file('live')
  const id = await stand.door.submit(nested(go))
  const { page, complaints } = await open(browser, stand.door, `/runs/${id}/graph?open=1`)
  await isInside(page, 'inside of middle: first succeeded, inner running')
  await stand.door.submit({ nodes: [script('go', `touch ${go}`)] })
  await isInside(page, 'inside of middle: first succeeded, inner succeeded')
  expect(complaints).toEqual([])
})

test('the items of an each are shown, and closed again', async () => {
  const id = await stand.door.submit({ name: 'many', nodes: [{ ...script('all', '[ $GORCH_INDEX != 2 ]'), each: { items: [1, 2, 3, 4], need: 3 } }] })
  await stand.door.over(id)
  const { page, complaints } = await open(browser, stand.door, `/runs/${id}/graph?node=all`)
  await press(page, 'Open')
  await isInside(page, 'inside of all: 4 items')
  await sees(page, 'item 3')
  await page.locator('.node').getByRole('button', { name: 'Close', exact: true }).click()
  await isInside(page, '')
  expect(complaints).toEqual([])
})
