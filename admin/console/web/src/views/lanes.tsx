// The lanes of the playground: what goes over the wire in each of them, against one clock.
import { get, part, type Explanation } from '../api'
import { Behind, useLoad } from '../parts/shown'
import { Mark } from '../parts/state'
import { address } from '../route'
import { digits, many, took } from '../words'

// Happened is one event of a lane, of the playground or of the test of a channel.
export interface Happened {
  kind: string; ms: number; text?: string; caller?: string; id?: string; result?: string; message?: string; finish?: string
  input_tokens?: number; output_tokens?: number; connect_ms?: number; first_ms?: number; model?: string
}
export interface Lane { name: string; target: string; events: Happened[]; running: boolean; failed?: string }

const pieces = new Set(['text', 'reasoning', 'tool', 'args'])
const signs: Record<string, string> = { sent: '\u2192', received: '\u2190' }

// read is the answer as a client reads it.
const read = (l: Lane): string => l.events.filter(e => e.kind === 'text').map(e => e.text ?? '').join('')
const firstOf = (l: Lane): number | undefined => l.events.find(e => pieces.has(e.kind))?.ms
const endOf = (l: Lane): Happened | undefined => l.events.find(e => e.kind === 'end')

export function Lanes({ lanes }: { lanes: Lane[] }) {
  return (
    <>
      <div class="columns">{lanes.map((l, i) => <Answer key={i} lane={l} />)}</div>
      <Wire lanes={lanes} />
    </>
  )
}

function Answer({ lane }: { lane: Lane }) {
  const end = endOf(lane), first = firstOf(lane)
  const state = lane.failed ? 'open' : !end ? 'running' : end.result === 'ok' ? 'ok' : 'open'
  return (
    <section class="card" aria-label={'Answer of ' + lane.name}>
      <header><h2>{lane.name}</h2><Mark state={state} word={lane.failed ? 'not asked' : end ? end.result ?? '' : lane.running ? 'running' : 'stopped'} /></header>
      <p class="answer">{read(lane) || <span class="soft">{lane.running ? 'No text yet.' : 'No text.'}</span>}</p>
      {(lane.failed || end?.message) && <p class="why">{lane.failed || end?.message}</p>}
      <p class="soft">
        {first !== undefined && <>first content after {took(first)}{end && ', '}</>}{end && <>ended after {took(end.ms)}</>}
        {end && (end.input_tokens || end.output_tokens) ? <>; {digits(end.input_tokens ?? 0)} tokens in, {digits(end.output_tokens ?? 0)} out</> : null}
      </p>
      {end?.id && <Road id={end.id} />}
    </section>
  )
}

// Road is which channels were asked, and how each fared: a failover is seen here.
function Road({ id }: { id: string }) {
  const { value: e } = useLoad(stop => get<Explanation>('/api/explain/' + part(id), stop), [id])
  const list = e?.attempts ?? []
  return (
    <div class="road">
      {list.length > 0 && <ol class="trail" aria-label="Channels that were asked">{list.map((a, i) => (
        <li key={i}><Mark state={a.result === 'ok' ? 'ok' : a.result === 'running' ? 'running' : 'open'} word={a.result} /> <a href={address('channels', { channel: a.channel })}>{a.channel}</a> <span class="soft">{a.model}{a.message && ': ' + a.message}</span></li>
      ))}</ol>}
      <a href={address('requests', { id })}>Where its time went, and why it went there</a>
    </div>
  )
}

interface Row { at: number; lane: number; event: Happened }

const shown = 2000 // rows

// rowsOf are the events of all lanes in the order in which they happened. Where a lane has messages of the wire,
// these are shown; else the pieces of its answer.
function rowsOf(lanes: Lane[]): Row[] {
  const rows = lanes.flatMap((l, lane) => {
    const raw = l.events.some(e => e.kind === 'sent' && e.text)
    return l.events.filter(e => !raw || !pieces.has(e.kind)).map(event => ({ at: event.ms, lane, event }))
  })
  return rows.sort((a, b) => a.at - b.at)
}

const words = (e: Happened): string => {
  switch (e.kind) {
    case 'begun': return 'asks as ' + e.caller
    case 'end': return 'end: ' + e.result + (e.finish ? ', ' + e.finish : '') + (e.message ? ', ' + e.message : '')
    case 'opened': return 'the back end begins to answer' + (e.connect_ms ? ', connected after ' + took(e.connect_ms) : '')
    case 'sent': return e.text ?? 'the question goes out' + (e.model ? ' to ' + e.model : '')
    case 'received': return e.text ?? ''
    default: return e.kind + (e.text ? ': ' + e.text : '')
  }
}

function Wire({ lanes }: { lanes: Lane[] }) {
  const all = rowsOf(lanes)
  const rows = all.slice(0, shown)
  return (
    <section class="card" aria-label="On the wire">
      <header><h2>On the wire</h2><span class="soft">{'\u2192'} sent, {'\u2190'} received, without headers and keys; the times count from the question</span></header>
      <div class="wire" role="table" aria-label="Messages of the wire" tabIndex={0} style={{ '--lanes': lanes.length }}>
        <div class="wire-row head" role="row"><span role="columnheader">Time</span>{lanes.map((l, i) => <span key={i} role="columnheader">{l.name}</span>)}</div>
        {rows.map((r, i) => (
          <div key={i} class="wire-row" role="row">
            <span class="n soft" role="rowheader" title={r.at + ' ms'}>{took(r.at)}</span>
            {lanes.map((l, n) => <span key={n} role="cell" class={n === r.lane ? 'message ' + r.event.kind : 'none'} data-lane={l.name}>{n === r.lane && <>{signs[r.event.kind] && <b aria-label={r.event.kind}>{signs[r.event.kind]} </b>}{words(r.event)}</>}</span>)}
          </div>
        ))}
      </div>
      {all.length > shown && <p class="soft">{many(all.length - shown, 'later message')} {all.length - shown === 1 ? 'is' : 'are'} not shown.</p>}
      <Behind title="As a table" head={['ms', 'Lane', 'Kind', 'Text']} rows={rows.map(r => [r.at, lanes[r.lane]!.name, r.event.kind, words(r.event)])} />
    </section>
  )
}
