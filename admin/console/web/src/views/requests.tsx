import { computed, signal } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { View } from '../views'
import { get, query, type Exchange } from '../api'
import { caughtUp, exchanges, told, type Known } from '../live'
import { List } from '../parts/list'
import { Choice, Empty, Filter, Filters, Skeleton } from '../parts/shown'
import { Mark } from '../parts/state'
import { param, setParams } from '../route'
import { clock, exact, many, took } from '../words'
import { AllForms } from './forms'
import { Detail, noRequest } from './request'

const paused = signal(false)

const known = (of: (e: Known) => string) => computed(() => { void told.value; return [...new Set(exchanges.slice(-2000).map(of))].filter(Boolean).sort().slice(0, 100) })
const fronts = known(e => e.front), models = known(e => e.model), channels = known(e => e.channel), callers = known(e => e.caller)

const parts = ['front', 'model', 'channel', 'caller'] as const

// filter is whether an exchange is one of those that the address asks for.
function filter(): (e: Exchange) => boolean {
  const wanted = parts.map(name => [name, param(name)] as const).filter(([, text]) => text)
  const outcome = param('outcome'), several = param('attempts') === 'several'
  return e => {
    if (outcome === 'failed' ? e.outcome === 'ok' || !e.outcome : outcome && e.outcome !== outcome) return false
    if (several && e.attempts < 2) return false
    return wanted.every(([name, text]) => e[name].includes(text))
  }
}

function Requests() {
  const running = param('state') === 'running'
  return (
    <>
      <Filters names={['state', 'front', 'model', 'channel', 'caller', 'outcome', 'attempts']}>
        <Choice name="state" label="Show" values={[['', 'ended'], ['running', 'running now']]} />
        <Filter name="front" label="Front" list={fronts.value} />
        <Filter name="model" label="Model" list={models.value} />
        <Filter name="channel" label="Channel" list={channels.value} />
        <Filter name="caller" label="Caller" list={callers.value} />
        {!running && <Choice name="outcome" label="Outcome" values={outcomes()} />}
        {!running && <Choice name="attempts" label="Attempts" values={[['', 'any'], ['several', 'more than one']]} />}
        <ById />
      </Filters>
      {param('id') && param('forms') && <AllForms key={param('id') + param('forms')} id={param('id')} at={param('forms')} caller={param('of')} />}
      <div class={'split' + (param('id') ? ' open' : '')}>{running ? <Running /> : <Ended />}{param('id') && <Detail key={param('id') + param('n')} id={param('id')} n={param('n')} caller={param('of')} />}</div>
    </>
  )
}

// ById opens the request of a log line, by its id.
function ById() {
  const open = (e: Event) => {
    e.preventDefault()
    const id = String(new FormData(e.currentTarget as HTMLFormElement).get('id')).trim()
    if (id) setParams({ ...noRequest, id })
  }
  return <form class="filter" onSubmit={open}><label><span>Request id</span><input name="id" type="text" placeholder="req_… and Enter" autocomplete="off" spellcheck={false} /></label></form>
}

function outcomes(): [string, string][] {
  const codes = new Set(exchanges.map(e => e.outcome).filter(o => o && o !== 'ok'))
  if (param('outcome') && !['ok', 'failed'].includes(param('outcome'))) codes.add(param('outcome'))
  return [['', 'any'], ['ok', 'ok'], ['failed', 'failed'], ...[...codes].sort().map((c): [string, string] => [c, c])]
}

