// Owns the proof, in a real browser against a real orchestrator, that the client shows what happens and does what is asked.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { browse, open, script, submit } from './page'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const CANARY = '<img src=x onerror=alert(1)>'
let browser: Browser

interface Report {
  violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]
}

beforeAll(async () => {
  browser = await browse()
})
afterAll(() => browser.close())

const sees = (page: Page, text: string) => page.getByText(text, { exact: true }).first().waitFor()
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()

/** A file that is not there yet: what fails once makes it. */
const mark = () => `/tmp/gorch-web-${randomUUID()}`

test('what is submitted fails, is run again, and succeeds, all live', async () => {
  const { page, complaints } = await open(browser, '/submit')
  const file = mark()
  const document = { name: 'fails once', nodes: [script('first', 'true'), script('second', `[ -e ${file} ] && rm ${file} && exit 0; touch ${file}; exit 3`)], edges: [{ from: 'first', to: 'second' }] }
  await page.getByLabel('The document').fill(JSON.stringify(document))
  await page.getByText('2 nodes, 1 edge').waitFor()
  await press(page, 'Run')
  await page.locator('.run-head').getByText('failed', { exact: true }).waitFor()
  await page.keyboard.press('n')
  await sees(page, 'exit_nonzero')
  await sees(page, 'exit code 3: its own code')
  const before = page.url()
  await press(page, 'Rerun what failed')
  await page.waitForFunction((url) => !location.href.startsWith(url), before.split('?')[0] ?? '')
  await page.locator('.run-head').getByText('succeeded', { exact: true }).waitFor()
  expect(complaints).toEqual([])
})

test('a complaint stands beside its line while one types', async () => {
  const { page, complaints } = await open(browser, '/submit')
  await page.getByLabel('The document').fill('{"nodes": [\n{"name": "a", "engine": "shel"}\n]}')
  await page.locator('.gutter .wrong').getByText('✕ 2').waitFor()
  await page.getByLabel('Complaints').getByText('unknown_engine').waitFor()
  expect(await page.getByRole('button', { name: 'Run', exact: true }).isDisabled()).toBe(true)
  expect(complaints).toEqual([])
})

test('a run is cancelled from its row', async () => {
  const name = `cancelled ${randomUUID()}`
  const { page } = await open(browser, `/runs?${new URLSearchParams({ name }).toString()}`)
  await submit({ name, nodes: [script('long', 'sleep 600')] })
  await press(page, 'Cancel')
  await page.locator('.run-row').getByText('cancelled').waitFor()
})

test('an approval is given, and the run goes on', async () => {
  const id = await submit({ name: 'asks', nodes: [{ name: 'may it', engine: 'approval' }, script('goes on', 'true')], edges: [{ from: 'may it', to: 'goes on' }] })
  const { page } = await open(browser, `/runs/${id}/graph?node=may+it`)
  await page.getByLabel('Message').fill('looks good')
  await press(page, 'Approve')
  await page.locator('.run-head').getByText('succeeded', { exact: true }).waitFor()
})

test('lines of a log appear while the job writes them', async () => {
  const file = mark()
  const id = await submit({ name: 'writes', nodes: [script('writer', `echo begun; until [ -e ${file} ]; do sleep 0.05; done; rm ${file}; echo ended`)] })
  const { page } = await open(browser, `/runs/${id}/logs/writer`)
  await sees(page, 'begun')
  expect(await page.getByText('ended', { exact: true }).count()).toBe(0)
  await submit({ name: 'ends it', nodes: [script('toucher', `touch ${file}`)] })
  await page.locator('.log-line').getByText('ended', { exact: true }).waitFor()
})

test('texts of others stay texts, wherever they are shown', async () => {
  const id = await submit({
    name: CANARY,
    labels: { canary: CANARY },
    nodes: [{ ...script(CANARY, `echo '${CANARY}'; echo 'result=${CANARY}'`), args: [CANARY], output: { result: '' } }],
  })
  const node = encodeURIComponent(CANARY)
  for (const path of ['/runs', `/runs/${id}/graph?node=${node}`, `/runs/${id}/matrix`, `/runs/${id}/timeline`, `/runs/${id}/logs/${node}`]) {
    const { page, complaints } = await open(browser, path)
    await page.getByText(CANARY).first().waitFor()
    expect(await page.locator('img[src=x]').count()).toBe(0)
    expect(complaints).toEqual([])
    await page.context().close()
  }
})

test('a role that may only read sees nothing that it may not do', async () => {
  const id = await submit({ name: 'looked at', nodes: [script('long', 'sleep 600')] })
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.route('**/v1/whoami', (route) => route.fulfill({ json: { identity: 'spiffe://x/gorch/user/reader', roles: ['read'] } }))
  const { AT } = await import('./page')
  await page.goto(`${AT}/runs/${id}/graph?node=long`)
  await sees(page, 'user/reader')
  await page.locator('.node').getByText('running').first().waitFor()
  for (const name of ['Cancel run', 'Cancel', 'Pause']) expect(await page.getByRole('button', { name, exact: true }).count()).toBe(0)
  await fetch(`${AT}/v1/tasks/${id}/cancel`, { method: 'POST', headers: { 'x-gorch-ui': '1' } })
})

test.each(['light', 'dark'] as const)('nobody is kept out of any screen (%s)', async (theme) => {
  const id = await submit({ name: 'seen', nodes: [script('a', 'echo hello'), script('b', 'exit 1'), { name: 'c' }], edges: [{ from: 'a', to: 'b' }, { from: 'b', to: 'c' }] })
  const found: string[] = []
  for (const path of ['/runs', `/runs/${id}/graph?node=b`, `/runs/${id}/matrix`, `/runs/${id}/timeline`, `/runs/${id}/logs/a`, '/submit', '/executors', '/api']) {
    const { page, complaints } = await open(browser, path, theme)
    await page.locator('h1').first().waitFor()
    await page.waitForLoadState('domcontentloaded')
    await page.evaluate(AXE)
    const result = await page.evaluate<Report>('axe.run()')
    for (const { id: rule, impact, nodes } of result.violations) {
      if (impact === 'serious' || impact === 'critical') found.push(`${path}: ${rule}: ${nodes[0]?.html ?? ''} ${nodes[0]?.failureSummary ?? ''}`)
    }
    expect(complaints).toEqual([])
    await page.context().close()
  }
  expect(found).toEqual([])
})

test('a key that has a use of its own where one is stays with it', async () => {
  await submit({ name: 'the first', nodes: [script('a', 'true')] })
  const { page } = await open(browser, '/runs')
  await page.locator('.run-row a').first().waitFor()
  await page.getByRole('link', { name: 'Executors' }).focus()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/executors')
})

test('all is reached by the keyboard', async () => {
  const id = await submit({ name: 'by keys', nodes: [script('a', 'true'), script('b', 'true')], edges: [{ from: 'a', to: 'b' }] })
  const { page } = await open(browser, '/executors')
  await page.keyboard.press('?')
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.keyboard.press('g')
  await page.keyboard.press('r')
  await page.locator(`a[href^="/runs/${id}"]`).first().waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL('**/graph')
  await page.keyboard.press('3')
  await page.waitForURL('**/timeline**')
  await page.getByRole('treegrid', { name: 'Nodes with their states' }).focus()
  await page.keyboard.press('ArrowDown')
  await page.locator('.node h2').getByText('a').waitFor()
  await page.keyboard.press('Escape')
  await page.locator('.node').waitFor({ state: 'detached' })
  expect(await page.title()).toBe('succeeded: by keys · gorch')
})
