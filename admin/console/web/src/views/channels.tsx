import { useEffect, useRef, useState } from 'preact/hooks'
import type { View } from '../views'
import { call, get, part, type Channel, type Failure, type Forced } from '../api'
import { channels as all } from '../live'
import { act, Button } from '../parts/act'
import { Ago, Behind, Choice, Empty, Failed, Filter, Filters, Skeleton, useLoad } from '../parts/shown'
import { ChannelTest } from './channeltest'
import { cellsOf, differs, Strip, useTimeline } from '../parts/strip'
import { Mark, rowsOf, stateOf, type Row } from '../parts/state'
import { address, param, setParams } from '../route'
import { digits, many, took } from '../words'

const atOnce = 40 // channels that are drawn before one scrolls for more

function Channels() {
  const [most, setMost] = useState(atOnce)
  useTimeline()
  const list = all.value
  if (!list) return <Skeleton rows={6} />
  const shown = list.filter(fits)
  return (
    <>
      <Filters names={['channel', 'model', 'state']}>
        <Filter name="channel" label="Channel" list={list.slice(0, 200).map(c => c.id)} />
        <Filter name="model" label="Model" list={[...new Set(list.slice(0, 200).flatMap(rowsOf).map(r => r.model.model))]} />
        <Choice name="state" label="State" values={[['', 'any'], ['trouble', 'not ready'], ['open', 'out of use'], ['aside', 'set aside'], ['throttled', 'throttled'], ['trial', 'on trial'], ['full', 'full'], ['slow', 'slow'], ['held', 'held by the operator']]} />
      </Filters>
      <p class="soft count" role="status">{shown.length === list.length ? many(list.length, 'channel') : shown.length + ' of ' + many(list.length, 'channel')}</p>
      {param('open') && !list.some(c => c.id === param('open')) && <p class="hint" role="status">{param('open')} is not in the configuration that runs (any more).</p>}
      {shown.length === 0 && <Empty>No channel fits. {list.length > 0 && <a href={address('channels')}>Show all</a>}</Empty>}
      {shown.slice(0, most).map(c => <One key={c.id} channel={c} />)}
      {shown.length > most && <More left={shown.length - most} onSeen={() => setMost(most + atOnce)} />}
    </>
  )
}

const rowFits = (r: Row): boolean => {
  const model = param('model'), state = param('state')
  if (model && !r.model.model.includes(model)) return false
  return !state || state === 'held' || (state === 'trouble' ? r.model.state !== 'ready' : r.model.state === state)
}

function fits(c: Channel): boolean {
  if (!c.id.includes(param('channel'))) return false
  const held = stateOf(c) === 'held'
  if (param('state') === 'held') return held
  return param('state') === 'trouble' && held || rowsOf(c).some(rowFits)
}

// More draws the next channels once it comes into sight.
function More({ left, onSeen }: { left: number; onSeen: () => void }) {
  const at = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    const sight = new IntersectionObserver(([e]) => { if (e!.isIntersecting) onSeen() }, { rootMargin: '600px' })
    sight.observe(at.current!)
    return () => sight.disconnect()
  })
  return <button ref={at} type="button" class="button" onClick={onSeen}>{many(left, 'more channel')}</button>
}

