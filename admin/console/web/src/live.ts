// The one stream of events of this page, and what it has told so far. Whatever arrives is gathered, and the
// signals change at most once a second, so that the page repaints no more often.
import { batch, signal } from '@preact/signals'
import { frames, get, Refusal, send, type Channel, type Exchange, type Health, type Overview, type Point, type Traffic } from './api'
import { token } from './session'

const keep = 10_000 // exchanges
const silence = 15_000 // ms after which a stream that says nothing is given up; it speaks each second

// Link is how the page and the gateway are joined.
export type Link = { state: 'joining' } | { state: 'live' } | { state: 'gone'; since: number; again: number; why: string }

export const link = signal<Link>({ state: 'joining' })
export const overview = signal<Overview | null>(null)
export const channels = signal<Channel[] | null>(null)

// points are those of the charts, the oldest first; traffic is where the questions of the last minutes went.
export const points = signal<Point[]>([])
export const traffic = signal<Traffic | null>(null)

// caughtUp is set once what ended before the page was opened is known.
export const caughtUp = signal(false)

// health is what the gateway says of its store and of shared limits.
export const health = signal<Health>({ status: 'ok', store: 'ok' })

// Known is an exchange with a key that tells it from all others, also from those of the process before.
export type Known = Exchange & { key: string; ended: number }

// exchanges are the newest that have ended, the newest last. The array is changed in place; told counts the changes.
export const exchanges: Known[] = []
export const told = signal(0)

// lost says what the stream could not tell; empty: nothing was lost.
export const lost = signal('')

// now is the gateway's clock in ms, as far as it is known: that of the browser may be wrong.
let skew = 0
export const now = (): number => Date.now() + skew

const seen = new Set<string>()
let boot = ''
let cursor = ''
let waiting: { overview?: Overview; channels?: Channel[]; changed?: Map<string, Channel>; traffic?: Traffic; points: Point[]; exchanges: Known[]; caughtUp?: boolean; lost?: string } = { exchanges: [], points: [] }
let timer: ReturnType<typeof setTimeout> | undefined
let painted = 0

function later(): void {
  if (timer === undefined) timer = setTimeout(paint, Math.max(0, painted + 1000 - performance.now()))
}

function paint(): void {
  timer = undefined
  painted = performance.now()
  const w = waiting
  waiting = { exchanges: [], points: [] }
  batch(() => {
    if (w.overview) overview.value = w.overview
    if (w.channels) channels.value = w.channels
    if (w.changed && channels.value) channels.value = channels.value.map(c => w.changed!.get(c.id) ?? c)
    if (w.traffic) traffic.value = w.traffic
    if (w.points.length > 0) points.value = merged(points.value, w.points)
    if (w.caughtUp) caughtUp.value = true
    if (w.lost) lost.value = w.lost
    if (w.exchanges.length > 0) {
      take(w.exchanges)
      told.value++
    }
  })
}

// merged are points in their order, each once, of the last quarter of an hour.
function merged(old: Point[], fresh: Point[]): Point[] {
  const all = new Map([...old, ...fresh].map(p => [p.at, p]))
  const first = now() - 15 * 60_000
  return [...all.values()].filter(p => Date.parse(p.at) >= first).sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
}

// take adds exchanges that are not known yet, and keeps the order in which they ended.
function take(list: Known[]): void {
  let inOrder = true
  for (const e of list) {
    if (seen.has(e.key)) continue
    seen.add(e.key)
    const last = exchanges[exchanges.length - 1]
    if (last && last.ended > e.ended) inOrder = false
    exchanges.push(e)
  }
  if (!inOrder) exchanges.sort((a, b) => a.ended - b.ended || a.cursor - b.cursor)
  for (const e of exchanges.splice(0, Math.max(0, exchanges.length - keep))) seen.delete(e.key)
}

const known = (e: Exchange): Known => ({ ...e, key: boot + '-' + e.cursor, ended: Date.parse(e.at) + e.took_ms })

