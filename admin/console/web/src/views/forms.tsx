// What was said in one request, form by form: as its client sent it, as it was understood, as each attempt sent it, and the answers.
import { useState } from 'preact/hooks'
import { call, get, part, query, Refusal, type Captures, type Explanation, type Form, type Forms } from '../api'
import { askAgain } from '../asked'
import { act, Button } from '../parts/act'
import { Begin } from '../parts/captures'
import { Copy, Failed, Skeleton, useLoad } from '../parts/shown'
import { overview } from '../live'
import { address, param, setParams } from '../route'
import { rights, why } from '../session'
import { digits, many } from '../words'
import '../styles/forms.css'

// noForms are the filters of forms that are open, closed.
export const noForms = { forms: '', attempt: '' }

// WhatWasSaid is in the detail of a request: the way to its forms, or how to have those of the next ones.
export function WhatWasSaid({ e }: { e: Explanation }) {
  const on = overview.value?.captures?.find(c => c.caller === e.caller)
  const { value, again } = useLoad(stop => get<Captures>('/api/captures', stop), [e.id, e.at, e.state, on?.taken, param('forms')])
  const kept = value?.exchanges?.some(k => k.id === e.id && k.caller === e.caller && Date.parse(k.at) === Date.parse(e.at ?? ''))
  return (
    <>
      <h3>What was said</h3>
      {kept ? <>
        <p class="soft">{rights.value === 'read' ? why.value : 'The question and the answer were kept, since ' + e.caller + ' was captured. The log says who has read them.'}</p>
        {rights.value !== 'read' && <p><a class="button" href={address('requests', { id: e.id!, of: e.caller, n: param('n'), forms: e.at! })}>Show what was said</a></p>}
      </> : <>
        <p class="soft">{on ? 'Nothing of this request is kept; what ' + e.caller + ' asks now is.' : 'Nothing of it was kept, as nothing is of anybody unless an operator has switched it on. To see the next requests of ' + e.caller + ':'}</p>
        {!on && <Begin caller={e.caller} onBegun={again} />}
      </>}
    </>
  )
}

// AllForms is the whole card, across the view: those of the request with this id that came at this time.
export function AllForms({ id, caller, at }: { id: string; caller: string; at: string }) {
  const { value, error, again } = useLoad(stop => get<Forms>('/api/captures/exchanges/' + part(id) + query({ caller, at }), stop), [id, caller, at])
  const close = () => setParams(noForms)
  const forget = () => act({
    verb: 'Forget all that was kept', done: 'All is forgotten, and nobody is captured.', run: async () => { await call('DELETE', '/api/captures'); close() },
    says: 'All captures end, and what was kept of all callers is removed from the memory of the gateway. It cannot be undone.',
  })
  return (
    <section class="card forms" aria-label="What was said">
      <header>
        <h2>What was said</h2><span class="soft clip">{id}</span><span class="grow" />
        {value && <Again f={value} />}
        <Button onClick={forget}>Forget all that was kept</Button>
        <button type="button" class="button bare" aria-label="Close what was said" onClick={close}>×</button>
      </header>
      {error !== undefined ? <NotKept error={error} again={again} /> : !value ? <Skeleton rows={8} /> : <Columns f={value} />}
    </section>
  )
}

function NotKept({ error, again }: { error: unknown; again: () => void }) {
  if (error instanceof Refusal && error.status === 403) return <p class="empty">{why.value || error.message}</p>
  if (error instanceof Refusal && error.status === 404) return <p class="empty">Nothing of this request is kept (any more): its caller was not captured when it came, or it has made room for others.</p>
  return <Failed error={error} again={again} />
}

function Columns({ f }: { f: Forms }) {
  const [exact, setExact] = useState(false)
  const attempts = f.attempts ?? []
  const at = Math.min(Math.max(Number(param('attempt')) || attempts.length, 1), Math.max(attempts.length, 1)) - 1
  const a = attempts[at]
  return (
    <>
      <div class="row">
        {attempts.length > 1 && <div class="row" role="group" aria-label="Attempts">{attempts.map((one, i) => (
          <button key={i} type="button" class="button" aria-pressed={i === at} onClick={() => setParams({ attempt: String(i + 1) })}>{i + 1}. {one.channel}</button>
        ))}</div>}
        <label class="check"><input type="checkbox" checked={exact} onChange={e => setExact(e.currentTarget.checked)} /> Exactly as on the wire</label>
      </div>
      <h3>The question</h3>
      <div class="form-columns three">
        <Shown title={'From the client, ' + f.front} form={f.asked} exact={exact} />
        <Shown title="As it was understood" form={f.canonical} exact={exact} />
        {a ? <Shown title={'To ' + a.channel + ', ' + a.model} form={a.sent} exact={exact} /> : <NoForm title="To a channel">No channel was asked.</NoForm>}
      </div>
      <h3>The answer</h3>
      <div class="form-columns">
        {a ? <Shown title={'From ' + a.channel} form={a.came} exact={exact} /> : <NoForm title="From a channel">No channel was asked.</NoForm>}
        <Shown title={'To the client, ' + f.front} form={f.told} exact={exact} />
      </div>
    </>
  )
}

function NoForm({ title, children }: { title: string; children: string }) {
  return <section class="form" aria-label={title}><header><h4>{title}</h4></header><p class="empty">{children}</p></section>
}

function Shown({ title, form, exact }: { title: string; form: Form; exact: boolean }) {
  if (form.bytes === 0) return <NoForm title={title}>Nothing came.</NoForm>
  const text = exact ? form.text : indented(form.text)
  return (
    <section class="form" aria-label={title}>
      <header><h4 class="clip" title={title}>{title}</h4><span class="soft" title={form.bytes + ' bytes'}>{digits(form.bytes)} B</span><Copy text={() => form.text}>Copy</Copy></header>
      <pre tabIndex={0} aria-label={title}>{text}</pre>
      {form.cut && <p class="soft">The first {many(form.text.length, 'character')} of {many(form.bytes, 'byte')}.</p>}
    </section>
  )
}

// indented is a text whose JSON is easier to read: the whole, or the data of events and the lines that are JSON.
export function indented(text: string): string {
  const whole = pretty(text)
  if (whole !== undefined) return whole
  if (text.length > 40_000) return text
  return text.split('\n').map(line => {
    const [, head = '', json = ''] = /^(data: ?)?([{[].*)$/.exec(line) ?? []
    const told = json && pretty(json)
    return told ? head + told : line
  }).join('\n')
}

function pretty(json: string): string | undefined {
  try {
    const v: unknown = JSON.parse(json)
    return typeof v === 'object' && v ? JSON.stringify(v, null, 2) : undefined
  } catch { return undefined }
}

interface Canonical { model: string; preset?: string; messages: { role: string; parts: { kind: string; text?: string }[] }[] }

// Again puts the newest question of the request into the playground.
function Again({ f }: { f: Forms }) {
  let said: Canonical | undefined
  try { said = JSON.parse(f.canonical.text) } catch { /* it is cut */ }
  const textOf = (role: string) => {
    const m = said?.messages.findLast(m => m.role === role)
    return m?.parts.filter(p => p.kind === 'text').map(p => p.text ?? '').join('\n') ?? ''
  }
  const text = textOf('user')
  const reason = !said ? 'The question is longer than what is kept of it.' : text === '' ? 'There is no text in its newest question.' : ''
  return <Button kind="main" off={reason} onClick={() => askAgain(f.front, said!.preset || said!.model, text, textOf('system'))}>Run again in the playground</Button>
}
