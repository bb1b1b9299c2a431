// Owns the numbers that the client promises, measured in a real browser against real processes: `npm run measure` prints them as
// one table. Promises: each row says what was promised beside what was measured, and a broken promise fails the command. They
// depend on the machine, so they are no part of the tests.

import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { browse, open, stands } from './page'
import { Stand } from './stand'

const NODES = 10_000
/** With so many runs the views are measured; where `STORE` names the folder of a store that has them, they are not made anew. */
const RUNS = Number(process.env['RUNS'] ?? 100_000)
const AT_ONCE = 32
const TIMES = 5

let browser: Browser
let stand: Stand
const table: { measured: string; is: string; promised: string; kept: string }[] = []

beforeAll(async () => {
  ;[browser, stand] = await Promise.all([browse(), Stand.start(4, process.env['STORE'])])
})
afterAll(async () => {
  console.table(table)
  await browser.close()
  await stand.stop()
})

/** Notes a number, and whether it is less than what was promised. */
function below(measured: string, is: number, most: number, unit: string): void {
  table.push({ measured, is: `${is.toFixed(0)} ${unit}`, promised: `< ${most} ${unit}`, kept: is < most ? 'yes' : 'NO' })
  expect.soft(is, measured).toBeLessThan(most)
}

function above(measured: string, is: number, least: number, unit: string): void {
  table.push({ measured, is: `${is.toFixed(0)} ${unit}`, promised: `>= ${least} ${unit}`, kept: is >= least ? 'yes' : 'NO' })
  expect.soft(is, measured).toBeGreaterThanOrEqual(least)
}

/** Nodes with two edges into each, from nodes that are not far. */
function large(node: (index: number) => object) {
  const name = (index: number) => `task ${index}`
  const nodes = Array.from({ length: NODES }, (_, index) => ({ name: name(index), ...node(index) }))
  const edges = Array.from({ length: NODES - 200 }, (_, index) => index + 200).flatMap((to) => [
    { from: name(to - 1 - ((to - 200) * 7) % 100), to: name(to) },
    { from: name(to - 101 - ((to - 200) * 13) % 90), to: name(to) },
  ])
  return { name: 'ten thousand', nodes, edges }
}

/** Notes the times between frames, from now on. */
const WATCH_FRAMES = `(() => {
  window.frames_ = []
  let before = performance.now()
  const step = (now) => {
    window.frames_.push(now - before)
    before = now
    requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
})()`

const longest = (page: Page) => page.evaluate<number>('Math.max(...window.frames_)')
const perSecond = (page: Page) => page.evaluate<number>('1000 * window.frames_.length / window.frames_.reduce((sum, one) => sum + one, 0)')

test('what is shipped', () => {
  const dist = new URL('../dist/', import.meta.url)
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const size = files.reduce((sum, entry) => sum + gzipSync(readFileSync(`${entry.parentPath}/${entry.name}`)).length, 0)
  below('all files, gzipped', size / 1024, 500, 'KiB')
})

test('the first picture', async () => {
  const { page } = await open(browser, stand.door, '/runs')
  await page.locator('h1').waitFor()
  below('first contentful paint', await page.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0].startTime"), 500, 'ms')
  await page.context().close()
})

test('a graph of ten thousand nodes', async () => {
  const id = await stand.door.submit(large(() => ({})))
  await stand.door.over(id)
  const { page, complaints } = await open(browser, stand.door, `/runs/${id}/graph`)
  await page.locator('.graph canvas[data-painted]').waitFor()
  below('10,000 nodes: from an empty page to the picture', await page.evaluate<number>('performance.now()'), 2_000, 'ms')
  await stands(page, 'succeeded')
  const box = (await page.locator('.graph > canvas').boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 }
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
  for (const near of ['all in sight', 'boxes in sight'] as const) {
    if (near === 'boxes in sight') for (let step = 0; step < 12; step += 1) await page.mouse.wheel(0, -300)
    await page.mouse.move(middle.x, middle.y)
    await page.mouse.down()
    await page.evaluate(WATCH_FRAMES)
    for (let step = 0; step < 200; step += 1) await page.mouse.move(middle.x + Math.sin(step / 8) * 200, middle.y + Math.cos(step / 8) * 100)
    above(`10,000 nodes: panning, ${near}`, await perSecond(page), 30, 'frames/s')
    await page.mouse.up()
  }
  expect(complaints).toEqual([])
  await page.context().close()
})

test('many transitions in a second', async () => {
  const nodes = large((index) => (index === 0 ? { engine: 'approval' } : { engine: 'sleep', args: [`${((index * 7919) % 6000) + 500}ms`] }))
  const id = await stand.door.submit({ ...nodes, edges: nodes.nodes.slice(1).map(({ name }) => ({ from: 'task 0', to: name })) })
  const { page } = await open(browser, stand.door, `/runs/${id}/graph`)
  await page.locator('.graph canvas[data-painted]').waitFor()
  await page.evaluate(WATCH_FRAMES)
  const began = Date.now()
  await stand.door.post(`/v1/tasks/${id}/nodes/${encodeURIComponent('task 0')}/approve`)
  await stands(page, 'succeeded')
  const rate = (NODES * 2) / ((Date.now() - began) / 1000)
  above('transitions that are shown', rate, 1_000, 'a second')
  below('... and the longest time between two frames', await longest(page), 300, 'ms')
  above('... and the frames meanwhile', await perSecond(page), 20, 'frames/s')
  await page.context().close()
})

