// Owns what a test in a browser stands on: certificates, an orchestrator, an executor and `gorch ui`, as real processes that
// speak mutual TLS on free ports of loopback, with all that they keep in a folder of their own. Promises: what `start` gives is
// ready; nothing is left after `stop`, nor after a process that ends without it; it waits for what is said, never for time.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { Role } from '../src/api/who'

/** The folder with the programs that are tested. */
const BIN = resolve(process.env['GORCH_BIN'] ?? join(import.meta.dirname, '../../../target/debug'))
/** Another program in the place of `gorch`: to try pages that are in no binary yet. */
const GORCH = process.env['GORCH_COMMAND'] ?? join(BIN, 'gorch')
/** Between two questions about something that will not say itself that it has happened. */
const BETWEEN = 50
const PATIENCE = 30_000
/** So much of what a process says is kept, for what went wrong. */
const MOST_HEARD = 20_000

// A signal ends a process without its `exit`, where nobody listens.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

/** Who goes through a door: somebody that may do these things. */
interface Person {
  name: string
  roles: Role[]
}

export class Stand {
  private readonly processes = new Set<ChildProcess>()
  /** What is left to do for a process that ends without having stopped the stand. */
  private readonly abandon = () => {
    for (const child of this.processes) child.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
  private orchestrator: ChildProcess | undefined
  /** Where the orchestrator listens, from its first start on. */
  private address = '127.0.0.1:0'
  private ownDoor: Door | undefined

  private constructor(private readonly folder: string) {
    process.once('exit', this.abandon)
  }

  /** Starts everything, upon the copy of a store if one is given; an executor with slots for so many attempts is registered. */
  static async start(slots = 4, store?: string): Promise<Stand> {
    const stand = new Stand(mkdtempSync(join(tmpdir(), 'gorch-web-')))
    try {
      if (store !== undefined) cpSync(store, stand.store, { recursive: true })
      execFileSync(GORCH, ['certs', 'init', stand.certs], { stdio: 'pipe' })
      for (const { name, roles } of [READER]) stand.issue(name, roles)
      await stand.startOrchestrator()
      await stand.startExecutor('e1', slots)
      stand.ownDoor = await stand.open(stand.certs)
      await stand.door.until('/v1/executors', { executors: [{ state: 'alive' }] })
      return stand
    } catch (error) {
      await stand.stop()
      throw error
    }
  }

  /** The door of somebody who may do everything. */
  get door(): Door {
    if (!this.ownDoor) throw new Error('the stand has not started')
    return this.ownDoor
  }

  /** One more door, of somebody who may only read. */
  openForReader(): Promise<Door> {
    return this.open(join(this.folder, READER.name))
  }

  /** Where tests may put files that jobs look for. */
  file(name: string): string {
    return join(this.folder, name)
  }

  /** The orchestrator ends in the midst of what it does. */
  async killOrchestrator(): Promise<void> {
    if (this.orchestrator) await ended(this.orchestrator, 'SIGKILL')
  }

  /** Starts the orchestrator, or starts it again where it was. */
  async startOrchestrator(): Promise<void> {
    const args = ['--data', this.store, '--certs', this.certs, '--listen', this.address, '--keep-runs', '1000000', '--log', 'json']
    const { child, said } = this.run(join(BIN, 'gorch-orchestrator'), args, 'stderr', readyAt)
    this.orchestrator = child
    this.address = await said
  }

  /** Ends everything, jobs first. */
  async stop(): Promise<void> {
    // The later ones serve the earlier ones, and an executor takes its jobs with it while it can still say so.
    for (const process of [...this.processes].reverse()) await ended(process, 'SIGTERM')
    process.off('exit', this.abandon)
    rmSync(this.folder, { recursive: true, force: true })
  }

  private get store(): string {
    return join(this.folder, 'orchestrator')
  }

  private get certs(): string {
    return join(this.folder, 'certs')
  }

  private issue(name: string, roles: Role[]): void {
    execFileSync(GORCH, ['certs', 'issue', 'user', name, '--dir', this.certs, ...roles.flatMap((role) => ['--role', role])], { stdio: 'pipe' })
    const own = join(this.folder, name)
    mkdirSync(own)
    copyFileSync(join(this.certs, 'ca.pem'), join(own, 'ca.pem'))
    for (const kind of ['pem', 'key']) copyFileSync(join(this.certs, `user-${name}.${kind}`), join(own, `client.${kind}`))
  }

  private async startExecutor(name: string, slots: number): Promise<void> {
    const args = ['--data', join(this.folder, name), '--certs', this.certs, '--listen', '127.0.0.1:0', '--orchestrator', `https://${this.address}`]
    const work = ['--name', name, '--slots', String(slots), '--workdir', this.folder, '--grace', '100ms', '--drain', '0s', '--log', 'json']
    await this.run(join(BIN, 'gorch-executor'), [...args, ...work], 'stderr', (log) => (log.includes('executor listens') ? log : undefined)).said
  }

  /** Opens a door with the certificate of a folder, and goes through it once, as a browser would. */
  private async open(certs: string): Promise<Door> {
    const args = ['ui', '--listen', '127.0.0.1:0', '--url', `https://${this.address}`, '--certs', certs, '--output', 'json']
    const { url, open } = await this.run(GORCH, args, 'stdout', linkIn).said
    const answer = await fetch(open, { redirect: 'manual' })
    const [cookie = ''] = answer.headers.getSetCookie()
    if (answer.status !== 303 || cookie === '') throw new Error(`the door is shut: ${answer.status} ${await answer.text()}`)
    return new Door(url, cookie.split(';')[0] ?? '')
  }

  /** Starts a program, and waits until what it has said has in it what is waited for. */
  private run<T>(program: string, args: string[], stream: 'stdout' | 'stderr', wanted: (said: string) => T | undefined): { child: ChildProcess; said: Promise<T> } {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.processes.add(child)
    child.once('exit', () => this.processes.delete(child))
    const heard = { stdout: '', stderr: '' }
    const said = new Promise<T>((found, failed) => {
      child.once('error', failed)
      child.once('exit', (code, signal) => failed(new Error(`${program} ended with ${String(code ?? signal)}:\n${heard.stdout}\n${heard.stderr.slice(-2_000)}`)))
      for (const name of ['stdout', 'stderr'] as const) {
        createInterface(child[name]).on('line', (line) => {
          heard[name] = `${heard[name]}${line}\n`.slice(-MOST_HEARD)
          const got = name === stream ? wanted(heard[name]) : undefined
          if (got !== undefined) found(got)
        })
      }
    })
    return { child, said }
  }
}

const READER: Person = { name: 'reader', roles: ['read'] }

/** Where an orchestrator listens, if its log says that it is ready. */
const readyAt = (log: string): string | undefined => /"orchestrator ready".*"listen":"([^"]+)"/.exec(log)?.[1]

