import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { learnRights } from './api'
import { tick } from './clock'
import { link, lost, start, stop } from './live'
import { notify, Notices, Question } from './parts/act'
import { CaptureLines } from './parts/captures'
import { Shape } from './parts/state'
import { address, go, view } from './route'
import { refused, rights, signIn, signOut, token, why } from './session'
import { verdict } from './verdict'
import { views } from './views'
import { took } from './words'

const helping = signal(false)

export function App() {
  const signedIn = token.value !== ''
  useEffect(() => {
    if (!signedIn) return
    void start()
    learnRights().catch(() => { /* the stream says why */ })
    return stop
  }, [token.value])
  return <>{signedIn ? <Console /> : <SignIn />}<Question /><Notices /></>
}

function SignIn() {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => { document.title = 'Sign in \u00b7 dragoman'; field.current?.focus() }, [])
  const submit = (e: Event) => {
    e.preventDefault()
    const given = field.current!.value.trim()
    if (given) signIn(given)
  }
  return (
    <main class="sign-in">
      <form class="card" onSubmit={submit}>
        <h1>dragoman</h1>
        {refused.value && <p class="failed" role="alert">{refused.value}</p>}
        <label for="token">Operator&rsquo;s token, or the read token</label>
        <input id="token" ref={field} type="password" autocomplete="current-password" spellcheck={false} required />
        <p class="soft">It is kept for this tab only. Where none is configured, it stands in the file <code>admin-token</code> beside the database.</p>
        <button type="submit" class="button main">Sign in</button>
      </form>
    </main>
  )
}

function Console() {
  const shown = views.find(v => v.name === (view.value || views[0]!.name))
  const nav = useRef<HTMLElement>(null)
  useEffect(() => {
    document.title = (shown?.title ?? 'Not found') + ' \u00b7 dragoman'
    const at = nav.current?.querySelector<HTMLElement>('[aria-current]')
    if (at) nav.current!.scrollLeft = at.offsetLeft - (nav.current!.clientWidth - at.offsetWidth) / 2
  }, [shown])
  useEffect(() => {
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
  return (
    <div class="frame">
      <a class="skip" href="#content">To the content</a>
      <header class="top">
        <a class="brand" href={address(views[0]!.name)}>dragoman</a>
        <LinkState />
        <span class="grow" />
        {rights.value === 'read' && <span class="badge" title={why.value}>read only</span>}
        <button type="button" class="button bare" aria-label="Keys" onClick={() => { helping.value = true }}>?</button>
        <button type="button" class="button bare" onClick={() => signOut()}>Sign out</button>
      </header>
      <nav ref={nav} class="views" aria-label="Views">
        {views.map((v, i) => (
          <a key={v.name} href={address(v.name)} aria-current={v === shown ? 'page' : undefined} aria-keyshortcuts={String(i + 1)}>
            <svg width="20" height="20" viewBox="0 0 24 24" aria-hidden="true"><path d={v.icon} /></svg>{v.title}
          </a>
        ))}
      </nav>
      <main id="content" tabIndex={-1}>
        <CaptureLines />
        <VerdictLine />
        {lost.value && <p class="hint">{lost.value} <button type="button" class="button bare" onClick={() => { lost.value = '' }}>Understood</button></p>}
        {shown ? <><h1 class="title">{shown.title}</h1><shown.Show key={shown.name} /></> : <NotFound />}
      </main>
      <Help />
    </div>
  )
}

const NotFound = () => <p class="empty">There is no such view. <a href={address(views[0]!.name)}>Go to the overview</a>.</p>

function LinkState() {
  void tick.value
  const at = link.value
  if (at.state === 'live') return <span class="link-state"><Shape state="ready" size={10} />live</span>
  if (at.state === 'joining') return <span class="link-state">joining…</span>
  return <span class="link-state gone" role="status" title={at.why}><Shape state="gone" size={10} />gateway gone for {took(Date.now() - at.since)}, trying again</span>
}

function VerdictLine() {
  const v = verdict()
  return <p class={'verdict ' + v.state}><Shape state={v.state} size={14} /><a href={v.href}>{v.text}</a></p>
}

function onKey(e: KeyboardEvent) {
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return
  const at = e.target
  if (at instanceof HTMLElement && (at.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(at.tagName))) return
  const chosen = views[Number(e.key) - 1]
  if (chosen) go(address(chosen.name))
  else if (e.key === '?') helping.value = true
  else if (e.key === '/') {
    const field = document.querySelector<HTMLInputElement>('main input[type=search]')
    field ? field.focus() : notify({ text: 'This view has no filter.' })
  } else return
  e.preventDefault()
}

function Help() {
  const box = useRef<HTMLDialogElement>(null)
  const open = helping.value
  useEffect(() => { if (open && !box.current?.open) box.current?.showModal() }, [open])
  const shown = views.find(v => v.name === view.value)
  const keys: [string, string][] = [...views.map((v, i): [string, string] => [String(i + 1), v.title]), ['/', 'to the filter'], ['?', 'these keys'], ['Esc', 'close what is open'], ...(shown?.keys ?? [])]
  return (
    <dialog ref={box} class="question" aria-labelledby="help-title" onClose={() => { helping.value = false }}>
      <h2 id="help-title">Keys</h2>
      <dl class="keys">{keys.map(([k, does]) => <div key={k + does}><dt><kbd>{k}</kbd></dt><dd>{does}</dd></div>)}</dl>
      <div class="row end"><button type="button" class="button main" onClick={() => box.current?.close()}>Close</button></div>
    </dialog>
  )
}