function One({ channel: c }: { channel: Channel }) {
  const rows = rowsOf(c).filter(rowFits)
  return (
    <section class="card channel" aria-label={'Channel ' + c.id}>
      <header>
        <h2><a href={address('requests', { channel: c.id })}>{c.id}</a></h2>
        <Mark state={stateOf(c)} />
        <span class="soft">{c.kind}, tier {c.tier}, {c.proxy && c.proxy !== 'direct' ? 'through ' + c.proxy : 'direct'}</span>
        <span class="grow" />
        <span class="soft">{c.concurrent ? <>{c.in_flight} of {c.concurrent} in flight</> : <>{c.in_flight} in flight</>}{c.waiting > 0 && ', ' + c.waiting + ' waiting'}</span>
      </header>
      <div class="row acts"><Weight channel={c} /><span class="grow" /><Panels channel={c} /><Holds channel={c} /></div>
      {param('open') === c.id && (param('panel') === 'test' ? <ChannelTest channel={c} /> : <Failures channel={c} />)}
      <div class="wide" tabIndex={0} role="region" aria-label={'Models of ' + c.id}>
        <table class="records">
          <thead><tr><th scope="col">Model</th><th scope="col">State</th><th scope="col">Last 30 min</th><th scope="col">Why</th><th scope="col" class="n">First content</th><th scope="col" class="n">Whole</th><th scope="col" class="n">Last 10 s</th><th scope="col" class="n">Failed</th><th scope="col" class="n">In a row</th></tr></thead>
          <tbody>{rows.map(r => <Record key={r.key + ' ' + r.model.model} row={r} />)}</tbody>
        </table>
      </div>
    </section>
  )
}

function Record({ row: { channel: c, key, many: several, model: m } }: { row: Row }) {
  const upstream = m.upstream !== m.model && m.upstream ? ' (' + m.upstream + ')' : ''
  return (
    <tr>
      <th scope="row">{m.model}<span class="soft">{upstream}{several && ', key ' + key}</span></th>
      <td><Mark state={m.state} /></td>
      <td><Strip channel={c.id} keyAt={key} model={m.model} /></td>
      <td class="why">{m.why}{m.seconds > 0 && !/ for \d/.test(m.why ?? '') && <span class="soft"> next try in {took(Math.ceil(m.seconds) * 1000)}</span>}{m.quirks && m.quirks.length > 0 && <span class="soft"> {m.quirks.join(', ')}</span>}</td>
      <td class="n" data-name="First content" title={m.first_ms + ' ms'}>{m.first_ms ? took(m.first_ms) : '–'}</td>
      <td class="n" data-name="Whole" title={m.whole_ms + ' ms'}>{m.whole_ms ? took(m.whole_ms) : '–'}</td>
      <td class="n" data-name="Last 10 s">{digits(m.requests)}</td>
      <td class="n" data-name="Failed">{digits(m.failures)}</td>
      <td class="n" data-name="In a row">{digits(m.streak)}</td>
    </tr>
  )
}

// Panels opens what belongs to a channel below its head; which one is open stands in the address.
function Panels({ channel: c }: { channel: Channel }) {
  const at = param('open') === c.id ? param('panel') : ''
  const toggle = (panel: string) => setParams(at === panel ? { open: '', panel: '' } : { open: c.id, panel })
  return <>
    <button type="button" class="button" aria-expanded={at === 'failures'} onClick={() => toggle('failures')}>Failures</button>
    <button type="button" class="button" aria-expanded={at === 'test'} onClick={() => toggle('test')}>Test</button>
  </>
}

// Failures are the newest attempts on a channel that failed, which are why its state is as it is.
function Failures({ channel: c }: { channel: Channel }) {
  const { value, error, again } = useLoad(stop => get<{ failures: Failure[] }>('/api/channels/' + part(c.id) + '/failures?limit=20', stop), [c.id])
  const cells = cellsOf(c.id)
  return (
    <div class="panel">
      {error !== undefined ? <Failed error={error} again={again} /> : !value ? <Skeleton /> : value.failures.length === 0 ? <Empty>No attempt on {c.id} that is remembered has failed.</Empty> : (
        <ul class="lines">{value.failures.map(f => (
          <li key={f.exchange + f.at}><Mark state="open" word={f.result} /> <a href={address('requests', { id: f.exchange, of: f.caller })}>{f.model}</a> <span class="soft">{f.message}, asked by {f.caller}</span> <Ago at={Date.parse(f.at)} /></li>
        ))}</ul>)}
      <button type="button" class="button" onClick={again}>Look again</button>
      {cells.length > 0 && <Behind title="Minutes in which it was not ready" head={['Minute', 'Model', 'State', 'Seconds', 'Why']} rows={cells} />}
    </div>
  )
}

