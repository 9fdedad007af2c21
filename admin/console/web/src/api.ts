// Calls of the operator's API, and the shapes of what it answers; docs: /api/openapi.json.
import { rights, signOut, token, type Rights } from './session'

export interface ModelState {
  model: string; upstream: string; state: State; why?: string; seconds: number
  requests: number; failures: number; streak: number; first_ms: number; whole_ms: number
  quirks?: string[] | null; context?: number
}
export interface KeyState { key: number; in_flight: number; models: ModelState[] | null }
export interface Channel {
  id: string; kind: string; tier: number; weight: number; forced: Forced; in_flight: number
  concurrent: number; waiting: number; keys: KeyState[] | null; proxy: string
  probe?: { every_seconds: number; left: number; good: number; bad: number; neutral: number; last?: string; result?: string } | null
}
export type State = 'ready' | 'trial' | 'throttled' | 'open' | 'aside' | 'full' | 'slow'
export type Forced = 'auto' | 'open' | 'close' | 'drain'

export interface Exchange {
  cursor: number; id: string; at: string; front: string; caller: string; model: string
  state: 'running' | 'done'; outcome: string; message: string; channel: string
  attempts: number; first_ms: number; took_ms: number
}
export interface Quantile { p50: number; p99: number } // zeros: it did not happen
export interface Origins { client: number; us: number; channel: number; network: number } // parts of the questions, of 1
export interface Figures {
  seconds: number; questions_per_second: number; failed: Origins; added_ms: Quantile; first_ms: Quantile
  input_tokens_per_second: number; output_tokens_per_second: number
}
export interface Overview {
  uptime_seconds: number; running: number; draining: boolean; revision: number
  connections: number; streams: number; sockets: number; channels: number; channels_ready: number
  drains: { channel: string; in_flight: number }[] | null; captures: Capture[] | null; lately: Figures; cost_today: number; cost_since: string
}
export interface Capture { caller: string; by: string; since: string; until: string; taken: number }
export interface Captures { captures: Capture[] | null; exchanges: { id: string; caller: string; front: string; at: string }[] | null; bytes: number }
export interface Form { text: string; bytes: number; cut?: boolean }
export interface Forms {
  id: string; caller: string; front: string; at: string; asked: Form; canonical: Form; told: Form
  attempts: { channel: string; model: string; sent: Form; came: Form }[] | null
}
export interface Health { status: string; store: string; shared?: string }
export interface SetAtRunTime { channel: string; what: string; file: string; now: string }
export interface LimitUse { rule: string; kind: string; per: string; subject: string; used: number; of: number; left: number; resets_in_seconds: number }
export interface Refused { caller: string; rule: string; code: string; count: number; last: string }
export interface Limits { limits: unknown[] | null; use: LimitUse[] | null; refused: Refused[] | null }
export interface Spread { from_ms: number; to_ms: number; count: number }
export interface Point extends Figures { at: string; first_spread: Spread[] | null; running: number; streams: number; sockets: number }
export interface Flow { front: string; model: string; channel: string; questions: number; failed: number; running: number }
export interface Traffic { seconds: number; links: Flow[] | null }
export interface Cell { minute: string; state: string; why: string; seconds: number }
export interface Timeline { from: string; minutes: number; since: string; rows: { channel: string; key: number; model: string; cells: Cell[] | null }[] | null }
export interface Failure { exchange: string; at: string; key: number; model: string; front: string; caller: string; result: string; message: string; open_ms: number; first_ms: number }
export interface TestEvent {
  kind: string; ms: number; text?: string; id?: string; model?: string; connect_ms?: number
  result?: string; message?: string; first_ms?: number; input_tokens?: number; output_tokens?: number; cost?: number
}

// failedOf is the part of the questions that failed for a reason that is not their client's.
export const failedOf = (f: Figures): number => f.failed.us + f.failed.channel + f.failed.network

