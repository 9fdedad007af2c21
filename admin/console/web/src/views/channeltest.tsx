// A question that the operator puts to one channel, and everything that happens, with its time.
import { useRef, useState } from 'preact/hooks'
import { frames, part, send, type Channel, type TestEvent } from '../api'
import { Button, message } from '../parts/act'
import { rowsOf } from '../parts/state'
import { address } from '../route'
import { digits, money, took } from '../words'

export function ChannelTest({ channel: c }: { channel: Channel }) {
  const rows = rowsOf(c)
  const [at, setAt] = useState(0)
  const [text, setText] = useState('')
  const [events, setEvents] = useState<TestEvent[]>([])
  const [running, setRunning] = useState<AbortController | null>(null)
  const [failed, setFailed] = useState('')
  const stop = useRef<AbortController>(undefined)
  const row = rows[at] ?? rows[0]
  const ask = async () => {
    stop.current = new AbortController()
    setRunning(stop.current)
    setEvents([])
    setFailed('')
    try {
      const body = JSON.stringify({ key: row?.key ?? 0, model: row?.model.model ?? '', text })
      const answer = await send('/api/channels/' + part(c.id) + '/test', { method: 'POST', body, headers: { 'Content-Type': 'application/json' }, signal: stop.current.signal })
      await frames(answer, (_, data) => setEvents(was => [...was.slice(-999), JSON.parse(data)]))
    } catch (err) {
      if (!stop.current.signal.aborted) setFailed(message(err))
    }
    setRunning(null)
  }
  return (
    <div class="panel">
      <p class="soft">Puts a short question to {c.id} alone, whatever its breakers say, for at most 256 tokens of an answer. It counts for no breaker, caller or latency and is stored in no conversation; its cost is in the ledger.</p>
      <div class="filters">
        <label class="filter"><span>Model</span><select value={at} onChange={e => setAt(Number(e.currentTarget.value))}>{rows.map((r, i) => <option key={i} value={i}>{r.model.model}{r.many ? ', key ' + r.key : ''}</option>)}</select></label>
        <label class="filter wider"><span>Question</span><input value={text} placeholder="Say hello in one short sentence." maxLength={2000} onInput={e => setText(e.currentTarget.value)} /></label>
        {running ? <button type="button" class="button" onClick={() => running.abort()}>Stop</button> : <Button kind="main" onClick={ask}>Ask</Button>}
      </div>
      {failed && <p class="failed" role="alert">{failed}</p>}
      {events.length > 0 && <Told events={events} />}
    </div>
  )
}

function Told({ events }: { events: TestEvent[] }) {
  const end = events.find(e => e.kind === 'end')
  const answer = events.filter(e => e.kind === 'text').map(e => e.text ?? '').join('')
  return (
    <div role="status" class="told">
      {answer && <blockquote>{answer}</blockquote>}
      <table><thead><tr><th scope="col" class="n">After</th><th scope="col">Event</th><th scope="col"></th></tr></thead>
        <tbody>{events.slice(-60).map((e, i) => <tr key={i}><td class="n" title={e.ms + ' ms'}>{took(e.ms)}</td><td>{e.kind}</td><td class="why">{e.text ?? e.model ?? (e.connect_ms ? 'connected in ' + took(e.connect_ms) : '')}</td></tr>)}</tbody></table>
      {end && <p>{end.result === 'ok' ? 'It answered' : 'It failed: ' + end.result + (end.message ? ', ' + end.message : '')}{end.first_ms ? '; first content after ' + took(end.first_ms) : ''}{end.output_tokens ? '; ' + digits(end.input_tokens ?? 0) + ' tokens in, ' + digits(end.output_tokens) + ' out, cost ' + money(end.cost ?? 0) : ''}. {end.id && <a href={address('requests', { id: end.id })}>The request</a>}</p>}
    </div>
  )
}
