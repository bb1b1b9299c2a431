// Owns what most files of tests begin and end with: one browser, and one stand of real processes. Promises: both are there before the
// first test of the file, and gone after the last. Never shared between files.

import type { Browser } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { browse } from './page'
import { Stand } from './stand'

export let browser: Browser
export let stand: Stand

beforeAll(async () => {
  ;[browser, stand] = await Promise.all([browse(), Stand.start()])
})
afterAll(async () => {
  await browser.close()
  await stand.stop()
})
