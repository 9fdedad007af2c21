// What runs, where it is from, and how it is changed: a text is compared before it is applied, and what ran
// before can be taken back.
import { signal } from '@preact/signals'
import { useEffect, useState } from 'preact/hooks'
import type { View } from '../views'
import { call, get, Refusal, type Problem } from '../api'
import { overview } from '../live'
import { act, Button, message } from '../parts/act'
import { Editor } from '../parts/editor'
import { Ago, Behind, Card, Empty, Failed, Skeleton, useLoad } from '../parts/shown'
import { address, param, setParams } from '../route'
import { rights } from '../session'
import { many } from '../words'
import { Changes, type Difference } from './changes'
import { History, type Revision } from './history'
import '../styles/configuration.css'

export interface Present {
  file: string; read_only: string; revision: number; sum: string; file_sum: string; differs_from_file: boolean
  text: string; text_hidden: string; restart: string[]; warnings: Problem[]
  set_at_run_time: { channel: string; what: string; file: string; now: string }[]
}
interface Verdict { valid: boolean; problems: Problem[]; warnings: Problem[] }

// draft is the text as somebody is changing it, kept while the page is open; base is the sum of what it was made of.
const draft = signal<{ text: string; base: string } | null>(null)

addEventListener('beforeunload', e => { if (draft.value) e.preventDefault() })

const most = 2 // warnings that are shown at once

function Configuration() {
  const { value: now, error, again } = useLoad(stop => get<Present>('/api/configuration', stop), [overview.value?.revision])
  const { value: past, again: anew } = useLoad(stop => get<{ revisions: Revision[] }>('/api/configuration/history', stop), [overview.value?.revision])
  if (error !== undefined && !now) return <Failed error={error} again={again} />
  if (!now) return <Skeleton rows={12} />
  const changed = () => { again(); anew() }
  return (
    <>
      <Source now={now} last={past?.revisions[0]} onChange={changed} />
      {now.file === '' ? null : now.text_hidden ? <Empty>The text is not shown: {now.text_hidden}</Empty> : <Text now={now} onChange={changed} />}
      {past && past.revisions.length > 0 && <History all={past.revisions} now={now} onChange={changed} chosen={Number(param('revision'))} onChoose={n => setParams({ revision: n ? String(n) : '' })} />}
    </>
  )
}

// Source says what runs and where it is from, and all that differs from the file.
function Source({ now, last, onChange }: { now: Present; last: Revision | undefined; onChange: () => void }) {
  return (
    <Card title="What runs">
      <dl class="facts broad">
        <div><dt>From</dt><dd>{now.file ? <code>{now.file}</code> : 'no file: this is a quick start. Start dragoman with a configuration file to change it from here.'}</dd></div>
        {last && now.revision > 0 && <div><dt>Revision</dt><dd>{now.revision}, {last.how === last.by.name ? 'of the ' + last.how : last.how + ' by ' + last.by.name}{last.by.address && ' from ' + last.by.address}, <Ago at={Date.parse(last.at)} /></dd></div>}
        {now.read_only && now.file && <div><dt>Changing it</dt><dd>It cannot be changed from here: {now.read_only}.</dd></div>}
        {now.restart.length > 0 && <div><dt>At the next start</dt><dd>{now.restart.join(', ')}: the file says something else than what runs, and only a restart takes it over.</dd></div>}
        {now.warnings.slice(0, most).map(w => <div key={w.path + w.message}><dt>Worth a look</dt><dd>{w.line > 0 && 'Line ' + w.line + ': '}{w.path && <><code>{w.path}</code> </>}{w.message}</dd></div>)}
        {now.set_at_run_time.map(s => <div key={s.channel + s.what}><dt>Set at run time</dt><dd><a href={address('channels', { channel: s.channel })}>{s.channel}</a>: {s.what} is {s.now}, the file says {s.file}</dd></div>)}
      </dl>
      {now.warnings.length > most && <Behind title={'All ' + now.warnings.length + ' that are worth a look'} head={['Line', 'Setting', 'Why']} rows={now.warnings.map(w => [w.line || '', w.path, w.message])} />}
      {now.file && now.differs_from_file && <OnDisk now={now} onChange={onChange} />}
    </Card>
  )
}

// OnDisk is the file where it says something else than what runs.
function OnDisk({ now, onChange }: { now: Present; onChange: () => void }) {
  const { value, error } = useLoad(stop => rights.value === 'all' ? call<Difference>('POST', '/api/configuration/diff', {}, stop) : Promise.resolve(undefined), [now.file_sum, now.sum, rights.value])
  const reload = () => act({
    verb: 'Read the file again', says: 'What the file says now takes the place of what runs. Questions that run end under what they began with.',
    run: async () => { await call('POST', '/api/reload'); onChange() }, done: 'The file was read again.',
  })
  return (
    <div class="foreseen">
      <p>The file says something else than what runs{now.file_sum ? '' : ', or cannot be read'}.</p>
      {error !== undefined && <Failed error={error} />}
      {error instanceof Refusal && <Problems all={error.problems} />}
      {value && <Changes of={value} />}
      <div class="row"><Button kind="main" onClick={reload}>Read the file again</Button></div>
    </div>
  )
}

