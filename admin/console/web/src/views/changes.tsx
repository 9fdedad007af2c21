// What a configuration would change of the one that runs.
export interface Change { path: string; line?: number; kind: string; was?: string; is?: string; restart: boolean }
export interface Difference { changes: Change[]; restart: string[] }

export function Changes({ of, onGo }: { of: Difference; onGo?: (line: number) => void }) {
  if (of.changes.length === 0) return <p class="soft">It changes nothing of what runs.</p>
  return (
    <div class="wide tall" tabIndex={0} role="region" aria-label="Changes">
      <table class="changes">
        <thead><tr><th scope="col">Where</th><th scope="col">How</th><th scope="col">Was</th><th scope="col">Is</th><th scope="col">Counts</th></tr></thead>
        <tbody>{of.changes.map(c => (
          <tr key={c.path + c.kind}>
            <th scope="row">{c.path}{c.line && onGo ? <> <button type="button" class="button bare" onClick={() => onGo(c.line!)}>line {c.line}</button></> : c.line ? <span class="soft"> line {c.line}</span> : null}</th>
            <td>{c.kind}</td><td><span class="was">{c.was}</span></td><td>{c.is}</td><td>{c.restart ? 'after a restart' : 'at once'}</td>
          </tr>
        ))}</tbody>
      </table>
    </div>
  )
}
