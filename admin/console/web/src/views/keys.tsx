// The keys of callers: those of the configuration are listed, those of the store are made and revoked here.
import { useRef, useState } from 'preact/hooks'
import { call, get, part } from '../api'
import { act, Button, notify } from '../parts/act'
import { Ago, Card, Copy, Empty, Failed, Skeleton, useLoad } from '../parts/shown'
import { address } from '../route'
import type { Limit } from './limits'

interface Key { id: string; name: string; group?: string; models?: string[] | null; limits?: string; created: string; expires?: string | null; key?: string }
interface Caller { name: string; kind: string; group: string; limits: string[] | null; models: string[] | null; expires: string | null }

export function Keys({ limits }: { limits: Limit[] }) {
  const { value, error, again } = useLoad(stop => get<{ keys: Key[] | null }>('/api/keys', stop), [])
  const { value: callers } = useLoad(stop => get<{ callers: Caller[] | null }>('/api/callers', stop).catch(() => ({ callers: [] })), [])
  const [made, setMade] = useState<Key | null>(null)
  const keys = value?.keys ?? []
  return (
    <Card title="Callers and keys">
      {made?.key && <Once made={made} onSeen={() => setMade(null)} />}
      <Make limits={limits} onMade={k => { setMade(k); again() }} />
      {error !== undefined && <Failed error={error} again={again} />}
      {!value ? error === undefined && <Skeleton /> : keys.length === 0 && !callers?.callers?.length ? <Empty>Nobody may ask: make a key.</Empty> : (
        <div class="wide tall" tabIndex={0} role="region" aria-label="Callers and keys">
          <table class="keys-table">
            <thead><tr><th scope="col">Caller</th><th scope="col">From</th><th scope="col">Group</th><th scope="col">Limits</th><th scope="col">Models</th><th scope="col">Made</th><th scope="col">Ends</th><th scope="col">Act</th></tr></thead>
            <tbody>
              {keys.map(k => <tr key={k.id}><th scope="row"><a href={address('requests', { caller: k.name })}>{k.name}</a></th><td>key <code>{k.id}</code></td><td>{k.group}</td><td>{k.limits || 'those of all'}</td><td>{k.models?.join(', ') || 'all'}</td><td><Ago at={Date.parse(k.created)} /></td><td>{k.expires ? <time dateTime={k.expires} title={k.expires}>{k.expires.slice(0, 10)}</time> : 'never'}</td><td><Revoke k={k} onDone={again} /></td></tr>)}
              {(callers?.callers ?? []).map(c => <tr key={c.kind + c.name}><th scope="row"><a href={address('requests', { caller: c.name })}>{c.name || 'any name'}</a></th><td>{c.kind === 'jwt' ? 'signed tokens' : 'the configuration'}</td><td>{c.group}</td><td>{c.limits?.join(', ') || 'those of all'}</td><td>{c.models?.join(', ') || 'all'}</td><td /><td>{c.expires ? c.expires.slice(0, 10) : 'never'}</td><td /></tr>)}
            </tbody>
          </table>
        </div>)}
    </Card>
  )
}

// Once shows a key that was made. It is nowhere else.
function Once({ made, onSeen }: { made: Key; onSeen: () => void }) {
  return (
    <div class="once" role="status">
      <p>The key of <strong>{made.name}</strong>. It is shown this once: the gateway keeps only what it takes to know it again.</p>
      <p><code class="secret">{made.key}</code></p>
      <div class="row"><Copy text={() => made.key ?? ''}>Copy the key</Copy><button type="button" class="button" onClick={onSeen}>I have it</button></div>
    </div>
  )
}

function Revoke({ k, onDone }: { k: Key; onDone: () => void }) {
  const revoke = () => act({
    verb: 'Revoke the key of ' + k.name, says: 'No question is taken under this key any more, from now on. Those that run go on. It cannot be undone: ' + k.name + ' needs another key.',
    run: async () => { await call('DELETE', '/api/keys/' + part(k.id)); onDone() }, done: 'The key of ' + k.name + ' is revoked.',
  })
  return <Button kind="grave" onClick={revoke} label={'Revoke the key of ' + k.name}>Revoke</Button>
}

function Make({ limits, onMade }: { limits: Limit[]; onMade: (k: Key) => void }) {
  const form = useRef<HTMLFormElement>(null)
  const make = () => {
    const of = new FormData(form.current!)
    const text = (name: string) => String(of.get(name) ?? '').trim()
    if (!text('name')) { notify({ text: 'Give the caller a name first.' }); return }
    const expires = text('expires')
    act({
      verb: 'Make a key', says: text('name') + ' may ask with the key that is made' + (text('limits') ? ', under the limits ' + text('limits') : '') + (expires ? ', until the end of ' + expires : '') + '. The key is shown once.',
      run: async () => {
        const models = text('models').split(',').map(m => m.trim()).filter(Boolean)
        onMade(await call<Key>('POST', '/api/keys', { name: text('name'), group: text('group'), limits: text('limits'), models, ...(expires && { expires: expires + 'T23:59:59Z' }) }))
        form.current?.reset()
      },
      done: 'The key of ' + text('name') + ' is made.',
    })
  }
  return (
    <form ref={form} class="filters" onSubmit={e => { e.preventDefault(); make() }}>
      <label class="filter"><span>Name of the caller</span><input name="name" autocomplete="off" spellcheck={false} maxLength={256} /></label>
      <label class="filter"><span>Limits</span><select name="limits"><option value="">those of all</option>{limits.map(l => <option key={l.name} value={l.name}>{l.name}</option>)}</select></label>
      <label class="filter"><span>Group</span><input name="group" autocomplete="off" spellcheck={false} /></label>
      <label class="filter"><span>Models, with commas</span><input name="models" autocomplete="off" spellcheck={false} placeholder="all" /></label>
      <label class="filter"><span>Ends on</span><input name="expires" type="date" /></label>
      <Button kind="main" onClick={make}>Make a key</Button>
    </form>
  )
}
