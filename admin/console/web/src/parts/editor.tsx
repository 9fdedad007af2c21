// A text with its line numbers, and marks on the lines that are wrong.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Problem } from '../api'

const line = 20 // pixels, as in the style

interface Props {
  label: string
  text: string
  problems: Problem[]
  readOnly: boolean
  // jump is a line to go to; a new value of it goes there anew.
  jump?: { line: number } | undefined
  onText: (text: string) => void
}

export function Editor({ label, text, problems, readOnly, jump, onText }: Props) {
  const box = useRef<HTMLTextAreaElement>(null)
  const [top, setTop] = useState(0)
  useEffect(() => { if (jump && box.current) show(box.current, jump.line) }, [jump])
  const lines = text.split('\n').length
  const bad = new Map(problems.filter(p => p.line > 0).map(p => [p.line, p.message]))
  return (
    <div class="editor">
      <div class="editor-lines" aria-hidden="true">
        <div style={{ transform: 'translateY(' + -top + 'px)' }}>
          {Array.from({ length: lines }, (_, i) => <div key={i} class={bad.has(i + 1) ? 'bad' : undefined} title={bad.get(i + 1)}>{i + 1}</div>)}
        </div>
      </div>
      <textarea ref={box} aria-label={label} value={text} readOnly={readOnly} wrap="off" spellcheck={false} autocapitalize="off" autocomplete="off" rows={Math.min(30, Math.max(12, lines + 1))}
        aria-invalid={bad.size > 0} onScroll={e => setTop(e.currentTarget.scrollTop)} onInput={e => onText(e.currentTarget.value)} />
    </div>
  )
}

// show puts the caret at the beginning of a line, and the line into sight.
function show(box: HTMLTextAreaElement, n: number): void {
  const at = box.value.split('\n').slice(0, n - 1).reduce((sum, l) => sum + l.length + 1, 0)
  box.focus()
  box.setSelectionRange(at, at)
  box.scrollTop = Math.max(0, (n - 4) * line)
  box.scrollIntoView({ block: 'nearest' })
}
