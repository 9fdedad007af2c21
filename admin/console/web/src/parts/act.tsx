// Acting safely: a deed says what it will do before it does it, and the notice that follows can undo it.
import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { ComponentChildren } from 'preact'
import { why } from '../session'

export interface Deed {
  verb: string // on the button that does it: 'Drain vendor-b'
  says: string // what will happen, in a sentence or two
  run: () => Promise<unknown>
  done: string // what has happened
  undo?: () => Promise<unknown>
  undone?: string
}

interface Notice { id: number; text: string; bad?: boolean; undo?: () => Promise<unknown>; undone?: string }

const asked = signal<Deed | null>(null)
const busy = signal(false)
const notices = signal<Notice[]>([])
let serial = 0

// act asks whether a deed is to be done.
export function act(deed: Deed): void { asked.value = deed }

// notify says something that has happened. What went wrong stays until it is put away.
export function notify(n: Omit<Notice, 'id'>): void {
  const id = ++serial
  notices.value = [...notices.value.slice(-3), { ...n, id }]
  if (!n.bad) setTimeout(() => dismiss(id), n.undo ? 30_000 : 8_000)
}

const dismiss = (id: number) => { notices.value = notices.value.filter(n => n.id !== id) }

export const message = (err: unknown): string => err instanceof Error ? err.message : String(err)

// perform does a deed, and tells how it went. It reports whether it was done.
export async function perform(deed: Pick<Deed, 'run' | 'done' | 'undo' | 'undone'>): Promise<boolean> {
  busy.value = true
  try {
    await deed.run()
    notify({ text: deed.done, ...(deed.undo && { undo: deed.undo, undone: deed.undone ?? 'It is as it was.' }) })
    return true
  } catch (err) {
    notify({ text: 'It was not done: ' + message(err), bad: true })
    return false
  } finally {
    busy.value = false
  }
}

// Button is a button that acts. Where the token may not, it is disabled and says why.
export function Button({ onClick, children, kind = 'plain', off, label }: { onClick: () => void; children: ComponentChildren; kind?: 'plain' | 'main' | 'grave'; off?: string | undefined; label?: string }) {
  const reason = why.value || off || ''
  return (
    <button type="button" class={'button ' + kind} aria-disabled={reason !== ''} aria-label={label} title={reason || undefined}
      onClick={() => reason ? notify({ text: reason }) : onClick()}>{children}</button>
  )
}

// Question is the dialog in front of a deed. It stands once on the page.
export function Question() {
  const box = useRef<HTMLDialogElement>(null)
  const deed = asked.value
  useEffect(() => {
    if (deed && !box.current?.open) box.current?.showModal()
    if (!deed && box.current?.open) box.current.close()
  }, [deed])
  const yes = async () => {
    const d = asked.value
    if (d && !busy.value) { await perform(d); asked.value = null }
  }
  return (
    <dialog ref={box} class="question" aria-labelledby="question-verb" onClose={() => { asked.value = null }}>
      {deed && <>
        <h2 id="question-verb">{deed.verb}</h2>
        <p>{deed.says}</p>
        <div class="row end">
          <button type="button" class="button" onClick={() => { asked.value = null }}>Leave it</button>
          <button type="button" class="button main" autofocus disabled={busy.value} onClick={yes}>{deed.verb}</button>
        </div>
      </>}
    </dialog>
  )
}

// Notices is where notices stand.
export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map(n => (
        <div key={n.id} class={'notice' + (n.bad ? ' bad' : '')}>
          <p>{n.text}</p>
          {n.undo && <button type="button" class="button" onClick={() => { dismiss(n.id); void perform({ run: n.undo!, done: n.undone ?? 'It is as it was.' }) }}>Undo</button>}
          <button type="button" class="button bare" aria-label="Put this notice away" onClick={() => dismiss(n.id)}>×</button>
        </div>
      ))}
    </div>
  )
}
