// The sentence on top: is it well, if not where, and why.
import { signal } from '@preact/signals'
import { failedOf, get, part, type Channel, type Failure, type Figures, type ModelState, type Origins } from './api'
import { channels, health, link, overview } from './live'
import { rowsOf, stateOf, worstOf } from './parts/state'
import { address } from './route'
import { digits, many, percent, took } from './words'

export interface Verdict { state: 'ready' | 'slow' | 'open' | 'gone' | 'held'; text: string; href: string }

// verdict reads every signal that it depends on, so that whoever shows it is drawn anew with them.
export function verdict(): Verdict {
  const at = link.value
  if (at.state === 'gone') return { state: 'gone', text: 'The gateway is gone; trying again. What is shown is as it was.', href: address('overview') }
  const all = channels.value
  if (!all || !overview.value) return { state: 'slow', text: 'Joining the gateway\u2026', href: address('overview') }
  if (overview.value.draining) return { state: 'held', text: 'The gateway is stopping: ' + many(overview.value.running, 'question') + ' still run, no new one is taken.', href: address('requests', { state: 'running' }) }
  if (all.length === 0) return { state: 'open', text: 'There is no channel: every question is refused.', href: address('channels') }
  return unwell() ?? unserved(all) ?? worst(all) ?? alone() ?? failing(all) ?? well(all)
}

function unwell(): Verdict | undefined {
  if (health.value.store !== 'lost') return undefined
  return { state: 'open', text: 'The store takes no changes: questions that keep a conversation are refused, those of stateless fronts are answered. The log says why.', href: address('overview') }
}

function alone(): Verdict | undefined {
  if (health.value.shared !== 'alone') return undefined
  return { state: 'slow', text: 'The shared counts cannot be reached: this process counts limits alone. Questions are answered.', href: address('overview') }
}

// unserved names a model that no channel takes now.
function unserved(all: Channel[]): Verdict | undefined {
  const can = new Map<string, boolean>()
  for (const c of all) {
    const held = stateOf(c) === 'held'
    for (const r of rowsOf(c)) {
      const usable = !held && !['open', 'aside', 'throttled'].includes(r.model.state)
      can.set(r.model.model, (can.get(r.model.model) ?? false) || usable)
    }
  }
  const none = [...can].filter(([, ok]) => !ok).map(([model]) => model)
  if (none.length === 0) return undefined
  const rest = none.length > 1 ? ' and ' + many(none.length - 1, 'other model') : ''
  return { state: 'open', text: 'No channel takes ' + none[0] + rest + ' now. ' + reason(all, none[0]!), href: address('channels', { model: none[0]! }) }
}

function reason(all: Channel[], model: string): string {
  const hit = all.flatMap(rowsOf).filter(r => r.model.model === model)
  const held = hit.find(r => stateOf(r.channel) === 'held')
  const bad = hit.find(r => r.model.why && stateOf(r.channel) !== 'held')
  if (bad) return bad.channel.id + ': ' + lastWhy(bad.model) + '.' + lastFailure(bad.channel.id)
  return held ? held.channel.id + ' is held by the operator.' : ''
}

// lastWhy is why a record is as it is, with the seconds until the next try where the reason does not have them.
const lastWhy = (m: ModelState): string => (m.why ?? '') + (m.seconds > 0 && !/ for \d/.test(m.why ?? '') ? '; next try in ' + took(Math.ceil(m.seconds) * 1000) : '')

// why goes on after how a record is, and does not say that once more.
const why = (m: ModelState): string => lastWhy(m).startsWith(m.state + ' for ') ? ', another ' + lastWhy(m).slice(m.state.length + 5) : ': ' + lastWhy(m)

// last is the newest failure of the channel that the sentence is about: it is asked for when that becomes another one.
const last = signal({ of: '', text: '' })

function lastFailure(of: string): string {
  if (last.peek().of !== of) {
    last.value = { of, text: '' }
    get<{ failures: Failure[] }>('/api/channels/' + part(of) + '/failures?limit=1').then(({ failures: [f] }) => {
      if (f && last.peek().of === of) last.value = { of, text: ' The last failure: ' + f.message + '.' }
    }, () => { /* the sentence is true without it */ })
  }
  return last.value.text
}

// worst names the channel that is worst off, if one is.
function worst(all: Channel[]): Verdict | undefined {
  const off = all.filter(c => ['open', 'aside', 'throttled'].includes(worstOf(c)?.model.state ?? ''))
  const first = off[0]
  if (!first) return heldOne(all)
  const row = worstOf(first)!
  const what = { open: 'is out of use', aside: 'is set aside', throttled: 'is throttled' }[row.model.state as 'open' | 'aside' | 'throttled']
  const rest = off.length > 1 ? ' (and ' + many(off.length - 1, 'other channel') + ')' : ''
  return { state: 'slow', text: first.id + ' ' + what + ' for ' + row.model.model + rest + why(row.model) + '.' + lastFailure(first.id) + ' Other channels answer.', href: address('channels', { channel: first.id }) }
}

function heldOne(all: Channel[]): Verdict | undefined {
  const held = all.filter(c => stateOf(c) === 'held')
  const first = held[0]
  if (!first) return undefined
  return { state: 'held', text: first.id + ' is held by the operator: ' + many(first.in_flight, 'question') + ' still run there, no new one comes. Other channels answer.', href: address('channels', { channel: first.id }) }
}

const sides: [keyof Origins, string][] = [['us', 'us'], ['channel', 'channels'], ['network', 'network'], ['client', 'clients']]

// blamed says on whose side questions failed: 'channels 12 %, network 3 %'.
export const blamed = (f: Figures, of = sides): string => of.filter(([side]) => f.failed[side] > 0).map(([side, word]) => word + ' ' + percent(f.failed[side])).join(', ')

// failing says that questions fail though every channel is ready. What clients fail at is theirs to mend.
function failing(all: Channel[]): Verdict | undefined {
  const o = overview.value!
  if (failedOf(o.lately) === 0) return undefined
  return { state: 'slow', text: 'Of the questions of the last minute ' + percent(failedOf(o.lately)) + ' failed (' + blamed(o.lately, sides.slice(0, 3)) + '). ' + o.channels_ready + ' of ' + many(all.length, 'channel') + ' ready.', href: address('requests', { outcome: 'failed' }) }
}

function well(all: Channel[]): Verdict {
  const o = overview.value!
  return { state: 'ready', text: 'All well: ' + digits(o.lately.questions_per_second) + ' questions/s, ' + o.channels_ready + ' of ' + many(all.length, 'channel') + ' ready.', href: address('overview') }
}
