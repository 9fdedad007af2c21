// The last half hour of a channel, key and model, in cells of a minute.
import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { get, type Cell, type SetAtRunTime, type Timeline } from '../api'
import { stateWords } from './state'

const every = 10_000 // ms between two looks

// differs is what was set at run time, and is not as the file says.
export const differs = signal<SetAtRunTime[]>([])

const timeline = signal<Timeline | null>(null)
const byRow = signal(new Map<string, Cell[]>())

const rowKey = (channel: string, key: number, model: string): string => JSON.stringify([channel, key, model])

// useTimeline keeps the timeline fresh while a view that shows strips is open.
export function useTimeline(): void {
  useEffect(() => {
    const stop = new AbortController()
    const ask = () => {
      void look(stop.signal)
      get<{ set_at_run_time: SetAtRunTime[] | null }>('/api/channels', stop.signal).then(c => { differs.value = c.set_at_run_time ?? [] }, () => {})
    }
    ask()
    const clock = setInterval(ask, every)
    return () => { stop.abort(); clearInterval(clock) }
  }, [])
}

const look = (stop: AbortSignal) => get<Timeline>('/api/timeline', stop).then(t => {
  byRow.value = new Map((t.rows ?? []).map(r => [rowKey(r.channel, r.key, r.model), r.cells ?? []]))
  timeline.value = t
}, () => { /* the top of the page says that the gateway is gone */ })

// Strip draws the half hour: low where it was ready, high and in the colour of its state where not, nothing
// where nobody looked yet.
export function Strip({ channel, keyAt, model }: { channel: string; keyAt: number; model: string }) {
  const t = timeline.value
  if (!t) return <svg class="strip" viewBox="0 0 150 18" width="150" height="18" aria-hidden="true" />
  const from = Date.parse(t.from), since = Math.floor(Date.parse(t.since) / 60_000) * 60_000
  const cells = new Map((byRow.value.get(rowKey(channel, keyAt, model)) ?? []).map(c => [Math.round((Date.parse(c.minute) - from) / 60_000), c]))
  const bad = [...cells.values()]
  return (
    <svg class="strip" viewBox="0 0 150 18" width="150" height="18" role="img" aria-label={bad.length === 0 ? 'ready in the last 30 minutes' : said(bad)}>
      <rect class="cell gone" x="0" y="17" width="149" height="1" />
      {Array.from({ length: t.minutes }, (_, i) => {
        const c = cells.get(i)
        const minute = from + i * 60_000
        if (!c) return minute < since ? null : <rect key={i} class="cell ready" x={i * 5} y="12" width="4" height="6" />
        return <rect key={i} class={'cell ' + c.state} x={i * 5} y="1" width="4" height="17"><title>{new Date(minute).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })} {stateWords[c.state] ?? c.state} for {c.seconds} s: {c.why}</title></rect>
      })}
    </svg>
  )
}

const said = (bad: Cell[]): string => 'not ready in ' + bad.length + ' of the last 30 minutes: ' + [...new Set(bad.map(c => stateWords[c.state] ?? c.state))].join(', ')

// Cells are the table behind the strips of a channel.
export function cellsOf(channel: string): [minute: string, model: string, state: string, seconds: number, why: string][] {
  const rows = (timeline.value?.rows ?? []).filter(r => r.channel === channel)
  return rows.flatMap(r => (r.cells ?? []).map((c): [string, string, string, number, string] => [c.minute.slice(11, 16) + ' UTC', r.model + ', key ' + r.key, stateWords[c.state] ?? c.state, c.seconds, c.why])).sort((a, b) => (a[0] < b[0] ? 1 : -1))
}
