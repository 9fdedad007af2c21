// Figures and times as people read them: at most three significant digits, the exact value on hover.

// digits is n with at most three significant digits and no needless zeros.
export function digits(n: number): string {
  if (!Number.isFinite(n)) return '–'
  const size = Math.abs(n)
  if (size >= 1e9) return short(n / 1e9) + ' G'
  if (size >= 1e6) return short(n / 1e6) + ' M'
  if (size >= 1e4) return short(n / 1e3) + ' k'
  return short(n)
}

const number = new Intl.NumberFormat('en', { useGrouping: true, maximumFractionDigits: 2 })
const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 })

function short(n: number): string {
  const size = Math.abs(n)
  if (size === 0) return '0'
  const places = size >= 100 ? 0 : size >= 10 ? 1 : 2
  return size < 0.005 ? '< 0.01' : number.format(Number(n.toFixed(places)))
}

// took is a duration: ms below a second.
export function took(ms: number): string {
  if (!Number.isFinite(ms)) return '–'
  if (ms < 1000) return digits(ms) + '\u202fms'
  if (ms < 60_000) return digits(ms / 1000) + '\u202fs'
  if (ms < 3_600_000) return Math.floor(ms / 60_000) + '\u202fmin ' + Math.round((ms % 60_000) / 1000) + '\u202fs'
  if (ms < 86_400_000) return Math.floor(ms / 3_600_000) + '\u202fh ' + Math.floor((ms % 3_600_000) / 60_000) + '\u202fmin'
  return Math.floor(ms / 86_400_000) + '\u202fd ' + Math.floor((ms % 86_400_000) / 3_600_000) + '\u202fh'
}

// ago is how long before now a time was; a clock that is a little wrong makes no future.
export function ago(at: number, now: number): string {
  const ms = Math.max(0, now - at)
  return ms < 1500 ? 'now' : took(Math.round(ms / 1000) * 1000).replace(/ 0\u202f(s|min|h)$/, '') + ' ago'
}

export const clock = (at: number): string => time.format(at)

export const exact = (at: number): string => new Date(at).toISOString()

// many is a count with its noun.
export const many = (n: number, one: string, more = one + 's'): string => number.format(n) + ' ' + (n === 1 ? one : more)

export const percent = (share: number): string => digits(share * 100) + '\u202f%'

// money is an amount in the currency of the configuration, which has no name there.
export const money = (n: number): string => (n === 0 ? '0' : n < 0.01 ? n.toPrecision(2) : n.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 }))