// Text is what runs, as a text that can be changed.
function Text({ now, onChange }: { now: Present; onChange: () => void }) {
  const [seen, setSeen] = useState<{ text: string; difference: Difference } | null>(null)
  const [told, setTold] = useState('')
  const [jump, setJump] = useState<{ line: number }>()
  const fixed = rights.value !== 'all' || now.read_only !== ''
  const text = draft.value?.text ?? now.text
  const dirty = draft.value !== null && draft.value.text !== now.text
  const [verdict, setVerdict] = useVerdict(dirty ? text : '')
  const change = (to: string) => { draft.value = { text: to, base: draft.value?.base ?? now.sum }; setTold('') }
  const drop = () => { draft.value = null; setSeen(null); setTold(''); setVerdict(null) }
  const failed = (err: unknown) => {
    setTold(message(err))
    if (err instanceof Refusal && err.problems.length > 0) setVerdict({ valid: false, problems: err.problems, warnings: [] })
  }
  const compare = async () => {
    try { setSeen({ text, difference: await call<Difference>('POST', '/api/configuration/diff', { text }) }); setTold('') } catch (err) { setSeen(null); failed(err) }
  }
  const apply = () => act({
    verb: 'Apply', says: applySays(seen!.difference, now.file),
    run: async () => {
      try { await call('POST', '/api/configuration/apply', { text, base: draft.value?.base }) } catch (err) { failed(err); throw err }
      drop(); onChange()
    },
    done: 'It is applied.', undone: 'Revision ' + now.revision + ' runs again.',
    undo: async () => { await call('POST', '/api/configuration/rollback', { revision: now.revision }); onChange() },
  })
  const stale = draft.value !== null && draft.value.base !== now.sum
  return (
    <Card title="Text" more={<span class="soft">Secrets are shown as ***, and stay as they are where you leave them so.</span>}>
      <Editor label="Configuration" text={text} problems={verdict?.problems ?? []} readOnly={fixed} jump={jump} onText={change} />
      <div class="said" role="status">
        {stale && <p class="why">Another configuration runs by now than the one you began with. Discard your text to see it; keep a copy of what you wrote.</p>}
        {told ? <p class="why">{told}</p> : !dirty ? <p class="soft">This is what runs.</p> : !verdict ? <p class="soft">Checking…</p>
          : verdict.valid ? <p>Nothing is wrong with it{verdict.warnings.length > 0 && '; ' + many(verdict.warnings.length, 'line') + ' worth a second look'}.</p> : <p>{many(verdict.problems.length, 'problem')}: nothing of it is applied until {verdict.problems.length === 1 ? 'it is' : 'they are'} mended.</p>}
      </div>
      {dirty && verdict && <Problems all={[...verdict.problems, ...verdict.warnings]} onGo={n => setJump({ line: n })} />}
      <div class="row">
        <Button kind={seen && seen.text === text ? 'plain' : 'main'} onClick={compare} off={now.read_only || (dirty ? verdict && !verdict.valid ? 'Mend the problems first.' : '' : 'You have changed nothing yet.')}>See what changes</Button>
        {dirty && <button type="button" class="button" onClick={drop}>Discard</button>}
      </div>
      {dirty && seen && seen.text === text && <div class="foreseen">
        <Changes of={seen.difference} onGo={n => setJump({ line: n })} />
        <div class="row"><Button kind="main" onClick={apply}>Apply</Button></div>
      </div>}
    </Card>
  )
}

const applySays = (d: Difference, file: string): string =>
  many(d.changes.length, 'change') + ' ' + (d.changes.length === 1 ? 'takes' : 'take') + ' effect for questions that come from now on; those that run end under what they began with. ' + file + ' is written.'
  + (d.restart.length > 0 ? ' Only a restart takes over: ' + d.restart.join(', ') + '.' : '')

// useVerdict has a text checked once nobody has typed for a moment.
function useVerdict(text: string): [Verdict | null, (v: Verdict | null) => void] {
  const [verdict, setVerdict] = useState<Verdict | null>(null)
  useEffect(() => {
    if (!text) return setVerdict(null)
    const stop = new AbortController()
    const timer = setTimeout(() => {
      call<Verdict>('POST', '/api/configuration/validate', { text }, stop.signal).then(setVerdict, err => {
        if (!stop.signal.aborted) setVerdict({ valid: false, problems: [{ line: 0, path: '', message: message(err) }], warnings: [] })
      })
    }, 500)
    return () => { clearTimeout(timer); stop.abort() }
  }, [text])
  return [verdict, setVerdict]
}

export function Problems({ all, onGo }: { all: Problem[]; onGo?: (line: number) => void }) {
  if (all.length === 0) return null
  return (
    <ul class="problems" aria-label="Problems">
      {all.map((p, i) => (
        <li key={i}>{p.line > 0 ? onGo ? <button type="button" class="button" onClick={() => onGo(p.line)}>Line {p.line}</button> : <span>Line {p.line}</span> : <span />}
          <span>{p.path && <><code>{p.path}</code> </>}{p.message}</span></li>
      ))}
    </ul>
  )
}

export const configuration: View = { name: 'configuration', title: 'Configuration', icon: 'M7 3h7l4 4v14H7ZM14 3v4h4M10 12h5M10 16h5', Show: Configuration }
