// Owns what the tests in a browser share: the browser, the gateway, documents. Promises: each test gets a page of its own, and
// fails where the page complained or asked anybody but its own origin. Never waits for time: for what is seen.

import { type Browser, chromium, type Page } from 'playwright-core'

/** Where the client is served with its API; a real orchestrator with an executor stands behind it. */
export const AT = process.env['GORCH_UI'] ?? 'http://127.0.0.1:8080'

export const browse = (): Promise<Browser> => chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] })

export interface Sight {
  page: Page
  /** What went wrong in the page, or left its origin. */
  complaints: string[]
}

export async function open(browser: Browser, path: string, theme: 'light' | 'dark' = 'light'): Promise<Sight> {
  const context = await browser.newContext({ viewport: { width: 1360, height: 820 }, colorScheme: theme })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    // A refusal by the API is told by the browser, too; that is no complaint of ours.
    if (message.type() === 'error' && !message.text().includes('status of 4')) complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(AT)) complaints.push(`asked ${request.url()}`)
  })
  await page.goto(AT + path)
  return { page, complaints }
}

/** Submits a document beside the browser; gives the id of the run. */
export async function submit(document: unknown): Promise<string> {
  const answer = await fetch(`${AT}/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-gorch-ui': '1' },
    body: JSON.stringify(document),
  })
  const said = (await answer.json()) as { id?: string; detail?: string }
  if (said.id === undefined) throw new Error(said.detail)
  return said.id
}

/** A node that runs a script. */
export const script = (name: string, lines: string) => ({ name, engine: 'shell', artifact: `#!/bin/sh\n${lines}\n` })
