// Who is close to a limit, who was refused and by which rule, and whether a question would be let in.
import { useRef, useState } from 'preact/hooks'
import type { View } from '../views'
import { call, get } from '../api'
import { message } from '../parts/act'
import { usePoll } from '../parts/poll'
import { Ago, Behind, Card, Empty, Failed, Skeleton, useLoad } from '../parts/shown'
import { Mark } from '../parts/state'
import { address } from '../route'
import { digits, many, money, percent, took } from '../words'
import { Keys } from './keys'
import '../styles/limits.css'

export interface Limit { name: string; per: string; requests: string; tokens: string; concurrent: number; queue: boolean; budget: number; budget_per: string }
interface Use { rule: string; kind: string; per: string; subject: string; used: number; of: number; left: number; resets_in_seconds: number; this_process_only?: boolean }
interface Refused { caller: string; rule: string; code: string; count: number; last: string }
interface All { limits: Limit[] | null; use: Use[] | null; refused: Refused[] | null; this_process_only?: boolean }

function Limits() {
  const { value: all, error, again } = useLoad(stop => get<All>('/api/limits', stop), [])
  usePoll(again, 3000)
  if (!all) return error !== undefined ? <Failed error={error} again={again} /> : <Skeleton rows={8} />
  return (
    <>
      {error !== undefined && <Failed error={error} again={again} />}
      <Close use={all.use ?? []} none={!all.limits?.length} alone={all.this_process_only} />
      <div class="columns limits-row"><RefusedLately list={all.refused ?? []} /><WhatIf /></div>
      <Keys limits={all.limits ?? []} />
      <Configured list={all.limits ?? []} />
    </>
  )
}

const keyOf = (u: Use) => u.rule + '\n' + u.kind + '\n' + u.per + '\n' + u.subject
const share = (u: Use) => u.of > 0 ? u.used / u.of : 0

// standing is how near a use is to its limit.
const standing = (u: Use): [state: string, word: string] => u.left <= 0 ? ['open', 'used up'] : share(u) >= 0.8 ? ['throttled', 'close'] : ['ready', 'room']

// Close are the limits of which most is used. The rows keep their places until somebody sorts them.
function Close({ use, none, alone }: { use: Use[]; none: boolean; alone?: boolean }) {
  const order = useRef<string[]>([])
  const [, setTurn] = useState(0)
  const known = new Set(order.current)
  order.current.push(...use.map(keyOf).filter(k => !known.has(k)))
  const by = new Map(use.map(u => [keyOf(u), u]))
  const rows = order.current.map(k => by.get(k)).filter(u => u !== undefined)
  const near = use.filter(u => share(u) >= 0.8).length
  return (
    <Card title="Who is close" more={<><span class="soft">{near > 0 ? many(near, 'limit') + ' of which 80\u202f% or more is used' : 'no limit of which 80\u202f% is used'}</span>{rows.length > 1 && <><span class="grow" /><button type="button" class="button bare" onClick={() => { order.current = []; setTurn(n => n + 1) }}>Most used first</button></>}</>}>
      {alone && <OneOfMany use={use} />}
      {rows.length === 0 ? <Empty>{none ? 'The configuration has no limits.' : 'Nothing of any limit is used at the moment.'}</Empty> : (
        <div class="wide tall" tabIndex={0} role="region" aria-label="Use of limits">
          <table class="uses">
            <thead><tr><th scope="col">Of whom</th><th scope="col">Limits</th><th scope="col">What</th><th scope="col">State</th><th scope="col">Share</th><th scope="col" class="n">Used</th><th scope="col" class="n">Of</th><th scope="col" class="n">Left</th><th scope="col" class="n">All back in</th></tr></thead>
            <tbody>{rows.map(u => <One key={keyOf(u)} u={u} />)}</tbody>
          </table>
        </div>)}
    </Card>
  )
}

// OneOfMany says what a count is where several processes share the limits.
const OneOfMany = ({ use }: { use: Use[] }) => <p class="soft">The limits are shared by several processes, and these are the counts of this one: others may have used more.{use.some(u => u.kind === 'budget' && !u.this_process_only) && ' A budget counts for all of them.'}</p>

function One({ u }: { u: Use }) {
  const [state, word] = standing(u)
  return (
    <tr>
      <th scope="row">{u.per === 'caller' ? <a href={address('requests', { caller: u.subject })}>{u.subject}</a> : u.subject}<span class="soft"> ({u.per})</span></th>
      <td>{u.rule}</td><td>{u.kind}</td><td><Mark state={state} word={word} /></td>
      <td><svg class={'meter ' + state} viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={percent(share(u))}><rect class="of" width="100" height="8" /><rect class="used" width={Math.min(100, share(u) * 100)} height="8" /></svg></td>
      <td class="n" title={String(u.used)}>{digits(u.used)}</td><td class="n" title={String(u.of)}>{digits(u.of)}</td><td class="n" title={String(u.left)}>{digits(u.left)}</td>
      <td class="n">{u.resets_in_seconds > 0 ? took(Math.ceil(u.resets_in_seconds) * 1000) : '\u2013'}</td>
    </tr>
  )
}

