// The sentence on top: is it well, if not where, and why.
import type { Channel } from './api'
import { channels, exchanges, link, now, overview, told } from './live'
import { rowsOf, stateOf, worstOf } from './parts/state'
import { address } from './route'
import { digits, many, took } from './words'

export interface Verdict { state: 'ready' | 'slow' | 'open' | 'gone' | 'held'; text: string; href: string }

// verdict reads every signal that it depends on, so that whoever shows it is drawn anew with them.
export function verdict(): Verdict {
  void told.value
  const at = link.value
  if (at.state === 'gone') return { state: 'gone', text: 'The gateway is gone; trying again. What is shown is as it was.', href: address('overview') }
  const all = channels.value
  if (!all || !overview.value) return { state: 'slow', text: 'Joining the gateway\u2026', href: address('overview') }
  if (overview.value.draining) return { state: 'held', text: 'The gateway is stopping: ' + many(overview.value.running, 'question') + ' still run, no new one is taken.', href: address('requests', { state: 'running' }) }
  if (all.length === 0) return { state: 'open', text: 'There is no channel: every question is refused.', href: address('channels') }
  return unserved(all) ?? worst(all) ?? well(all)
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
  if (bad) return bad.channel.id + ': ' + bad.model.why + soon(bad.model.seconds) + '.'
  return held ? held.channel.id + ' is held by the operator.' : ''
}

const soon = (seconds: number): string => seconds > 0 ? '; next try in ' + took(Math.ceil(seconds) * 1000) : ''

// worst names the channel that is worst off, if one is.
function worst(all: Channel[]): Verdict | undefined {
  const off = all.filter(c => ['open', 'aside', 'throttled'].includes(worstOf(c)?.model.state ?? ''))
  const first = off[0]
  if (!first) return heldOne(all)
  const row = worstOf(first)!
  const what = { open: 'is out of use', aside: 'is set aside', throttled: 'is throttled' }[row.model.state as 'open' | 'aside' | 'throttled']
  const rest = off.length > 1 ? ' (and ' + many(off.length - 1, 'other channel') + ')' : ''
  return { state: 'slow', text: first.id + ' ' + what + ' for ' + row.model.model + rest + ': ' + (row.model.why ?? '') + soon(row.model.seconds) + '. Other channels answer.', href: address('channels', { channel: first.id }) }
}

function heldOne(all: Channel[]): Verdict | undefined {
  const held = all.filter(c => stateOf(c) === 'held')
  const first = held[0]
  if (!first) return undefined
  return { state: 'held', text: first.id + ' is held by the operator: ' + many(first.in_flight, 'question') + ' still run there, no new one comes. Other channels answer.', href: address('channels', { channel: first.id }) }
}

function well(all: Channel[]): Verdict {
  const ready = all.filter(c => stateOf(c) === 'ready').length
  const since = now() - 60_000
  let n = 0
  for (let i = exchanges.length - 1; i >= 0 && exchanges[i]!.ended >= since; i--) n++
  return { state: 'ready', text: 'All well: ' + digits(n / 60) + ' questions/s over the last minute, ' + ready + ' of ' + many(all.length, 'channel') + ' ready.', href: address('overview') }
}
