// A list of which only the rows in sight are in the page, so that ten thousand cost as much as thirty.
import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'

const beyond = 8 // rows above and below those in sight

interface Props<T> {
  label: string
  rows: T[]
  height: number // of each row, in pixels
  keyOf: (row: T) => string
  row: (row: T, index: number) => ComponentChildren
  onTop?: (isAtTop: boolean) => void
}

export function List<T>({ label, rows, height, keyOf, row, onTop }: Props<T>) {
  const box = useRef<HTMLDivElement>(null)
  const [sight, setSight] = useState({ top: 0, room: 800 })
  useLayoutEffect(() => {
    const el = box.current!
    const look = () => setSight({ top: el.scrollTop, room: el.clientHeight })
    const grown = new ResizeObserver(look)
    grown.observe(el)
    return () => grown.disconnect()
  }, [])
  const scrolled = () => {
    const el = box.current!
    const first = Math.floor(el.scrollTop / height)
    if (first !== Math.floor(sight.top / height)) setSight({ top: el.scrollTop, room: el.clientHeight })
    onTop?.(el.scrollTop < height / 2)
  }
  // The arrow keys go from row to row, as in any list; those beyond the sight are in the page already.
  const moved = (e: KeyboardEvent) => {
    if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return
    const at = document.activeElement?.closest('.list-row')
    const next = !at ? box.current!.querySelector('.list-row') : e.key === 'ArrowDown' ? at.nextElementSibling : at.previousElementSibling
    next?.querySelector<HTMLElement>('button, a')?.focus()
    e.preventDefault()
  }
  const from = Math.max(0, Math.floor(sight.top / height) - beyond)
  const to = Math.min(rows.length, Math.ceil((sight.top + sight.room) / height) + beyond)
  return (
    <div ref={box} class="list" role="list" aria-label={label} tabIndex={0} onScroll={scrolled} onKeyDown={moved}>
      <div class="list-all" style={{ height: rows.length * height + 'px' }}>
        {rows.slice(from, to).map((r, i) => (
          <div key={keyOf(r)} class="list-row" role="listitem" aria-setsize={rows.length} aria-posinset={from + i + 1} style={{ top: (from + i) * height + 'px', height: height + 'px' }}>{row(r, from + i)}</div>
        ))}
      </div>
    </div>
  )
}
