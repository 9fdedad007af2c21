// One question through one or two protocols or channels, with all that goes over the wire.
import { signal } from '@preact/signals'
import type { View } from '../views'
import { get, part, Refusal } from '../api'
import { question, system } from '../asked'
import { channels } from '../live'
import { Button, message } from '../parts/act'
import { Card, Choice, Empty, Failed, Filter, Skeleton, useLoad } from '../parts/shown'
import { stream } from '../parts/told'
import { address, param, setParams } from '../route'
import { many } from '../words'
import { Lanes, type Happened, type Lane } from './lanes'
import '../styles/playground.css'

interface Protocol { name: string; system: boolean; names: string }

const lanes = signal<Lane[]>([])
let running: AbortController | undefined

function Playground() {
  const { value, error, again } = useLoad(stop => get<{ protocols: Protocol[] | null }>('/api/playground', stop), [])
  if (error !== undefined) return <Failed error={error} again={again} />
  if (!value) return <Skeleton rows={6} />
  const protocols = value.protocols ?? []
  if (protocols.length === 0) return <Empty>This gateway has no playground.</Empty>
  return <><Form protocols={protocols} />{lanes.value.length > 0 && <Lanes lanes={lanes.value} />}<Faults /></>
}

// targets are what a lane can ask: a front by its protocol, or one channel alone.
const targets = (protocols: Protocol[]): [string, string][] => [
  ...protocols.map((p): [string, string] => ['front:' + p.name, p.name + ' front']),
  ...(channels.value ?? []).slice(0, 200).map((c): [string, string] => ['channel:' + c.id, 'channel ' + c.id + ' alone']),
]

function Form({ protocols }: { protocols: Protocol[] }) {
  const all = targets(protocols)
  const first = param('left') || all[0]![0], second = param('right')
  const chosen = [first, second].filter(Boolean)
  const spoken = chosen.map(t => protocols.find(p => 'front:' + p.name === t))
  const models = [...new Set((channels.value ?? []).slice(0, 200).flatMap(c => (c.keys ?? []).flatMap(k => (k.models ?? []).map(m => m.model))))].sort()
  const busy = lanes.value.some(l => l.running)
  const ask = () => void start(chosen.map(t => [t, all.find(([v]) => v === t)?.[1] ?? t.replace(':', ' ')]), protocols)
  return (
    <Card label="Question">
      <form onSubmit={e => { e.preventDefault(); document.querySelector<HTMLButtonElement>('.ask-box button')?.click() }}>
        <div class="filters lanes">
          <Choice name="left" label="Ask" values={all} />
          <Choice name="right" label="Beside it" values={[['', 'nothing'], ...all]} />
          {(chosen.some(t => t.startsWith('channel:')) || spoken.some(p => p?.names === 'model')) && <Filter name="model" label="Model" list={models} />}
          {spoken.some(p => p?.names === 'preset') && <Filter name="preset" label="Preset (rest, iagent)" />}
        </div>
        <label class="filter words"><span>Question</span><textarea rows={2} value={question.value} onInput={e => { question.value = e.currentTarget.value }} /></label>
        {spoken.some(p => p?.system) && <label class="filter words"><span>System text, where the protocol has a place for one</span><textarea rows={1} value={system.value} onInput={e => { system.value = e.currentTarget.value }} /></label>}
        <div class="row asks">
          <span class="ask-box"><Button kind="main" onClick={ask} off={busy ? 'A question is being asked.' : question.value === '' ? 'Write a question first.' : ''}>Ask</Button></span>
          {busy && <button type="button" class="button" onClick={() => running?.abort()}>Stop</button>}
          <span class="soft">A front answers it as any question, in the name of a caller that is made for it: it costs what it costs. A channel alone is asked whatever its breakers say.</span>
        </div>
      </form>
    </Card>
  )
}

// start asks in all lanes at once.
async function start(of: string[][], protocols: Protocol[]): Promise<void> {
  const stop = (running = new AbortController())
  lanes.value = of.map(([target, name]) => ({ target: target!, name: name!, events: [], running: true }))
  await Promise.all(of.map(([target], i) => one(target!, protocols, stop.signal, i)))
}

async function one(target: string, protocols: Protocol[], stop: AbortSignal, lane: number): Promise<void> {
  const change = (to: Partial<Lane>) => { lanes.value = lanes.value.map((l, i) => i === lane ? { ...l, ...to } : l) }
  const gathered: Happened[] = []
  let timer: ReturnType<typeof setTimeout> | undefined
  const show = () => { timer = undefined; change({ events: [...gathered] }) }
  const on = (e: Happened) => { gathered.push(e); timer ??= setTimeout(show, 100) }
  const name = target.slice(target.indexOf(':') + 1)
  const p = protocols.find(p => 'front:' + p.name === target)
  try {
    if (p) await stream('/api/playground', { protocol: name, model: param(p.names), text: question.value, system: p.system ? system.value : '' }, stop, on)
    else await stream('/api/channels/' + part(name) + '/test', { model: param('model'), text: question.value }, stop, on)
  } catch (err) {
    if (!stop.aborted) change({ failed: err instanceof Refusal ? err.message : message(err) })
  } finally {
    clearTimeout(timer)
    change({ events: [...gathered], running: false })
  }
}

// Faults are the models of mock channels: their names say what happens on the way.
function Faults() {
  const list = (channels.value ?? []).filter(c => c.kind === 'mock').slice(0, 20)
    .flatMap(c => (c.keys ?? []).slice(0, 1).flatMap(k => (k.models ?? []).map(m => ({ channel: c.id, model: m.model, script: m.upstream || m.model }))))
  return (
    <Card title="Faults on the way" more={list.length > 0 && <span class="soft">{many(list.length, 'scripted model')}</span>}>
      <p class="soft">A channel of kind mock does what the name of its model says: fail-503-times-2 fails twice, long-20-cut breaks off. Ask for such a model to watch another channel take over.</p>
      {list.length === 0 ? <Empty>No channel of kind mock is configured. <a href={address('configuration')}>Add one in the configuration</a>.</Empty> : (
        <div class="wide" tabIndex={0} role="region" aria-label="Scripted models">
          <table class="scripts"><thead><tr><th scope="col">Model</th><th scope="col">Channel</th><th scope="col">Script</th></tr></thead>
            <tbody>{list.map(m => <tr key={m.channel + ' ' + m.model}><th scope="row"><button type="button" class="button bare name" onClick={() => setParams({ model: m.model })}>{m.model}</button></th><td><a href={address('channels', { channel: m.channel })}>{m.channel}</a></td><td><code>{m.script}</code></td></tr>)}</tbody></table>
        </div>)}
    </Card>
  )
}

export const playground: View = { name: 'playground', title: 'Playground', icon: 'M6 4l13 8-13 8Z', Show: Playground }