// Ended is the live tail: the newest on top. It holds still while it is paused, and while one has scrolled away from the top.
function Ended() {
  const [top, setTop] = useState(true)
  const [held, setHeld] = useState<Known[] | null>(null)
  const asked = [...parts, 'outcome', 'attempts'].map(param).join('\n')
  const fresh = useMemo(() => exchanges.filter(filter()).reverse(), [told.value, asked])
  const still = paused.value || !top
  useEffect(() => { setHeld(still ? fresh : null) }, [still, asked])
  const rows = still && held ? held : fresh
  const behind = fresh.length - rows.length
  return (
    <section class="card tail" aria-label="Questions that have ended">
      <div class="row">
        <button type="button" class="button" aria-pressed={paused.value} onClick={() => { paused.value = !paused.value }}>{paused.value ? 'Go on' : 'Pause'}</button>
        <span class="soft" role="status">{many(rows.length, 'question')}{still && behind > 0 ? ', ' + behind + ' held back' : ''}</span>
      </div>
      {rows.length === 0 && !caughtUp.value ? <Skeleton rows={10} /> : rows.length === 0 ? <Empty>{exchanges.length === 0 ? 'No question has ended yet. The next one appears here.' : 'None of the ' + many(exchanges.length, 'question') + ' that this page knows fits.'}</Empty>
        : <Rows label="Questions that have ended" rows={rows} onTop={setTop} />}
    </section>
  )
}

// Running are those that have not ended, asked for once a second.
function Running() {
  const [list, setList] = useState<Exchange[] | null>(null)
  useEffect(() => {
    const stop = new AbortController()
    const ask = () => get<{ exchanges: Exchange[] }>('/api/exchanges' + query({ state: 'running', limit: 1000 }), stop.signal).then(r => setList(r.exchanges), () => { /* the top of the page says that the gateway is gone */ })
    void ask()
    const clock = setInterval(ask, 1000)
    return () => { stop.abort(); clearInterval(clock) }
  }, [])
  const rows = (list ?? []).filter(e => parts.every(name => e[name].includes(param(name))))
  return (
    <section class="card tail" aria-label="Questions that run">
      <p class="soft" role="status">{many(rows.length, 'question')} running</p>
      {list && rows.length === 0 ? <Empty>No question runs now.</Empty> : <Rows label="Questions that run" rows={rows} />}
    </section>
  )
}

function Rows({ label, rows, onTop }: { label: string; rows: Exchange[]; onTop?: (top: boolean) => void }) {
  // A row that was drawn is the same when one scrolls on, so that only those that come into sight are drawn.
  const drawn = useMemo(() => new WeakMap<Exchange, VNode>(), [])
  const row = (e: Exchange) => {
    const line = drawn.get(e) ?? <Line e={e} />
    drawn.set(e, line)
    return line
  }
  return <>
    <div class="exchange head" aria-hidden="true"><span>Ended</span><span>Outcome</span><span>Model</span><span>Channel</span><span>Front, caller</span><span class="n">First</span><span class="n">Took</span></div>
    <List label={label} rows={rows} height={44} keyOf={keyOf} row={row} {...(onTop && { onTop })} />
  </>
}

const keyOf = (e: Exchange): string => 'key' in e ? (e as Known).key : e.id + e.caller + e.at

function Line({ e }: { e: Exchange }) {
  const at = Date.parse(e.at) + e.took_ms
  const chosen = param('id') === e.id
  const choose = () => setParams(chosen ? noRequest : { ...noRequest, id: e.id, of: e.caller })
  return (
    <button type="button" class={'exchange' + (chosen ? ' chosen' : '')} aria-expanded={chosen} onClick={choose}>
      <time dateTime={exact(at)} title={exact(at)}>{clock(e.state === 'running' ? Date.parse(e.at) : at).slice(0, 12)}</time>
      <Mark state={e.state === 'running' ? 'running' : e.outcome === 'ok' ? 'ok' : 'open'} word={e.state === 'running' ? 'running' : e.outcome} />
      <span class="clip" title={e.model}>{e.model}</span>
      <span class="clip" title={e.channel}>{e.channel || '–'}{e.attempts > 1 && <small class="soft"> {e.attempts} attempts</small>}</span>
      <span class="clip soft" title={e.front + ', ' + e.caller}>{e.front}, {e.caller}</span>
      <span class="n" title={e.first_ms + ' ms'}>{e.first_ms ? took(e.first_ms) : '–'}</span>
      <span class="n" title={e.took_ms + ' ms'}>{took(e.took_ms)}</span>
    </button>
  )
}

export const requests: View = { name: 'requests', title: 'Requests', icon: 'M4 6h10M4 12h16M4 18h7', Show: Requests, keys: [['↓ ↑', 'the next and the previous request of the list'], ['Esc', 'closes the request']] }
