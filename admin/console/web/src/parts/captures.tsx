// Captures: whose questions and answers are kept at the moment, said on every view, and how to begin and end it.
import { useState } from 'preact/hooks'
import { call, part, type Capture } from '../api'
import { tick } from '../clock'
import { now, overview } from '../live'
import { act, Button } from './act'
import { Shape } from './state'
import { clock, exact, took } from '../words'

const end = (caller: string) => call('DELETE', '/api/captures/' + part(caller))

// CaptureLines stands on top of every view while somebody is captured.
export function CaptureLines() {
  void tick.value
  const on = overview.value?.captures ?? []
  return <>{on.map(c => <Line key={c.caller} c={c} />)}</>
}

function Line({ c }: { c: Capture }) {
  const until = Date.parse(c.until), left = until - now()
  if (left <= 0) return null
  const ask = () => act({
    verb: 'End the capture', done: 'Nothing more of ' + c.caller + ' is kept.', run: () => end(c.caller),
    says: 'No further question of ' + c.caller + ' is kept. What was kept can be read for an hour from each question on.',
  })
  return (
    <p class="capture-line" role="note">
      <Shape state="throttled" size={12} />
      <span class="grow">What <b class="name">{c.caller}</b> asks and is answered is kept for another <time dateTime={c.until} title={exact(until)}>{took(Math.ceil(left / 1000) * 1000)}</time>, until {clock(until).slice(0, 8)}.</span>
      <Button onClick={ask} label={'End the capture of ' + c.caller}>End the capture</Button>
    </p>
  )
}

const times: [seconds: number, word: string][] = [[60, '1 minute'], [600, '10 minutes'], [1800, 'half an hour'], [3600, 'an hour']]

// Begin offers to capture a caller.
export function Begin({ caller, onBegun }: { caller: string; onBegun?: () => void }) {
  const [seconds, setSeconds] = useState(600)
  const word = times.find(([s]) => s === seconds)![1]
  const ask = () => act({
    verb: 'Keep what ' + caller + ' asks', done: 'What ' + caller + ' asks is kept for ' + word + '.', undo: () => end(caller), undone: 'Nothing more of ' + caller + ' is kept.',
    says: 'For ' + word + ' the questions and answers of ' + caller + ' are kept in the memory of the gateway, with all that is written in them. Who has the operator’s token can read them; the log says so each time.',
    run: async () => { await call('POST', '/api/captures', { caller, seconds }); onBegun?.() },
  })
  return (
    <div class="row capture-begin">
      <select aria-label="For how long" value={String(seconds)} onChange={e => setSeconds(Number(e.currentTarget.value))}>{times.map(([s, w]) => <option key={s} value={String(s)}>{w}</option>)}</select>
      <Button onClick={ask} off={caller === '' ? 'Name a caller first.' : ''}>Keep what it asks from now on</Button>
    </div>
  )
}
