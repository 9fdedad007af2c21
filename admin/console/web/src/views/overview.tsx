import type { View } from '../views'
import { failedOf, get, type Limits, type Point } from '../api'
import { channels, exchanges, now, overview as state, points, told } from '../live'
import { tick } from '../clock'
import { Heat } from '../parts/heat'
import { Plot } from '../parts/plot'
import { Ago, Behind, Card, Empty, Failed, Figure, Skeleton, useLoad } from '../parts/shown'
import { usePoll } from '../parts/poll'
import { Mark, stateOf, worstOf } from '../parts/state'
import { address } from '../route'
import { blamed } from '../verdict'
import { clock, digits, exact, many, money, percent, took } from '../words'

const step = 5 // seconds of a point
const span = 15 * 60 // seconds of the charts

function Overview() {
  void told.value
  if (!state.value) return <Skeleton rows={6} />
  return <><Figures /><Charts /><div class="columns"><div class="column"><Troubles /><NearlyUsedUp /></div><Failures /></div></>
}

// Figures are those of the last minute, unless they say something else.
function Figures() {
  const o = state.value!
  const l = o.lately
  const time = (ms: number) => ms > 0 ? took(ms) : '–'
  return (
    <div class="figures">
      <Figure name="Questions" value={digits(l.questions_per_second)} unit="/s" title={l.questions_per_second + ' questions/s'} note="last minute" href={address('requests')} />
      <Figure name="Running" value={digits(o.running)} title={many(o.running, 'question')} note={many(o.streams, 'stream') + ', ' + many(o.sockets, 'socket')} href={address('requests', { state: 'running' })} />
      <Figure name="Failed" value={percent(failedOf(l) + l.failed.client)} title="of the questions of the last minute" note={blamed(l) ? 'by ' + blamed(l) : 'last minute'} href={address('requests', { outcome: 'failed' })} />
      <Figure name="First content" value={time(l.first_ms.p50)} title={l.first_ms.p50 + ' ms'} note={'median; p99 ' + time(l.first_ms.p99)} />
      <Figure name="Added by us" value={time(l.added_ms.p50)} title={l.added_ms.p50 + ' ms from the question to its last attempt'} note={'median; p99 ' + time(l.added_ms.p99)} />
      <Figure name="Tokens out" value={digits(l.output_tokens_per_second)} unit="/s" title={l.output_tokens_per_second + ' tokens/s'} note={digits(l.input_tokens_per_second) + '/s in'} />
      <Figure name="Cost today" value={money(o.cost_today)} title={String(o.cost_today) + ' since ' + exact(Date.parse(o.cost_since))} note="since midnight UTC" />
      <Figure name="Channels ready" value={o.channels_ready} unit={'of ' + o.channels} note={'up for ' + took(o.uptime_seconds * 1000)} href={address('channels')} />
    </div>
  )
}

// axis are the times of all points, also of those in which nothing ended.
function axis(): { times: number[]; at: Map<number, number> } {
  const end = Math.floor(now() / 1000 / step) * step
  const times = Array.from({ length: span / step }, (_, i) => end - span + (i + 1) * step)
  return { times, at: new Map(times.map((t, i) => [t, i])) }
}

function Charts() {
  void tick.value
  const { times, at } = axis()
  const empty = <T,>(of: T): T[] => times.map(() => of)
  const all = empty(0), failed = empty(0), known = empty<Point | undefined>(undefined)
  for (const p of points.value) {
    const i = at.get(Math.floor(Date.parse(p.at) / 1000 / step) * step)
    if (i === undefined) continue
    all[i] = p.questions_per_second
    failed[i] = p.questions_per_second * (failedOf(p) + p.failed.client)
    known[i] = p
  }
  const rows = [...points.value].reverse()
  const from = (p: { at: string }) => clock(Date.parse(p.at)).slice(0, 8)
  return (
    <div class="columns">
      <Card title="Questions per second" more={<span class="soft">15 minutes</span>}>
        <Plot label="Questions per second over the last 15 minutes; the table below has the figures" value={digits}
          data={[times, all, failed]} lines={[{ name: 'all', colour: '--accent', bars: true }, { name: 'failed', colour: '--open', bars: true }]} />
        <Behind title="Questions as a table" head={['From', 'Questions/s', 'Failed', 'Running']} rows={rows.map(p => [from(p), digits(p.questions_per_second), percent(failedOf(p) + p.failed.client), p.running])} />
      </Card>
      <Card title="Time to first content" more={<span class="soft">15 minutes</span>}>
        <Heat label="Time to first content over the last 15 minutes, how many answers took how long; the table below has the figures" times={times} step={step} points={known} />
        <Behind title="Times as a table" head={['From', 'Median', 'p99', 'Added']} rows={rows.filter(p => p.first_ms.p50 > 0).map(p => [from(p), took(p.first_ms.p50), took(p.first_ms.p99), took(p.added_ms.p50)])} />
      </Card>
    </div>
  )
}