// on takes one event of the stream.
function on(kind: string, data: string, id: string): void {
  const [of = ''] = id.split('-')
  const fresh = of !== boot
  boot = of
  cursor = id
  if (fresh) {
    void catchUp()
    void askHealth()
  }
  const v = JSON.parse(data)
  switch (kind) {
    case 'overview': waiting.overview = v; break
    case 'channels': waiting.channels = v.channels ?? []; delete waiting.changed; break
    case 'changed': waiting.changed = new Map([...(waiting.changed ?? []), ...(v.channels as Channel[]).map((c): [string, Channel] => [c.id, c])]); break
    case 'traffic': waiting.traffic = v; break
    case 'point': waiting.points.push(v); void askHealth(); break
    case 'exchange': waiting.exchanges.push(known(v)); break
    case 'missed': waiting.lost = v.exchanges ? v.exchanges + ' exchanges are missing in this list: ' + v.why + '.' : 'The list may have a gap: ' + v.why + '.'; break
    default: return
  }
  later()
}

// askHealth asks with each point, which comes every five seconds. Its answer needs no token, and is the same with status 503.
async function askHealth(): Promise<void> {
  try {
    health.value = await (await fetch('/api/health', { cache: 'no-store' })).json()
  } catch { /* the stream itself says that the gateway is gone */ }
}

// catchUp reads what ended before the stream began.
async function catchUp(): Promise<void> {
  try {
    const { exchanges } = await get<{ exchanges: Exchange[] }>('/api/exchanges?limit=1000')
    waiting.exchanges.push(...exchanges.reverse().map(known))
    waiting.caughtUp = true
    waiting.points.push(...(await get<{ points: Point[] }>('/api/overview')).points)
    later()
  } catch { /* the stream itself says that the gateway is gone */ }
}

// follow reads one stream to its end.
async function follow(stop: AbortController): Promise<void> {
  const answer = await send('/api/events?changes=true', { signal: stop.signal, ...(cursor && { headers: { 'Last-Event-ID': cursor } }) })
  skew = Date.parse(answer.headers.get('Date') ?? '') - Date.now()
  if (!(Math.abs(skew) > 2000)) skew = 0 // the header has whole seconds
  link.value = { state: 'live' }
  await frames(answer, on, () => {
    const watch = setTimeout(() => stop.abort(), silence)
    return () => clearTimeout(watch)
  })
}

let running: AbortController | undefined

// start joins the gateway and stays with it until stop, however often it goes away.
export async function start(): Promise<void> {
  stop()
  const mine = (running = new AbortController())
  link.value = { state: 'joining' }
  let wait = 1000
  let since = 0
  while (!mine.signal.aborted && token.value) {
    const one = new AbortController()
    const end = () => one.abort()
    mine.signal.addEventListener('abort', end)
    let why = 'The gateway has closed the stream.'
    const began = performance.now()
    try {
      await follow(one)
    } catch (err) {
      if (err instanceof Refusal) why = err.message
      else why = 'The gateway does not answer.'
      if (err instanceof Refusal && err.status === 400) cursor = ''
    } finally {
      mine.signal.removeEventListener('abort', end)
    }
    if (mine.signal.aborted || !token.value) return
    if (performance.now() - began > 5000) { wait = 1000; since = 0 }
    since ||= Date.now()
    link.value = { state: 'gone', since, again: Date.now() + wait, why }
    await new Promise(done => { setTimeout(done, wait); mine.signal.addEventListener('abort', done) })
    wait = Math.min(wait * 1.5, 5000)
  }
}

// stop leaves the gateway and forgets what it told.
export function stop(): void {
  running?.abort()
  running = undefined
  clearTimeout(timer)
  timer = undefined
  waiting = { exchanges: [], points: [] }
  exchanges.length = 0
  seen.clear()
  boot = cursor = ''
  batch(() => {
    overview.value = null
    channels.value = null
    traffic.value = null
    points.value = []
    caughtUp.value = false
    lost.value = ''
    told.value++
  })
}
