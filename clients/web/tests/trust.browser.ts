// Owns the proof that texts of others stay texts, that who may not does not, and that the client needs nobody else.

import { beforeAll, expect, test } from 'vitest'
import { open, sees } from './page'
import { browser, stand } from './scene'
import { type Door, script } from './stand'

/** Would say so if it were ever more than a text. */
const canary = (place: string) => `${place}<img src=x onerror=window.canary='${place}'><script>window.canary='${place}'</script>`

let reader: Door

beforeAll(async () => {
  reader = await stand.openForReader()
})

test('texts of others stay texts, wherever they are shown', async () => {
  const name = canary('node')
  const sings = { ...script(name, `cat <<'END'\n${canary('line')}\nresult=${canary('output')}\nEND`), args: [canary('arg')], output: { result: '' } }
  const id = await stand.door.submit({
    name: canary('run'),
    labels: { canary: canary('label') },
    nodes: [sings, { name: 'chosen', choose: [{ when: 'true', label: canary('choice') }] }, { name: 'after', join: 'any' }],
    edges: [{ from: name, to: 'chosen' }, { from: 'chosen', to: 'after', when: `chose:${canary('choice')}` }],
  })
  await stand.door.over(id)
  const node = encodeURIComponent(name)
  const shown: [string, string[]][] = [
    ['/runs', [canary('run'), `canary=${canary('label')}`]],
    [`/runs/${id}/graph?node=${node}`, [canary('run'), name, canary('output'), canary('arg')]],
    [`/runs/${id}/graph?node=chosen`, [name, canary('choice')]],
    [`/runs/${id}/matrix`, [canary('run'), name]],
    [`/runs/${id}/timeline`, [canary('run'), name]],
    [`/runs/${id}/logs/${node}`, [name, canary('line')]],
  ]
  for (const [path, texts] of shown) {
    const { page, complaints } = await open(browser, stand.door, path)
    for (const text of texts) await page.getByText(text).first().waitFor()
    expect(await page.locator('img[src=x], #app script').count()).toBe(0)
    expect(await page.evaluate('window.canary')).toBeUndefined()
    expect(complaints).toEqual([])
    await page.context().close()
  }
})

test('a document that is typed stays a text, and so do the complaints about it', async () => {
  const { page, complaints } = await open(browser, stand.door, '/submit')
  await page.getByLabel('The document').fill(JSON.stringify({ nodes: [{ name: 'a', engine: canary('engine') }] }))
  await page.getByLabel('Complaints').getByText('<img src=x').first().waitFor()
  expect(await page.locator('img[src=x]').count()).toBe(0)
  expect(await page.evaluate('window.canary')).toBeUndefined()
  expect(complaints).toEqual([])
})

test('who may only read sees no button, and is refused where there would be one', async () => {
  const long = await stand.door.submit({ name: 'looked at', nodes: [script('long', 'sleep 600'), { name: 'may it', engine: 'approval' }], edges: [] })
  const over = await stand.door.submit({ name: 'over', nodes: [script('fails', 'false')] })
  await stand.door.over(over)
  const ways: [string, string][] = [['/runs', '.run-row .state'], [`/runs/${long}/graph?node=long`, '.node .state'], [`/runs/${long}/graph?node=may+it`, '.node .state'], [`/runs/${over}/graph`, '.run-head .state'], ['/submit', '.s-success']]
  for (const [path, there] of ways) {
    const { page, complaints } = await open(browser, reader, path)
    await sees(page, 'user/reader')
    await page.locator(there).first().waitFor()
    const offered = await page.getByRole('button').allTextContents()
    expect(offered.filter((word) => /cancel|pause|rerun|run|approve|refuse|send|take back/i.test(word))).toEqual([])
    expect(complaints).toEqual([])
    await page.context().close()
  }
  const asked: [string, unknown][] = [
    ['/v1/tasks', { nodes: [{ name: 'a' }] }],
    [`/v1/tasks/${long}/cancel`, {}],
    [`/v1/tasks/${long}/pause`, {}],
    [`/v1/tasks/${long}/nodes/long/cancel`, {}],
    [`/v1/tasks/${long}/nodes/${encodeURIComponent('may it')}/approve`, { message: '' }],
    [`/v1/tasks/${over}/rerun`, { from: 'failed' }],
  ]
  for (const [path, body] of asked) {
    const answer = await reader.ask(path, { method: 'POST', body: JSON.stringify(body) })
    expect([path, answer.status]).toEqual([path, 403])
  }
  expect(await (await reader.ask(`/v1/tasks/${long}?view=state`)).json()).toMatchObject({ state: 'running' })
})