test('a log of a hundred thousand lines', async () => {
  const { page } = await open(browser, stand.door, '/runs')
  await page.locator('h1').waitFor()
  // The orchestrator keeps less of a log than this; who follows a job live sees it all.
  const body = Array.from({ length: 100_000 }, (_, line) => `\u001b[32m${line + 1}\u001b[0m of many lines`).join('\n')
  await page.route('**/v1/tasks/*/nodes/*/logs**', (route) => route.fulfill({ contentType: 'text/plain', body }))
  await page.evaluate(WATCH_FRAMES)
  await page.evaluate(goTo('/runs/x/logs/lines'))
  await page.getByText('100,000 lines').waitFor()
  await page.locator('.virtual').evaluate((box) => (box.scrollTop = box.scrollHeight / 2))
  await page.locator('.log-number').getByText('50000', { exact: true }).waitFor()
  await page.getByLabel('Search the log').fill('99999')
  await page.getByText('100,000 lines, 1 found').waitFor()
  below('100,000 lines of a log: the longest time between two frames', await longest(page), 300, 'ms')
  await page.context().close()
})

const goTo = (path: string) => `history.pushState(null, '', ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent('popstate'))`

/** Goes to a screen as a link does; gives the milliseconds until something of it is there and painted. */
async function reach(page: Page, path: string, there: string): Promise<number> {
  const times: number[] = []
  for (let time = 0; time < TIMES; time += 1) {
    await page.evaluate(goTo('/nowhere'))
    await page.getByText('There is no screen').waitFor()
    times.push(await page.evaluate<number>(`new Promise((done) => {
      const began = performance.now()
      const look = () => requestAnimationFrame(() => (document.querySelector(${JSON.stringify(there)}) ? done(performance.now() - began) : look()))
      ${goTo(path)}
      look()
    })`))
  }
  return times.sort((a, b) => a - b)[Math.floor(TIMES / 2)] ?? 0
}

test('every view with a hundred thousand runs', { timeout: 3_600_000 }, async () => {
  const began = Date.now()
  let left = process.env['STORE'] === undefined ? RUNS : 0
  const fill = async () => {
    while (left > 0) {
      left -= 1
      await stand.door.submit({ name: `run ${left % 100}`, labels: { team: `t${left % 7}` }, nodes: left % 10 === 0 ? [{ name: 'a', engine: 'fail' }] : [{ name: 'a' }] })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, fill))
  if (process.env['STORE'] === undefined) console.log(`${RUNS} runs were made in ${((Date.now() - began) / 1000).toFixed(0)} s`)
  const said = { engine: 'shell', artifact: '#!/bin/sh\necho seen\n' }
  const id = await stand.door.submit({ name: 'looked at', nodes: Array.from({ length: 20 }, (_, at) => ({ name: `n${at}`, ...said })), edges: Array.from({ length: 19 }, (_, at) => ({ from: `n${at}`, to: `n${at + 1}` })) })
  await stand.door.over(id)
  const { page } = await open(browser, stand.door, '/nowhere')
  await page.locator('.who').waitFor()
  const views: [string, string, string][] = [
    ['Runs', '/runs', '.run-row .state'],
    ['Runs, failed', '/runs?state=failure', '.run-row .state'],
    ['Runs, by name', '/runs?name=run+77', '.run-row .state'],
    ['Runs, by label', '/runs?label=team%3Dt3', '.run-row .state'],
    ['Runs, by people', '/runs?parent=none', '.run-row .state'],
    ['Runs, none is so', '/runs?name=nobody', '.empty'],
    ['Run: graph', `/runs/${id}/graph`, '.graph canvas[data-painted]'],
    ['Run: matrix', `/runs/${id}/matrix`, '.matrix canvas'],
    ['Run: timeline', `/runs/${id}/timeline`, '.time-row'],
    ['Node', `/runs/${id}/graph?node=n7`, '.node .attempts li'],
    ['Logs', `/runs/${id}/logs/n7`, '.log-line'],
    ['Submit', '/submit', '.editor textarea'],
    ['Executors', '/executors', '.executors td'],
    ['API', '/api', '.api-routes details'],
  ]
  for (const [name, path, there] of views) below(`${name}, with ${RUNS} runs`, await reach(page, path, there), 200, 'ms')
  await page.evaluate(goTo('/runs'))
  await page.locator('.run-row .state').first().waitFor()
  const pages: number[] = []
  for (let time = 0; time < 10; time += 1) {
    pages.push(await page.evaluate<number>(`new Promise((done) => {
      const box = document.querySelector('.virtual')
      const before = box.scrollHeight
      const began = performance.now()
      const look = () => requestAnimationFrame(() => (box.scrollHeight > before ? done(performance.now() - began) : look()))
      box.scrollTop = box.scrollHeight
      look()
    })`))
  }
  below('Runs, the next page, the slowest of ten', Math.max(...pages), 200, 'ms')
})
