// Small parts that every view shows things with.
import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { message } from './act'
import { tick } from '../clock'
import { now } from '../live'
import { setParams, param } from '../route'
import { ago, exact } from '../words'

// Figure is a number with its name; exact is what a pointer reads. It leads to what is behind it.
export function Figure({ name, value, unit, title, href, note }: { name: string; value: ComponentChildren; unit?: string; title?: string; href?: string; note?: ComponentChildren }) {
  const inner = <><span class="figure-name">{name}</span><span class="figure-value" title={title}>{value}{unit && <small> {unit}</small>}</span>{note && <span class="figure-note">{note}</span>}</>
  return href ? <a class="figure" href={href}>{inner}</a> : <div class="figure">{inner}</div>
}

// Ago is how long ago something was, with the exact time on hover.
export function Ago({ at }: { at: number }) {
  void tick.value
  return <time dateTime={exact(at)} title={exact(at)}>{ago(at, now())}</time>
}

export function Card({ title, children, more, label }: { title?: string; children: ComponentChildren; more?: ComponentChildren; label?: string }) {
  return (
    <section class="card" aria-label={label ?? title}>
      {title && <header><h2>{title}</h2>{more}</header>}
      {children}
    </section>
  )
}

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="empty">{children}</p>

// Skeleton has the size of what comes.
export const Skeleton = ({ rows = 3 }: { rows?: number }) => (
  <div class="skeleton" role="status" aria-label="Loading">{Array.from({ length: rows }, (_, i) => <span key={i} />)}</div>
)

// Failed says what went wrong, and lets one try again.
export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  return <div class="failed" role="alert"><p>{message(error)}</p>{again && <button type="button" class="button" onClick={again}>Try again</button>}</div>
}

export type Loaded<T> = { value?: T; error?: unknown; again: () => void }

// useLoad loads something, anew when one of by changes. What was loaded before stays until then.
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, by: unknown[]): Loaded<T> {
  const [turn, setTurn] = useState(0)
  const [got, setGot] = useState<{ value?: T; error?: unknown }>({})
  useEffect(() => {
    const stop = new AbortController()
    load(stop.signal).then(value => setGot({ value }), error => { if (!stop.signal.aborted) setGot({ error }) })
    return () => stop.abort()
  }, [...by, turn])
  return { ...got, again: () => setTurn(turn + 1) }
}

const narrow = signal(matchMedia('(max-width: 820px)').matches)
matchMedia('(max-width: 820px)').addEventListener('change', e => { narrow.value = e.matches })

// Filters are those of a view. On a phone they are folded, with a word on how many are set.
export function Filters({ names, children }: { names: string[]; children: ComponentChildren }) {
  const set = names.filter(n => param(n)).length
  if (!narrow.value) return <div class="filters">{children}</div>
  return <details class="filter-box"><summary>Filters{set > 0 && ', ' + set + ' set'}</summary><div class="filters">{children}</div></details>
}

// Filter is a text field whose value stands in the address.
export function Filter({ name, label, list }: { name: string; label: string; list?: string[] }) {
  const id = 'filter-' + name
  return (
    <label class="filter" for={id}>
      <span>{label}</span>
      <input id={id} type="search" value={param(name)} list={list && id + '-list'} autocomplete="off" spellcheck={false}
        onInput={e => setParams({ [name]: e.currentTarget.value }, false)} />
      {list && <datalist id={id + '-list'}>{list.map(v => <option key={v} value={v} />)}</datalist>}
    </label>
  )
}

// Choice is a set of few values of which one stands in the address.
export function Choice({ name, label, values }: { name: string; label: string; values: [value: string, word: string][] }) {
  const at = param(name)
  return (
    <label class="filter" for={'filter-' + name}>
      <span>{label}</span>
      <select id={'filter-' + name} value={at} onChange={e => setParams({ [name]: e.currentTarget.value })}>
        {values.map(([value, word]) => <option key={value} value={value}>{word}</option>)}
      </select>
    </label>
  )
}

// Behind is the table behind a drawing, for screen readers and for copying.
export function Behind({ title, head, rows }: { title: string; head: string[]; rows: ComponentChildren[][] }) {
  return (
    <details class="behind">
      <summary>{title}</summary>
      <div class="wide" tabIndex={0} role="region" aria-label={title}>
        <table><thead><tr>{head.map(h => <th key={h} scope="col">{h}</th>)}</tr></thead>
          <tbody>{rows.map((r, i) => <tr key={i}>{r.map((c, j) => <td key={j}>{c}</td>)}</tr>)}</tbody></table>
      </div>
    </details>
  )
}

// Copy puts a text into the clipboard.
export function Copy({ text, children }: { text: () => string; children: ComponentChildren }) {
  const [did, setDid] = useState(false)
  const copy = async () => {
    try { await navigator.clipboard.writeText(text()) } catch { fallback(text()) }
    setDid(true)
    setTimeout(() => setDid(false), 2000)
  }
  return <button type="button" class="button" onClick={copy}>{did ? 'Copied' : children}</button>
}

// fallback is for pages without TLS, where browsers have no clipboard.
function fallback(text: string): void {
  const box = document.createElement('textarea')
  box.value = text
  document.body.append(box)
  box.select()
  document.execCommand('copy')
  box.remove()
}