function RefusedLately({ list }: { list: Refused[] }) {
  return (
    <Card title="Who was refused" more={<span class="soft">in the last 15 minutes, before a channel was asked</span>}>
      {list.length === 0 ? <Empty>Nobody was refused.</Empty> : (
        <div class="wide tall" tabIndex={0} role="region" aria-label="Who was refused">
          <table><thead><tr><th scope="col">Caller</th><th scope="col">By</th><th scope="col">Code</th><th scope="col" class="n">Times</th><th scope="col">Since</th></tr></thead>
            <tbody>{list.map(r => <tr key={r.caller + '\n' + r.rule + '\n' + r.code}><th scope="row"><a href={address('requests', { caller: r.caller, outcome: r.code })}>{r.caller || 'nobody known'}</a></th><td>{r.rule ? 'limits ' + r.rule : 'no limit'}</td><td>{r.code}</td><td class="n">{digits(r.count)}</td><td><Ago at={Date.parse(r.last)} /></td></tr>)}</tbody></table>
        </div>)}
    </Card>
  )
}

interface Foreseen {
  caller: string; model: string; tokens: number; cost: number; let_in: boolean; waits: boolean; refused_by: string; why: string; retry_seconds: number
  rules: Use[] | null; budget: { name: string; of: number; left: number; ends: string } | null
  this_process_only?: boolean
}

// WhatIf asks whether a question would be let in now; nothing is counted.
function WhatIf() {
  const [told, setTold] = useState<Foreseen | string>()
  const ask = (e: Event) => {
    e.preventDefault()
    const of = new FormData(e.currentTarget as HTMLFormElement)
    const text = (name: string) => String(of.get(name) ?? '').trim()
    call<Foreseen>('POST', '/api/limits/what-if', { caller: text('caller'), model: text('model'), user: text('user'), address: text('address'), input_tokens: Number(text('input')) || 0, max_tokens: Number(text('most')) || 0 })
      .then(setTold, err => setTold(message(err)))
  }
  return (
    <Card title="Would it be let in?" more={<span class="soft">Nothing is counted.</span>}>
      <form onSubmit={ask}>
        <div class="filters">
          <Field name="caller" label="Caller, or id of a key" /><Field name="model" label="Model or preset" />
          <Field name="input" label="Tokens of the question" number /><Field name="most" label="Tokens of the answer" number />
          <Field name="user" label="User" /><Field name="address" label="Address" />
          <button type="submit" class="button main">Ask</button>
        </div>
      </form>
      {told && <div class="foreseen" role="status">{typeof told === 'string' ? told : <Answer f={told} />}</div>}
    </Card>
  )
}

const Field = ({ name, label, number }: { name: string; label: string; number?: boolean }) => (
  <label class="filter"><span>{label}</span>{number ? <input name={name} type="number" min={0} /> : <input name={name} autocomplete="off" spellcheck={false} />}</label>
)

function Answer({ f }: { f: Foreseen }) {
  return (
    <>
      <p><Mark state={f.let_in ? 'ready' : f.waits ? 'throttled' : 'open'} word={f.let_in ? 'It would be let in.' : f.waits ? 'It would wait.' : 'It would be refused.'} /></p>
      {!f.let_in && <p class="why">By {f.refused_by}: {f.why}.{f.retry_seconds > 0 && ' Again in ' + took(Math.ceil(f.retry_seconds) * 1000) + '.'}</p>}
      <p class="soft">{f.caller} asking {f.model}, {many(f.tokens, 'token')} reserved{f.cost > 0 && ', a cost of ' + money(f.cost)}.{f.budget && ' Of the budget ' + f.budget.name + ' ' + money(f.budget.left) + ' of ' + money(f.budget.of) + ' is left.'}</p>
      {(f.rules ?? []).length > 0 ? <ul class="lines">{f.rules!.map(u => <li key={keyOf(u)}><Mark state={standing(u)[0]} word={u.rule} /> {u.kind} per {u.per}: {digits(u.left)} of {digits(u.of)} left</li>)}</ul> : <p class="soft">No limit would be asked.</p>}
      {f.this_process_only && (f.rules ?? []).length > 0 && <OneOfMany use={f.rules!} />}
    </>
  )
}

function Configured({ list }: { list: Limit[] }) {
  if (list.length === 0) return null
  return (
    <Card title="Limits of the configuration" more={<a href={address('configuration')}>Change them</a>}>
      <Behind title={many(list.length, 'set of limits', 'sets of limits')} head={['Name', 'Per', 'Requests', 'Tokens', 'At once', 'Waits', 'Budget']}
        rows={list.map(l => [l.name, l.per, l.requests || '\u2013', l.tokens || '\u2013', l.concurrent || '\u2013', l.queue ? 'yes' : 'no', l.budget ? money(l.budget) + ' per ' + l.budget_per : '\u2013'])} />
    </Card>
  )
}

export const limits: View = { name: 'limits', title: 'Limits', icon: 'M4 18a8 8 0 1 1 16 0M12 18l4-6', Show: Limits }
