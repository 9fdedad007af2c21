import type { View } from '../views'
import { channels, exchanges, now, overview as state, told } from '../live'
import { tick } from '../clock'
import { since, slots, sums, span } from '../figures'
import { Plot } from '../parts/plot'
import { Ago, Behind, Card, Empty, Figure, Skeleton } from '../parts/shown'
import { Mark, stateOf, worstOf } from '../parts/state'
import { address } from '../route'
import { clock, digits, many, percent, took } from '../words'

const slot = 15_000

function Overview() {
  void told.value
  void tick.value
  if (!state.value) return <Skeleton rows={6} />
  return <><Figures /><Charts /><div class="columns"><Troubles /><Failures /></div></>
}

function Figures() {
  const at = now()
  const all = sums(since(at - span))
  const last = since(at - 60_000).length
  const o = state.value!
  return (
    <div class="figures">
      <Figure name="Questions" value={digits(last / 60)} unit="/s" title={many(last, 'question') + ' in the last minute'} note="last minute" href={address('requests')} />
      <Figure name="Running now" value={digits(o.running)} title={many(o.running, 'question')} note={o.draining ? 'the gateway is stopping' : 'questions'} href={address('requests', { state: 'running' })} />
      <Figure name="Failed" value={all.n ? percent(all.bad / all.n) : '–'} title={all.bad + ' of ' + all.n} note={many(all.bad, 'question') + ', 15 min'} href={address('requests', { outcome: 'failed' })} />
      <Figure name="First content, median" value={all.p50 === null ? '–' : took(all.p50)} title={String(all.p50 ?? '') + ' ms'} note="15 min, last attempt" />
      <Figure name="First content, p99" value={all.p99 === null ? '–' : took(all.p99)} title={String(all.p99 ?? '') + ' ms'} note="15 min, last attempt" />
      <Figure name="Saved by failover" value={digits(all.failedOver)} title={many(all.failedOver, 'question')} note="answered after a failed attempt, 15 min" href={address('requests', { attempts: 'several' })} />
      <Figure name="Up for" value={took(o.uptime_seconds * 1000)} title={o.uptime_seconds + ' s'} note={o.revision ? 'configuration ' + o.revision : 'no file'} />
    </div>
  )
}

function Charts() {
  const cut = slots(slot)
  const times = cut.map(s => s.at)
  const per = slot / 1000
  return (
    <div class="columns">
      <Card title="Questions per second" label="Questions per second">
        <Plot label="Questions per second over the last 15 minutes; the table below has the figures" value={digits}
          data={[times, cut.map(s => (s.ok + s.bad) / per), cut.map(s => s.bad / per)]} lines={[{ name: 'all', colour: '--accent', bars: true }, { name: 'failed', colour: '--open', bars: true }]} />
        <Behind title="Questions as a table" head={['From', 'Answered', 'Failed']} rows={cut.filter(s => s.ok + s.bad).map(s => [clock(s.at * 1000).slice(0, 8), s.ok, s.bad])} />
      </Card>
      <Card title="Time to first content" label="Time to first content">
        <Plot label="Time to first content over the last 15 minutes; the table below has the figures" value={took}
          data={[times, cut.map(s => s.p50), cut.map(s => s.p99)]} lines={[{ name: 'median', colour: '--accent' }, { name: 'p99', colour: '--throttled' }]} />
        <Behind title="Times as a table" head={['From', 'Median', 'p99']} rows={cut.filter(s => s.p50 !== null).map(s => [clock(s.at * 1000).slice(0, 8), took(s.p50!), took(s.p99!)])} />
      </Card>
    </div>
  )
}

function Troubles() {
  const all = channels.value ?? []
  const bad = all.filter(c => stateOf(c) !== 'ready' || worstOf(c))
  return (
    <Card title="Channels" more={<a href={address('channels')}>all {all.length}</a>}>
      {bad.length === 0 ? <Empty>{many(all.length, 'channel')}, each as it should be.</Empty> : (
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
    <Card title="Last failures" more={<a href={address('requests', { outcome: 'failed' })}>all</a>}>
      {list.length === 0 ? <Empty>None of the {many(exchanges.length, 'question')} that this page knows has failed.</Empty> : (
        <ul class="lines">{list.map(e => (
          <li key={e.key}><a href={address('requests', { id: e.id })}>{e.outcome}</a> <span class="soft">{[e.model, e.channel].filter(Boolean).join(' → ')}: {e.message}</span> <Ago at={e.ended} /></li>
        ))}</ul>)}
    </Card>
  )
}

export const overview: View = { name: 'overview', title: 'Overview', icon: 'M4 19V10m5 9V5m5 14v-7m5 7V8', Show: Overview }
