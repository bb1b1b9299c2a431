// Owns the screen where a document becomes a run. Promises: while it is typed, the orchestrator says what is wrong, and each
// complaint stands beside its line; the picture is that of the text as it is; a second click does not make a second run.
// Never judges by itself.

import { computed, signal } from '@preact/signals'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { submit, validate } from '../api/client'
import { Refused } from '../api/http'
import type { Complaint, Plan } from '../api/types'
import { may } from '../api/who'
import type { Camera } from '../graph/camera'
import { layOut } from '../graph/ask'
import type { Insides } from '../graph/inside'
import type { Layout } from '../graph/layout'
import { GraphView } from '../graph/view'
import { go, ofRun } from '../router'
import { apply, newRun } from '../run/fold'
import { placeOf, places } from '../run/pointer'
import type { Watched } from '../run/store'
import { Button, Empty, Trouble } from '../ui/parts'
import { useTitle } from '../ui/title'
import { counted } from '../ui/words'

const FIRST = `{
  "name": "demo",
  "nodes": [
    {"name": "build", "engine": "shell", "artifact": "#!/bin/sh\\necho version=1.2\\n", "output": {"version": ""}},
    {"name": "deploy", "engine": "shell", "artifact": "echo", "args": ["VERSION=get_attribute build:version"]}
  ],
  "edges": [{"from": "build", "to": "deploy"}]
}
`
/** After so long without a letter it is checked. */
const QUIET = 250
const MOST_MARKED = 2_000

const text = signal(FIRST)

type Verdict = { is: 'unknown' } | { is: 'right'; plan: Plan } | { is: 'wrong'; why: unknown }

export function Submit() {
  useTitle('Submit')
  const [verdict, setVerdict] = useState<Verdict>({ is: 'unknown' })
  const [trouble, setTrouble] = useState<unknown>(undefined)
  const area = useRef<HTMLTextAreaElement>(null)
  const key = useMemo(() => crypto.randomUUID(), [text.value])
  const document = text.value

  useEffect(() => {
    const stop = new AbortController()
    const timer = setTimeout(() => {
      validate(document, stop.signal).then((plan) => setVerdict({ is: 'right', plan }), (why: unknown) => {
        if (!stop.signal.aborted) setVerdict({ is: 'wrong', why })
      })
    }, QUIET)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [document])

  const complaints = verdict.is === 'wrong' ? complaintsOf(verdict.why) : verdict.is === 'right' ? verdict.plan.warnings ?? [] : []
  const run = () => {
    setTrouble(undefined)
    submit(document, key).then((accepted) => go(ofRun(accepted.id, 'graph')), setTrouble)
  }
  const drop = (event: DragEvent) => {
    event.preventDefault()
    void event.dataTransfer?.files[0]?.text().then((dropped) => (text.value = dropped))
  }
  return (
    <div class="screen submit" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <div class="bar-row">
        <h1>Submit</h1>
        <span class="muted">Type or paste a document, or drop a file.</span>
        <span class="spring" />
        <Said verdict={verdict} />
        {may('submit') && <Button kind="main" disabled={verdict.is !== 'right'} onClick={run}>Run</Button>}
      </div>
      <Trouble error={trouble} />
      <div class="submit-body">
        <div class="editor">
          <Editor area={area} complaints={complaints} />
          <Complaints all={complaints} why={verdict.is === 'wrong' ? verdict.why : undefined} onGo={(place) => {
            area.current?.focus()
            area.current?.setSelectionRange(place, place)
            const line = text.value.slice(0, place).split('\n').length - 1
            if (area.current) area.current.scrollTop = Math.max(0, line - 4) * LINE
          }} />
        </div>
        <section class="preview" aria-label="Preview of the graph"><Preview document={document} /></section>
      </div>
    </div>
  )
}

const complaintsOf = (why: unknown): Complaint[] => (why instanceof Refused ? why.problem.complaints ?? [] : [])

function Said({ verdict }: { verdict: Verdict }) {
  if (verdict.is === 'unknown') return <span class="muted">checking …</span>
  if (verdict.is === 'wrong') {
    const count = verdict.why instanceof Refused ? verdict.why.problem.complaint_count ?? 1 : 1
    return <span class="s-failure" role="status">{counted(count, 'complaint')}</span>
  }
  const { nodes, edges, levels } = verdict.plan
  return <span class="s-success" role="status">{counted(nodes, 'node')}, {counted(edges, 'edge')}, {counted(levels.length, 'level')}</span>
}

const LINE = 19

function Editor({ area, complaints }: { area: { current: HTMLTextAreaElement | null }; complaints: Complaint[] }) {
  const gutter = useRef<HTMLDivElement>(null)
  const lines = text.value.split('\n').length
  const marked = useMemo(() => {
    const all = places(text.value)
    return new Map(complaints.slice(0, MOST_MARKED).map((one) => [text.value.slice(0, placeOf(all, one.pointer)).split('\n').length, one]))
  }, [complaints, text.value])
  const numbers = Array.from({ length: Math.min(lines, 20_000) }, (_, index) => {
    const complaint = marked.get(index + 1)
    return <div key={index} class={complaint ? 'wrong' : ''} title={complaint && `found ${complaint.found}, expected ${complaint.expected}`}>{complaint ? `✕ ${index + 1}` : index + 1}</div>
  })
  return (
    <div class="editor-text">
      <div class="gutter" ref={gutter} aria-hidden="true">{numbers}</div>
      <textarea ref={area} aria-label="The document" spellcheck={false} wrap="off" value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop
        }} />
    </div>
  )
}

function Complaints({ all, why, onGo }: { all: Complaint[]; why: unknown; onGo: (place: number) => void }) {
  if (all.length === 0) return why === undefined ? null : <Trouble error={why} />
  const known = places(text.value)
  return (
    <ul class="complaints" aria-label="Complaints">
      {all.map((one) => {
        const place = placeOf(known, one.pointer)
        return (
          <li key={one.pointer + one.code + one.found}>
            <button type="button" onClick={() => onGo(place)}>
              <span class="number muted">line {text.value.slice(0, place).split('\n').length}</span> <code>{one.code}</code> found {one.found}, expected {one.expected}
            </button>
          </li>
        )
      })}
    </ul>
  )
}

/** The graph of the text, drawn as a run of which nothing has happened. */
function Preview({ document }: { document: string }) {
  const shown = useMemo(() => sketch(document), [document])
  useEffect(() => shown && layOut(shown.watched.run.graph, [], (made) => (shown.layout.value = made)), [shown])
  if (!shown) return <Empty>The picture comes when the text is JSON.</Empty>
  return <GraphView key={document} {...shown} onHit={() => undefined} />
}

function sketch(document: string) {
  const run = newRun('preview')
  try {
    apply(run, { run: 'preview', seq: 1, at: new Date().toISOString(), event: { run_accepted: { document } } })
  } catch {
    return undefined
  }
  const watched: Watched = { run, version: signal(1), standing: signal({ is: 'over' }), stop: () => undefined }
  const none = computed(() => undefined)
  return { watched, layout: signal<Layout | undefined>(undefined), camera: signal<Camera | undefined>(undefined), selected: none, found: none, critical: none, insides: signal<Insides>(new Map()) }
}