function Troubles() {
  const all = channels.value ?? []
  const bad = all.filter(c => stateOf(c) !== 'ready' || worstOf(c))
  return (
    <Card title="Channels that want a look" more={<a href={address('channels')}>all {all.length}</a>}>
      {bad.length === 0 ? <Empty>None: {many(all.length, 'channel')}, each as it should be.</Empty> : (
        <ul class="lines">{bad.slice(0, 8).map(c => {
          const held = stateOf(c) === 'held'
          const w = worstOf(c)
          return <li key={c.id}><Mark state={held ? 'held' : w?.model.state ?? 'ready'} /> <a href={address('channels', { channel: c.id })}>{c.id}</a> <span class="soft">{held ? many(c.in_flight, 'question') + ' still run' : [w?.model.model, w?.model.why].filter(Boolean).join(': ')}</span></li>
        })}</ul>)}
    </Card>
  )
}

function Failures() {
  const list = []
  for (let i = exchanges.length - 1; i >= 0 && list.length < 8; i--) if (exchanges[i]!.outcome !== 'ok') list.push(exchanges[i]!)
  return (
    <Card title="Last failures" more={<a href={address('requests', { outcome: 'failed' })} aria-label="All failures">all</a>}>
      {list.length === 0 ? <Empty>None of the {many(exchanges.length, 'question')} that this page knows has failed.</Empty> : (
        <ul class="lines">{list.map(e => (
          <li key={e.key}><a href={address('requests', { outcome: 'failed', id: e.id, of: e.caller })}>{e.outcome}</a> <span class="soft">{[e.model, e.channel].filter(Boolean).join(' → ')}: {e.message}</span> <Ago at={e.ended} /></li>
        ))}</ul>)}
    </Card>
  )
}

const close = 0.8 // of a limit, from which on it is shown here

// NearlyUsedUp are the limits that soon refuse, and those that have.
function NearlyUsedUp() {
  const { value, error, again } = useLoad(stop => get<Limits>('/api/limits', stop), [])
  usePoll(again, 10_000)
  const near = (value?.use ?? []).filter(u => u.of > 0 && u.used / u.of >= close).slice(0, 6)
  const refused = (value?.refused ?? []).slice(0, 6)
  return (
    <Card title="Limits">
      {!value ? error ? <Failed error={error} again={again} /> : <Skeleton rows={2} />
        : near.length + refused.length === 0 ? <Empty>{value.limits?.length ? 'None is used up to four fifths, and none has refused a question in 15 minutes.' : 'None is configured: callers may ask as much as they like.'}</Empty> : (
          <ul class="lines">
            {near.map(u => <li key={[u.rule, u.kind, u.subject].join()}><Mark state={u.left > 0 ? 'slow' : 'full'} word={u.left > 0 ? 'close' : 'used up'} /> <a href={address('requests', { caller: u.per === 'caller' ? u.subject : '' })}>{u.subject || u.per}</a> <span class="soft">{digits(u.of - u.left)} of {digits(u.of)} {u.kind} under {u.rule}{u.resets_in_seconds > 0 && ', all free again in ' + took(Math.ceil(u.resets_in_seconds) * 1000)}</span></li>)}
            {refused.map(r => <li key={[r.caller, r.rule, r.code].join()}><Mark state="full" word="refused" /> <a href={address('requests', { caller: r.caller })}>{r.caller}</a> <span class="soft">{many(r.count, 'question')}{r.rule && ' under ' + r.rule}, {r.code}</span></li>)}
          </ul>)}
    </Card>
  )
}

export const overview: View = { name: 'overview', title: 'Overview', icon: 'M4 19V10m5 9V5m5 14v-7m5 7V8', Show: Overview }