const path = (c: Channel, verb: string): string => '/api/channels/' + part(c.id) + '/' + verb
const hold = (c: Channel, f: Forced) => () => call('POST', path(c, f))

// Holds are the buttons that take a channel out of use, or put it back.
function Holds({ channel: c }: { channel: Channel }) {
  const running = c.in_flight > 0 ? ' ' + many(c.in_flight, 'question') + ' that ' + (c.in_flight === 1 ? 'runs' : 'run') + ' there ' + (c.in_flight === 1 ? 'goes' : 'go') + ' on.' : ''
  const to = (f: Forced, verb: string, says: string, done: string) =>
    act({ verb: verb + ' ' + c.id, says, run: hold(c, f), done, undo: hold(c, c.forced), undone: c.id + ' is as it was.' })
  return (
    <>
      {c.forced !== 'auto' && <span class="badge">{({ open: 'forced open', close: 'forced closed', drain: 'draining' } as Record<string, string>)[c.forced]}</span>}
      {c.forced !== 'drain' && <Button onClick={() => to('drain', 'Drain', 'No new question goes to ' + c.id + '.' + running, c.id + ' is drained: no new question goes there.')}>Drain</Button>}
      {c.forced !== 'open' && <Button onClick={() => to('open', 'Force open', 'The breaker of ' + c.id + ' is held open: no new question goes there until you leave it to itself.' + running, c.id + ' is forced open.')}>Force open</Button>}
      {c.forced !== 'close' && <Button onClick={() => to('close', 'Force closed', 'Questions go to ' + c.id + ' in spite of its breaker and of keys that were set aside. A throttling still counts.', c.id + ' is forced closed.')}>Force closed</Button>}
      {c.forced !== 'auto' && <Button kind="main" onClick={() => to('auto', 'Leave to itself', 'The record of ' + c.id + ' decides again whether questions go there.', c.id + ' decides by its record again.')}>Leave to itself</Button>}
    </>
  )
}

// Weight is the slider of a channel's weight. It changes nothing until one says so.
function Weight({ channel: c }: { channel: Channel }) {
  const [to, setTo] = useState<number | null>(null)
  const value = to ?? c.weight
  const set = (weight: number) => () => call('PUT', path(c, 'weight'), { weight })
  const change = () => act({
    verb: 'Set weight of ' + c.id, says: c.id + ' gets weight ' + value + ' instead of ' + c.weight + ' among the channels of tier ' + c.tier + ', until the gateway is started anew or the configuration is applied. What was learnt of its models is learnt anew.',
    run: async () => { await set(value)(); setTo(null) }, done: c.id + ' has weight ' + value + '.', undo: set(c.weight), undone: c.id + ' has weight ' + c.weight + ' again.',
  })
  const inFile = differs.value.find(d => d.channel === c.id && d.what === 'weight' && d.now === String(c.weight))
  const back = () => act({
    verb: 'Give ' + c.id + ' the weight of the file', says: c.id + ' gets weight ' + inFile?.file + ' again, as the configuration says. What was learnt of its models is learnt anew.',
    run: () => call('DELETE', path(c, 'weight')), done: c.id + ' has the weight of the file.', undo: set(c.weight), undone: c.id + ' has weight ' + c.weight + ' again.',
  })
  return (
    <span class="weight">
      <label>Weight <input type="range" min={1} max={Math.max(20, c.weight * 2)} value={value} onInput={e => setTo(Number(e.currentTarget.value))} /></label>
      <output>{value}</output>
      {inFile && <><span class="soft">{inFile.file} in the file</span>{to === null && <Button onClick={back}>As in the file</Button>}</>}
      {to !== null && to !== c.weight && <><Button kind="main" onClick={change}>Set</Button><button type="button" class="button" onClick={() => setTo(null)}>Reset</button></>}
    </span>
  )
}

export const channels: View = { name: 'channels', title: 'Channels', icon: 'M4 7h16M4 12h16M4 17h16M8 5v4m8 1v4m-5 1v4', Show: Channels }
