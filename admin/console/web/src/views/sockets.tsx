// The sockets that clients hold open, and how to close one.
import { call, get, part, query } from '../api'
import { act, Button } from '../parts/act'
import { usePoll } from '../parts/poll'
import { Ago, Card, Choice, Empty, Failed, Filter, Skeleton, useLoad } from '../parts/shown'
import { address, param } from '../route'
import { many } from '../words'

interface Socket {
  id: string; request: string; front: string; caller: string; address: string; since: string
  turns: number; queued: number; heard: string; ping: string
}
interface Sockets { sockets: Socket[] | null; total: number; counts: { front: string; caller: string; open: number }[] | null }

const most = 200

export function OpenSockets() {
  const front = param('front'), caller = param('socket_caller')
  const { value: all, error, again } = useLoad(stop => get<Sockets>('/api/sockets' + query({ front, caller, limit: most }), stop), [front, caller])
  usePoll(again, 2000)
  const counts = all?.counts ?? []
  const fronts = [...new Set([...counts.map(c => c.front), ...(front ? [front] : [])])].sort()
  const open = counts.reduce((n, c) => n + c.open, 0)
  return (
    <Card title="Open sockets" more={all && <span class="soft">{many(open, 'socket')}{counts.length > 1 && ' of ' + many(counts.length, 'caller') + ' and fronts'}</span>}>
      {(open > 0 || front || caller) && <div class="filters">
        <Choice name="front" label="Front" values={[['', 'any'], ...fronts.map((f): [string, string] => [f, f])]} />
        <Filter name="socket_caller" label="Caller of the socket" list={[...new Set(counts.map(c => c.caller))].filter(Boolean).sort()} />
      </div>}
      {error !== undefined && <Failed error={error} again={again} />}
      {!all ? error === undefined && <Skeleton rows={3} /> : !all.sockets?.length ? <Empty>{open === 0 ? 'No client has a socket open. Those of chatnio, iagent and the Responses API stand here.' : 'No socket fits.'}</Empty> : <>
        <Table list={all.sockets} onChange={again} />
        {all.total > all.sockets.length && <p class="soft">The oldest {all.sockets.length} of {many(all.total, 'socket')}. Filter by caller to see others.</p>}
      </>}
    </Card>
  )
}

const never = (at: string) => Date.parse(at) <= 0 || at.startsWith('0001')

function Table({ list, onChange }: { list: Socket[]; onChange: () => void }) {
  const close = (s: Socket) => act({
    verb: 'Close the socket', done: 'The socket is closed.',
    says: 'The socket of ' + (s.caller || 'a client that has not signed in') + ' on ' + s.front + ' is closed. '
      + (s.turns > 0 ? many(s.turns, 'answer') + ' that ' + (s.turns === 1 ? 'runs' : 'run') + ' on it ' + (s.turns === 1 ? 'ends' : 'end') + ' as if the client had left. ' : '')
      + 'Most clients connect again by themselves. It cannot be undone.',
    run: async () => { await call('POST', '/api/sockets/' + part(s.id) + '/close'); onChange() },
  })
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Sockets">
      <table class="sockets">
        <thead><tr><th scope="col">Caller</th><th scope="col">Front</th><th scope="col">From</th><th scope="col">Open since</th><th scope="col" class="n">Turns in flight</th><th scope="col" class="n">Queued</th><th scope="col">Heard</th><th scope="col">Last pong</th><th scope="col">Act</th></tr></thead>
        <tbody>{list.map(s => (
          <tr key={s.id}>
            <th scope="row">{s.caller ? <a href={address('requests', { caller: s.caller, front: s.front })}>{s.caller}</a> : <span class="soft">not signed in</span>}</th>
            <td>{s.front}</td><td>{s.address}</td><td><Ago at={Date.parse(s.since)} /></td><td class="n">{s.turns}</td><td class="n">{s.queued}</td>
            <td><Ago at={Date.parse(s.heard)} /></td><td>{never(s.ping) ? <span class="soft">not yet</span> : <Ago at={Date.parse(s.ping)} />}</td>
            <td><Button onClick={() => close(s)} label={'Close the socket of ' + (s.caller || 'a client that has not signed in') + ' on ' + s.front}>Close</Button></td>
          </tr>
        ))}</tbody>
      </table>
    </div>
  )
}