/** The first link of a door, if all of it was said: when one is used, the next is said. */
function linkIn(said: string): { url: string; open: string } | undefined {
  const [first] = /^\{[^}]*\}/.exec(said) ?? []
  return first === undefined ? undefined : (JSON.parse(first) as { url: string; open: string })
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await gone
}

/** A door that somebody has gone through: the client's own origin, and the cookie that opens it. */
export class Door {
  constructor(readonly at: string, private readonly said: string) {}

  /** As a browser keeps it. */
  get cookie(): { name: string; value: string; url: string } {
    const [name = '', value = ''] = this.said.split('=')
    return { name, value, url: this.at }
  }

  /** Asks the API beside the browser, as the page does. */
  ask(path: string, asked: RequestInit = {}): Promise<Response> {
    return fetch(this.at + path, { ...asked, headers: { cookie: this.said, 'x-gorch-ui': '1', 'content-type': 'application/json' } })
  }

  /** Sends something; what is not accepted is an error. */
  async post<T>(path: string, body: unknown = {}): Promise<T> {
    const answer = await this.ask(path, { method: 'POST', body: JSON.stringify(body) })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return JSON.parse(text) as T
  }

  /** Submits a document; gives the id of the run. */
  async submit(document: unknown): Promise<string> {
    return (await this.post<{ id: string }>('/v1/tasks', document)).id
  }

  /** Waits until a run has ended. */
  async over(id: string): Promise<void> {
    const answer = await this.ask(`/v1/tasks/${id}?view=state&wait=${PATIENCE / 1000}s`)
    const { stop_date: end } = (await answer.json()) as { stop_date?: string | null }
    if (typeof end !== 'string') throw new Error(`the run ${id} does not end`)
  }

  /** Asks until the answer has in it what is wanted. */
  async until(path: string, wanted: unknown): Promise<void> {
    for (let left = PATIENCE / BETWEEN; ; left -= 1) {
      const said: unknown = await this.ask(path).then((answer) => answer.json(), String)
      if (has(said, wanted)) return
      if (left <= 0) throw new Error(`${path} never came to what was waited for: ${JSON.stringify(said)}`)
      await pause(BETWEEN)
    }
  }
}

/** Is all that is wanted there, whatever else is? */
function has(said: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return said === wanted
  if (typeof said !== 'object' || said === null) return false
  return Object.entries(wanted).every(([name, value]) => has((said as Record<string, unknown>)[name], value))
}

/** A node that runs a script. */
export const script = (name: string, lines: string) => ({ name, engine: 'shell', artifact: `#!/bin/sh\n${lines}\n` })
