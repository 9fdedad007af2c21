// Figures that the page makes from the exchanges that it knows, which are those that the gateway remembers
// and those that have ended since the page was opened.
import { exchanges, now, type Known } from './live'

export const span = 15 * 60_000

export interface Slot { at: number; ok: number; bad: number; p50: number | null; p99: number | null }

// since are the exchanges that ended after a time, the oldest first.
export function since(at: number): Known[] {
  let i = exchanges.length
  while (i > 0 && exchanges[i - 1]!.ended >= at) i--
  return exchanges.slice(i)
}

// quantile of values in ascending order; null where there are none.
export const quantile = (sorted: number[], q: number): number | null =>
  sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!

const firsts = (list: Known[]): number[] => list.filter(e => e.outcome === 'ok' && e.first_ms > 0).map(e => e.first_ms).sort((a, b) => a - b)

// slots cut the last 15 minutes into pieces of ms each.
export function slots(ms: number): Slot[] {
  const end = Math.ceil(now() / ms) * ms
  const begin = end - span
  const cut: Known[][] = Array.from({ length: span / ms }, () => [])
  for (const e of since(begin)) cut[Math.floor((e.ended - begin) / ms)]?.push(e)
  return cut.map((list, i) => {
    const f = firsts(list)
    const ok = list.filter(e => e.outcome === 'ok').length
    return { at: (begin + i * ms) / 1000, ok, bad: list.length - ok, p50: quantile(f, 0.5), p99: quantile(f, 0.99) }
  })
}

export interface Sums { n: number; bad: number; outcomes: [code: string, n: number][]; p50: number | null; p99: number | null; failedOver: number }

export function sums(list: Known[]): Sums {
  const codes = new Map<string, number>()
  let failedOver = 0
  for (const e of list) {
    if (e.outcome !== 'ok') codes.set(e.outcome, (codes.get(e.outcome) ?? 0) + 1)
    else if (e.attempts > 1) failedOver++
  }
  const f = firsts(list)
  const bad = [...codes.values()].reduce((a, b) => a + b, 0)
  return { n: list.length, bad, outcomes: [...codes].sort((a, b) => b[1] - a[1]), p50: quantile(f, 0.5), p99: quantile(f, 0.99), failedOver }
}
