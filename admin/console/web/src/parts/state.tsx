// States have a colour, a shape and a word each, so that they can be told apart without colour.
import type { Channel, ModelState } from '../api'

const shapes: Record<string, string> = {
  ready: 'M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1Z',
  trial: 'M6 1a5 5 0 0 1 0 10ZM6 1a5 5 0 0 0 0 10V9.6a3.6 3.6 0 0 1 0-7.2Z',
  throttled: 'M.8 2h10.4L6 11.2Z',
  slow: 'M6 .8 11.2 10H.8Z',
  open: 'M1 1h10v10H1ZM3.2 4.3 4.9 6 3.2 7.7l1.1 1.1L6 7.1l1.7 1.7 1.1-1.1L7.1 6l1.7-1.7-1.1-1.1L6 4.9 4.3 3.2Z',
  aside: 'M6 .4 11.6 6 6 11.6.4 6Z',
  full: 'M1 1h10v2.6H1Zm0 3.7h10v2.6H1Zm0 3.7h10V11H1Z',
  held: 'M1.5 1h3.2v10H1.5Zm5.8 0h3.2v10H7.3Z',
  gone: 'M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1Zm0 1.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Z',
  running: 'M2.5 1 11 6l-8.5 5Z',
}

export const stateWords: Record<string, string> = {
  ready: 'ready', trial: 'on trial', throttled: 'throttled', slow: 'slow', open: 'out of use', aside: 'set aside', full: 'full', held: 'held by the operator', gone: 'gone', running: 'running', ok: 'ok',
}

// Shape is the shape of a state in its colour.
export function Shape({ state, size = 12 }: { state: string; size?: number }) {
  const name = state === 'ok' ? 'ready' : shapes[state] ? state : 'open'
  return <svg class={'shape ' + name} width={size} height={size} viewBox="0 0 12 12" aria-hidden="true"><path fill-rule="evenodd" d={shapes[name]} /></svg>
}

// Mark is the shape of a state and its word.
export function Mark({ state, word }: { state: string; word?: string }) {
  return <span class="mark"><Shape state={state} />{word ?? stateWords[state] ?? state}</span>
}

// Order of states by how much they keep away.
const gravity = ['ready', 'slow', 'trial', 'full', 'throttled', 'aside', 'open', 'held']

export const graver = (a: string, b: string): string => gravity.indexOf(a) >= gravity.indexOf(b) ? a : b

export interface Row { channel: Channel; key: number; many: boolean; model: ModelState }

// rowsOf are the records of a channel: one for each key and model.
export function rowsOf(c: Channel): Row[] {
  const keys = c.keys ?? []
  return keys.flatMap(k => (k.models ?? []).map(model => ({ channel: c, key: k.key, many: keys.length > 1, model })))
}

// stateOf is how a channel stands: as the operator holds it, else as its best record does.
export function stateOf(c: Channel): string {
  if (c.forced === 'open' || c.forced === 'drain') return 'held'
  const all = rowsOf(c).map(r => r.model.state as string)
  return all.reduce((a, b) => graver(a, b) === a ? b : a, all[0] ?? 'ready')
}

// worstOf is the gravest record of a channel that is not as it should be.
export function worstOf(c: Channel): Row | undefined {
  return rowsOf(c).filter(r => r.model.state !== 'ready').reduce<Row | undefined>((a, b) => !a || graver(a.model.state, b.model.state) !== a.model.state ? b : a, undefined)
}