export interface Candidate {
  channel: string; key: number; model: string; upstream: string; tier: number; weight: number
  state: string; why?: string; seconds?: number; asked: number; proxy?: string; share?: number
}
export interface Attempt {
  channel: string; key: number; tier: number; model: string; by: string; among: number
  left_behind?: number; result: string; message?: string; retry_seconds?: number
  began_ms: number; connect_ms: number; open_ms: number; first_ms: number
}
export interface Spent {
  queue_ms: number; room_ms: number; failed_ms: number; connect_ms: number
  headers_ms: number; first_ms: number; stream_ms: number; total_ms: number
}
export interface Same { n: number; at: string; caller: string; front: string; model: string; state: string; outcome?: string }
export interface Explanation {
  id?: string; front?: string; endpoint?: string; caller: string; limits?: string; model: string; preset?: string; policy: string
  at?: string; state?: string; outcome?: string; message?: string; retry_seconds?: number
  candidates: Candidate[] | null; attempts?: Attempt[] | null; verdict?: string; ledger?: Spent | null; same_id?: Same[] | null
}
export interface LedgerRow {
  request: string; attempt: number; at: string; caller: string; user?: string; front: string; model: string; channel?: string; key: number; upstream?: string
  outcome: string; status: number; input_tokens: number; output_tokens: number; cached_tokens: number; estimated: boolean; cost: number
  sound_seconds?: number; images?: number
  queue_ms: number; open_ms: number; first_ms: number; took_ms: number; count: number
}
export interface Ledger {
  rows: LedgerRow[] | null
  totals: { requests: number; input_tokens: number; output_tokens: number; cached_tokens: number; cost: number }
}

// Problem is a line of a configuration that is wrong.
export interface Problem { line: number; path: string; message: string }

// Refusal is an answer that is no success. Its message says what happened, as the gateway does.
export class Refusal extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly problems: Problem[] = []) { super(message) }
}

// Unreachable says that there was no answer at all.
export class Unreachable extends Error {}

// send makes one call with the token. An answer of 401 ends the sign-in.
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  const used = token.value
  const headers = new Headers(init.headers)
  headers.set('Authorization', 'Bearer ' + used)
  let answer: Response
  try {
    answer = await fetch(path, { ...init, headers, cache: 'no-store' })
  } catch (err) {
    if (init.signal?.aborted) throw err
    throw new Unreachable('The gateway does not answer. It may be starting anew: this page goes on trying.')
  }
  if (answer.ok) return answer
  const refusal = await refusalOf(answer)
  if (answer.status === 401 && used === token.value) signOut('The gateway does not take this token (any more). Sign in again, and you are where you were.')
  throw refusal
}

async function refusalOf(answer: Response): Promise<Refusal> {
  try {
    const { error } = await answer.json()
    return new Refusal(answer.status, String(error.code), String(error.message), error.problems ?? [])
  } catch {
    return new Refusal(answer.status, 'INTERNAL_ERROR', 'The gateway answered with status ' + answer.status + '.')
  }
}

// frames reads server-sent events one by one as they arrive. Before each wait it calls waits, whose
// answer is called after it.
export async function frames(answer: Response, each: (kind: string, data: string, id: string) => void, waits?: () => () => void): Promise<void> {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read().finally(waits?.() ?? (() => {}))
    if (done) return
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const field: Record<string, string> = {}
      for (const line of block.split('\n')) {
        const at = line.indexOf(': ')
        if (at > 0) field[line.slice(0, at)] = line.slice(at + 2)
      }
      if (field['event'] && field['data']) each(field['event'], field['data'], field['id'] ?? '')
    }
  }
}

// call makes a call whose body and answer are JSON.
export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { method }
  if (signal) init.signal = signal
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    init.headers = { 'Content-Type': 'application/json' }
  }
  return (await send(path, init)).json()
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => call<T>('GET', path, undefined, signal)

// part makes text one part of a path.
export const part = encodeURIComponent

// query is ?a=b of those parameters that are not empty.
export function query(of: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams()
  for (const [name, value] of Object.entries(of)) if (value !== undefined && value !== '') q.set(name, String(value))
  const text = q.toString()
  return text && '?' + text
}

// learnRights asks what the token opens.
export async function learnRights(): Promise<void> {
  const { may } = await get<{ may: Rights }>('/api/token')
  rights.value = may
}
