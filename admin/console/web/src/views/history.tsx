// The configurations that ran, and the way back to one of them.
import { call, get } from '../api'
import { act, Button } from '../parts/act'
import { Ago, Card, Copy, Failed, Skeleton, useLoad } from '../parts/shown'
import { rights } from '../session'
import { many } from '../words'
import { Changes, type Difference } from './changes'
import type { Present } from './configuration'

export interface Revision { revision: number; at: string; how: string; by: { name: string; address?: string }; why?: string; sum: string; text?: string }

interface Props { all: Revision[]; now: Present; onChange: () => void; chosen: number; onChoose: (n: number) => void }

export function History({ all, now, onChange, chosen, onChoose }: Props) {
  return (
    <Card title="History" more={<span class="soft">{many(all.length, 'revision')}; the last 50 are kept</span>}>
      <div class="wide tall" tabIndex={0} role="region" aria-label="Revisions">
        <table class="history">
          <thead><tr><th scope="col">Revision</th><th scope="col">When</th><th scope="col">How</th><th scope="col">By</th><th scope="col">Why</th><th scope="col">Text</th></tr></thead>
          <tbody>{all.map(r => (
            <tr key={r.revision} class={r.revision === chosen ? 'chosen' : undefined}>
              <th scope="row">{r.revision}</th><td><Ago at={Date.parse(r.at)} /></td><td>{r.how}{r.revision === now.revision && <> <span class="badge">runs</span></>}</td>
              <td>{r.by.name}{r.by.address && <span class="soft"> from {r.by.address}</span>}</td><td class="why">{r.why}</td>
              <td><button type="button" class="button" aria-expanded={r.revision === chosen} aria-label={'Show revision ' + r.revision} onClick={() => onChoose(r.revision === chosen ? 0 : r.revision)}>{r.revision === chosen ? 'Hide' : 'Show'}</button></td>
            </tr>
          ))}</tbody>
        </table>
      </div>
      {chosen > 0 && <One key={chosen} n={chosen} now={now} onChange={onChange} />}
    </Card>
  )
}

// One is a revision with its text, and what would change if it ran again.
function One({ n, now, onChange }: { n: number; now: Present; onChange: () => void }) {
  const { value: one, error, again } = useLoad(stop => get<Revision>('/api/configuration/history/' + n, stop), [n])
  const runs = n === now.revision
  const compares = rights.value === 'all' && !runs
  const { value: difference, error: incomparable } = useLoad(stop => compares ? call<Difference>('POST', '/api/configuration/diff', { revision: n }, stop) : Promise.resolve(undefined), [n, now.revision, compares])
  if (error !== undefined) return <Failed error={error} again={again} />
  if (!one) return <Skeleton rows={6} />
  const back = () => act({
    verb: 'Roll back to revision ' + n,
    says: 'Revision ' + n + ' takes the place of revision ' + now.revision + ', in the file as well' + (difference ? ': ' + many(difference.changes.length, 'change') : '') + '. Questions that run end under what they began with.',
    run: async () => { await call('POST', '/api/configuration/rollback', { revision: n, base: now.sum }); onChange() },
    done: 'Revision ' + n + ' runs again.', undone: 'Revision ' + now.revision + ' runs again.',
    undo: async () => { await call('POST', '/api/configuration/rollback', { revision: now.revision }); onChange() },
  })
  return (
    <section class="foreseen" aria-label={'Revision ' + n}>
      <h3>Revision {n}</h3>
      {incomparable !== undefined && <Failed error={incomparable} />}
      {difference && <><p class="soft">Against what runs:</p><Changes of={difference} /></>}
      <pre class="plain-text" tabIndex={0} aria-label={'Text of revision ' + n}>{one.text}</pre>
      <div class="row">{!runs && <Button kind="main" onClick={back} off={now.read_only}>Roll back to it</Button>}<Copy text={() => one.text ?? ''}>Copy the text</Copy></div>
    </section>
  )
}
