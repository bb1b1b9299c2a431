// Owns how tests look at the client: the browser, its pages, what is wrong in them. Promises: each page is of a context of its own,
// and notes what it complains about and whom else than its own origin it asks. Never starts what stands behind the page.

import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Door } from './stand'

export const browse = (): Promise<Browser> => chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] })

export interface Sight {
  page: Page
  /** What went wrong in the page, or left its origin. */
  complaints: string[]
}

export const DESK = { width: 1360, height: 820 }
export const PHONE = { width: 390, height: 780 }

/** Opens a page of the client through a door. */
export async function open(browser: Browser, door: Door, path: string, options: BrowserContextOptions = {}): Promise<Sight> {
  const context = await browser.newContext({ viewport: DESK, colorScheme: 'light', ...options })
  await context.addCookies([door.cookie])
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    // A refusal by the API is told by the browser, too; that is no complaint of ours.
    if (message.type() === 'error' && !/status of [45]|ERR_(INCOMPLETE|CONNECTION)/.test(message.text())) complaints.push(message.text())
  })
  context.on('request', (request) => {
    if (!request.url().startsWith(door.at)) complaints.push(`asked ${request.url()}`)
  })
  await page.goto(door.at + path)
  return { page, complaints }
}

/** Waits until these words are seen. */
export const sees = (page: Page, text: string): Promise<void> => page.getByText(text, { exact: true }).first().waitFor()
export const press = (page: Page, name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click()
/** Waits until the run that is shown is in this state. */
export const stands = (page: Page, word: string): Promise<void> => page.locator('.run-head').getByText(word, { exact: true }).waitFor()
