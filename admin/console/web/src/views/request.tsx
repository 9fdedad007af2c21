// The detail of one request: where its time went, why it went where it went, and what it cost.
import { useEffect, useState } from 'preact/hooks'
import { call, get, part, query, type Attempt, type Explanation, type Ledger, type LedgerRow } from '../api'
import { message } from '../parts/act'
import { Behind, Copy, Failed, Skeleton, useLoad } from '../parts/shown'
import { Mark } from '../parts/state'
import { address, setParams } from '../route'
import { noForms, WhatWasSaid } from './forms'
import { clock, digits, exact, money, percent, took } from '../words'

// noRequest are the filters of a request that is open, closed.
export const noRequest = { id: '', of: '', n: '', ...noForms }

export function Detail({ id, n, caller }: { id: string; n: string; caller: string }) {
  const { value: e, error, again } = useLoad(stop => get<Explanation>('/api/explain/' + part(id) + query({ n, caller }), stop), [id, n, caller])
  const { value: ledger } = useLoad(stop => get<Ledger>('/api/ledger' + query({ request: id }), stop), [id])
  const close = () => setParams(noRequest)
  useEffect(() => {
    const onKey = (k: KeyboardEvent) => { if (k.key === 'Escape' && !document.querySelector('dialog[open]')) close() }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  return (
    <section class="card detail" aria-label="Request">
      <header><h2 class="clip" title={id}>{id}</h2><button type="button" class="button bare" aria-label="Close the request" onClick={close}>×</button></header>
      {error !== undefined ? <Failed error={error} again={again} /> : !e ? <Skeleton rows={8} /> : <>
        <Said e={e} />
        <div class="row"><Copy text={() => curl('/api/explain/' + part(id))}>Copy as curl</Copy><Foresee e={e} /></div>
        {e.ledger && <Waterfall e={e} />}
        <Trail e={e} />
        <WhatWasSaid e={e} />
        <Cost rows={(ledger?.rows ?? []).filter(r => !caller || r.caller === caller)} />
        {e.same_id && e.same_id.length > 1 && <><h3>Others with this id</h3><ul class="lines">{e.same_id.map(s => <li key={s.n}><a href={address('requests', { id, n: String(s.n) })}>{clock(Date.parse(s.at))}</a> {s.caller}, {s.front}, {s.model}: {s.outcome ?? s.state}</li>)}</ul></>}
      </>}
    </section>
  )
}

// curl is a call of the API as one types it; the token comes from the environment.
const curl = (path: string): string => "curl -H \"Authorization: Bearer $DRAGOMAN_TOKEN\" '" + location.origin + path.replaceAll("'", '%27') + "'"

function Said({ e }: { e: Explanation }) {
  return (
    <dl class="facts">
      <div><dt>Outcome</dt><dd><Mark state={e.state === 'running' ? 'running' : e.outcome === 'ok' ? 'ok' : 'open'} word={e.state === 'running' ? 'running' : e.outcome ?? ''} />{e.message && <p class="why">{e.message}</p>}</dd></div>
      <div><dt>Came</dt><dd>{e.at && <time dateTime={e.at} title={exact(Date.parse(e.at))}>{clock(Date.parse(e.at))}</time>}</dd></div>
      <div><dt>Front</dt><dd><a href={address('requests', { front: e.front ?? '' })}>{e.front}</a>{e.endpoint && ' ' + e.endpoint}</dd></div>
      <div><dt>Caller</dt><dd><a href={address('requests', { caller: e.caller })}>{e.caller}</a></dd></div>
      <div><dt>Model</dt><dd><a href={address('requests', { model: e.model })}>{e.model}</a>{e.preset && ' (preset ' + e.preset + ')'}</dd></div>
    </dl>
  )
}

interface Bar { name: string; from: number; ms: number; kind: string }

// bars are the pieces of the one time axis: waiting, then each attempt, then the stream of the last.
function bars(e: Explanation): Bar[] {
  const l = e.ledger!
  const list: Bar[] = []
  if (l.queue_ms > 0) list.push({ name: 'queue of the conversation', from: 0, ms: l.queue_ms, kind: 'wait' })
  if (l.room_ms > 0) list.push({ name: 'wait for a free slot', from: l.queue_ms, ms: l.room_ms, kind: 'wait' })
  for (const [i, a] of (e.attempts ?? []).entries()) list.push(...piecesOf(a, i + 1))
  const last = e.attempts?.[e.attempts.length - 1]
  if (last && l.stream_ms > 0) list.push({ name: 'stream', from: last.began_ms + last.open_ms + last.first_ms, ms: l.stream_ms, kind: 'stream' })
  return list
}

function piecesOf(a: Attempt, n: number): Bar[] {
  const who = n + '. ' + a.channel + ': '
  const bad = a.result !== 'ok' && a.result !== 'running'
  const kind = (name: string) => bad ? 'bad' : name
  return [
    { name: who + 'connect', from: a.began_ms, ms: a.connect_ms, kind: kind('connect') },
    { name: who + 'headers', from: a.began_ms + a.connect_ms, ms: a.open_ms - a.connect_ms, kind: kind('headers') },
    { name: who + (bad ? 'until it failed' : 'first content'), from: a.began_ms + a.open_ms, ms: a.first_ms, kind: kind('first') },
  ].filter(b => b.ms > 0)
}

function Waterfall({ e }: { e: Explanation }) {
  const list = bars(e)
  const total = Math.max(e.ledger!.total_ms, ...list.map(b => b.from + b.ms), 0.001)
  const last = e.attempts?.[e.attempts.length - 1]
  const commit = last && (last.result === 'ok' || e.ledger!.stream_ms > 0) ? last.began_ms + last.open_ms + last.first_ms : null
  const x = (ms: number) => (ms / total) * 100
  return (
    <>
      <h3>Where its time went <span class="soft">{took(e.ledger!.total_ms)}</span></h3>
      <div class="waterfall" role="img" aria-label="Waterfall of the request; the table below has the figures">
        {list.map((b, i) => (
          <div key={i} class="bar-row"><span class="clip">{b.name}</span>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" width="100%" height="14">
              <rect class={'bar ' + b.kind} x={Math.min(x(b.from), 99.4)} y="1" width={Math.max(0.6, x(b.ms))} height="8" />
              {commit !== null && <line class="commit" x1={x(commit)} x2={x(commit)} y1="0" y2="10" vector-effect="non-scaling-stroke" />}
            </svg><span class="n">{took(b.ms)}</span></div>
        ))}
        {commit !== null && <p class="soft">Commit point at {took(commit)} (the line): before it another channel can be tried, after it none.</p>}
      </div>
      <Behind title="Times as a table" head={['Piece', 'From', 'For']} rows={list.map(b => [b.name, took(b.from), took(b.ms)])} />
    </>
  )
}

function Trail({ e }: { e: Explanation }) {
  return (
    <>
      <h3>Why it went there</h3>
      {e.attempts && e.attempts.length > 0 ? <ol class="trail">{e.attempts.map((a, i) => (
        <li key={i}><Mark state={a.result === 'ok' ? 'ok' : a.result === 'running' ? 'running' : 'open'} word={a.result} /> <a href={address('channels', { channel: a.channel })}>{a.channel}</a> {a.model}, key {a.key}, tier {a.tier}
          <p class="soft">{a.by === 'alone' ? 'no other could take it' : 'chosen by ' + a.by + ' among ' + a.among}{a.left_behind ? '; ' + a.left_behind + ' messages of the conversation stayed behind' : ''}{a.message ? ': ' + a.message + '.' : ''}{a.retry_seconds ? ' It asked to be left alone for ' + took(a.retry_seconds * 1000) + '.' : ''}</p></li>
      ))}</ol> : <p class="soft">No channel was asked.</p>}
      <Behind title={'Candidates (' + (e.candidates?.length ?? 0) + ')'} head={['Channel', 'Key', 'Model', 'Tier', 'Weight', 'State', 'Asked']}
        rows={(e.candidates ?? []).map(c => [c.channel, c.key, c.upstream, c.tier, c.weight, <><Mark state={c.state} />{c.why && <span class="soft"> {c.why}</span>}</>, c.asked])} />
    </>
  )
}

function Cost({ rows }: { rows: LedgerRow[] }) {
  if (rows.length === 0) return null
  const list = [...rows].sort((a, b) => a.attempt - b.attempt)
  const sound = rows.some(r => r.sound_seconds), images = rows.some(r => r.images)
  return (
    <>
      <h3>Tokens and cost</h3>
      <div class="wide" tabIndex={0} role="region" aria-label="Tokens and cost">
        <table><thead><tr><th scope="col">Of</th><th scope="col">Channel</th><th scope="col" class="n">Input</th><th scope="col" class="n">Cached</th><th scope="col" class="n">Output</th>{sound && <th scope="col" class="n">Sound</th>}{images && <th scope="col" class="n">Pictures</th>}<th scope="col" class="n">Cost</th></tr></thead>
          <tbody>{list.map(r => <tr key={r.attempt}><th scope="row">{r.attempt ? 'attempt ' + r.attempt : 'the request'}</th><td>{r.channel}</td><td class="n">{digits(r.input_tokens)}</td><td class="n">{digits(r.cached_tokens)}</td><td class="n">{digits(r.output_tokens)}{r.estimated && <abbr title="estimated: the channel reported none"> ~</abbr>}</td>{sound && <td class="n">{digits(r.sound_seconds ?? 0)} s</td>}{images && <td class="n">{digits(r.images ?? 0)}</td>}<td class="n" title={String(r.cost)}>{money(r.cost)}</td></tr>)}</tbody></table>
      </div>
    </>
  )
}

// Foresee asks where such a question would go now.
function Foresee({ e }: { e: Explanation }) {
  const [told, setTold] = useState<Explanation | string>()
  const ask = async () => {
    try {
      setTold(await call<Explanation>('POST', '/api/explain', { model: e.model, caller: e.caller.replace(/@.*$/, ''), front: e.front, endpoint: e.endpoint }))
    } catch (err) { setTold(message(err)) }
  }
  return <>
    <button type="button" class="button" onClick={ask}>Where would it go now?</button>
    {told && <div class="foreseen" role="status">{typeof told === 'string' ? told : <>
      <p>{told.verdict}</p>
      <ul class="lines">{(told.candidates ?? []).slice(0, 12).map(c => <li key={c.channel + c.key + c.upstream}><Mark state={c.state} /> {c.channel} <span class="soft">{c.share !== undefined ? percent(c.share) : ''} {c.why}</span></li>)}</ul></>}</div>}
  </>
}
