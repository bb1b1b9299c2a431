// Owns the proof that the screens look as they should: each is compared with a picture that somebody has looked at. Promises: a few
// pixels may differ, as they do from one version of the browser to the next; `npm run pictures` makes them anew, and those of the
// README are among them. They need the fonts of Debian (fonts-dejavu-core), and fail where those are missing.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { browse, PHONE } from './page'
import { LOOP, RUN, SHIP, show } from './recorded'

/** A pixel differs when one of its colours does by more than this (of 255) ... */
const SLIGHT = 40
/** ... and a picture when more of its pixels do than this, in a thousand. */
const MOST = 4
const README = '../../../docs/pictures'
const OWN = './pictures'
const SMALL = { width: 1200, height: 640 }

const SCREENS = [
  { name: 'runs', in: OWN, path: '/runs', there: '.run-row .state', theme: 'light', ...SMALL },
  { name: 'graph', in: README, path: `/runs/${SHIP}/graph?node=patch+hosts`, there: '.node .attempts li', theme: 'light', ...SMALL },
  { name: 'inside', in: README, path: `/runs/${SHIP}/graph?open=1.3`, there: '.graph > canvas[aria-description*="inside of patch"][aria-description*="inside of test"]', theme: 'dark', ...SMALL },
  { name: 'node', in: OWN, path: `/runs/${RUN}/graph?node=deploy+staging&open=2`, there: '.node .attempts li', theme: 'light', ...SMALL },
  { name: 'loop', in: OWN, path: `/runs/${LOOP}/graph`, there: '.graph > canvas[data-painted]', theme: 'light', ...SMALL },
  { name: 'matrix', in: OWN, path: `/runs/${RUN}/matrix`, there: '.matrix canvas', theme: 'dark', ...SMALL },
  { name: 'timeline', in: README, path: `/runs/${RUN}/timeline`, there: '.time-row', theme: 'light', ...SMALL },
  { name: 'logs', in: OWN, path: `/runs/${RUN}/logs/build`, there: '.log-line', theme: 'dark', ...SMALL },
  { name: 'submit', in: OWN, path: '/submit', there: '.submit .s-success', theme: 'light', ...SMALL },
  { name: 'executors', in: OWN, path: '/executors', there: '.executors td', theme: 'dark', ...SMALL },
  { name: 'api', in: OWN, path: '/api', there: '.api-routes details', theme: 'light', ...SMALL },
  { name: 'runs-phone', in: OWN, path: '/runs', there: '.run-row .state', theme: 'dark', ...PHONE },
  { name: 'graph-phone', in: OWN, path: `/runs/${RUN}/graph?node=deploy+staging`, there: '.node .attempts li', theme: 'light', ...PHONE },
] as const

let browser: Browser

beforeAll(async () => {
  browser = await browse()
})
afterAll(() => browser.close())

/** How many pixels in a thousand differ; in a page, because a browser can read pictures. */
const COMPARE = `async ([before, after]) => {
  const read = async (picture) => {
    const bitmap = await createImageBitmap(await (await fetch('data:image/png;base64,' + picture)).blob())
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')
    context.drawImage(bitmap, 0, 0)
    return context.getImageData(0, 0, bitmap.width, bitmap.height)
  }
  const [one, other] = await Promise.all([read(before), read(after)])
  if (one.width !== other.width || one.height !== other.height) return 1000
  let differ = 0
  for (let at = 0; at < one.data.length; at += 4) {
    const most = Math.max(...[0, 1, 2].map((colour) => Math.abs(one.data[at + colour] - other.data[at + colour])))
    if (most > ${SLIGHT}) differ += 1
  }
  return (differ * 4000) / one.data.length
}`

/** Is the font of the system the one with which the pictures were made? */
const FONTS = `(() => {
  const context = new OffscreenCanvas(1, 1).getContext('2d')
  const width = (font) => ((context.font = '100px ' + font), context.measureText('gorch 0123456789').width)
  return width('system-ui') === width('"DejaVu Sans", monospace') && width('"DejaVu Sans", monospace') !== width('monospace')
})()`

test.each(SCREENS)('the screen `$name` looks as it should', async (screen) => {
  const page = await show(browser, screen.path, screen)
  await page.locator(screen.there).first().waitFor()
  expect(await page.evaluate<boolean>(FONTS), 'is DejaVu Sans the font of this system (Debian: fonts-dejavu-core)?').toBe(true)
  // Two frames on, all that follows from what is there is drawn.
  await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
  const is = await page.screenshot({ animations: 'disabled', caret: 'hide' })
  const kept = new URL(`${screen.in}/${screen.name}.png`, import.meta.url).pathname
  if (process.env['UPDATE'] === '1') {
    mkdirSync(dirname(kept), { recursive: true })
    writeFileSync(kept, is)
    return
  }
  expect(existsSync(kept), `${kept}: not there; \`npm run pictures\` makes it`).toBe(true)
  const judge = await browser.newPage()
  const differ = await judge.evaluate<number>(`(${COMPARE})(${JSON.stringify([readFileSync(kept).toString('base64'), is.toString('base64')])})`)
  await judge.close()
  const found = new URL(`../dist-pictures/${screen.name}.png`, import.meta.url).pathname
  if (differ > MOST) {
    mkdirSync(dirname(found), { recursive: true })
    writeFileSync(found, is)
  }
  expect(differ, `of a thousand pixels of ${kept}; what is shown now is ${found}`).toBeLessThanOrEqual(MOST)
  await page.context().close()
})
