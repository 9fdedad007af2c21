// Who is connected by a socket, and what was said: conversations of a caller, whichever protocol wrote them.
import { useState } from 'preact/hooks'
import type { View } from '../views'
import { call, get, part, query } from '../api'
import { act, Button } from '../parts/act'
import { Ago, Card, Empty, Failed, Filter, Skeleton, useLoad } from '../parts/shown'
import { address, param, setParams } from '../route'
import { clock, digits, exact, many } from '../words'
import { OpenSockets } from './sockets'
import '../styles/conversations.css'

interface Conversation { id: string; number: number; user: string; group: string; model: string; messages: number; created: string; updated: string }
interface Said { id: string; model: string; skipped: number; messages: { role: string; text: string; parts: number; at: string; said: boolean }[] | null }

const page = 50

function Conversations() {
  return <><OpenSockets /><OfOne /></>
}

// OfOne are the conversations of one caller: the gateway has no list of all.
function OfOne() {
  const caller = param('caller'), from = Math.max(0, Number(param('from')) || 0), id = param('conversation')
  const { value: callers } = useLoad(stop => get<{ callers: { name: string }[] | null }>('/api/callers', stop).catch(() => ({ callers: [] })), [])
  const { value: keys } = useLoad(stop => get<{ keys: { name: string }[] | null }>('/api/keys', stop), [])
  const names = [...new Set([...(callers?.callers ?? []), ...(keys?.keys ?? [])].map(c => c.name).filter(Boolean))].sort()
  const { value: all, error, again } = useLoad(stop => caller ? get<{ conversations: Conversation[] | null; total: number }>('/api/conversations' + query({ caller, limit: page, offset: from }), stop) : Promise.resolve(undefined), [caller, from])
  const list = all?.conversations ?? []
  return (
    <div class={'split' + (id ? ' open' : '')}>
      <Card title="Conversations" more={all && <span class="soft">{many(all.total, 'conversation')} of {caller}</span>}>
        <div class="filters"><Filter name="caller" label="Caller" list={names} /></div>
        {error !== undefined && <Failed error={error} again={again} />}
        {!caller ? <Empty>Conversations belong to callers: choose one.{names.length > 0 && <> There are {names.slice(0, 8).map((n, i) => <>{i > 0 && ', '}<a key={n} href={address('conversations', { caller: n })}>{n}</a></>)}.</>}</Empty>
          : !all ? error === undefined && <Skeleton rows={4} /> : list.length === 0 ? <Empty>{from > 0 ? 'There are no more.' : 'This caller has no conversation that is stored.'}</Empty>
          : <Table list={list} chosen={id} />}
        {all && (from > 0 || from + list.length < all.total) && <div class="row pages">
          <button type="button" class="button" disabled={from === 0} onClick={() => setParams({ from: from > page ? String(from - page) : '' })}>Newer</button>
          <span class="soft">{from + 1} to {from + list.length} of {all.total.toLocaleString('en')}</span>
          <button type="button" class="button" disabled={from + list.length >= all.total} onClick={() => setParams({ from: String(from + page) })}>Older</button>
        </div>}
      </Card>
      {id && caller && <One key={caller + ' ' + id} caller={caller} id={id} known={list.find(c => c.id === id)} onChange={again} />}
    </div>
  )
}

function Table({ list, chosen }: { list: Conversation[]; chosen: string }) {
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Conversations of the caller">
      <table class="conversations">
        <thead><tr><th scope="col">Conversation</th><th scope="col">User</th><th scope="col">Group</th><th scope="col">Model</th><th scope="col" class="n">Messages</th><th scope="col">Changed</th></tr></thead>
        <tbody>{list.map(c => (
          <tr key={c.id} class={c.id === chosen ? 'chosen' : undefined}>
            <th scope="row"><button type="button" class="button bare name" aria-expanded={c.id === chosen} onClick={() => setParams({ conversation: c.id === chosen ? '' : c.id })}>{c.number > 0 ? 'No. ' + c.number : c.id}</button></th>
            <td>{c.user}</td><td>{c.group}</td><td><a href={address('requests', { model: c.model })}>{c.model}</a></td><td class="n">{digits(c.messages)}</td><td><Ago at={Date.parse(c.updated)} /></td>
          </tr>
        ))}</tbody>
      </table>
    </div>
  )
}

// One is a conversation. What was said in it is asked for only when somebody says so, since each reading is logged.
function One({ caller, id, known, onChange }: { caller: string; id: string; known: Conversation | undefined; onChange: () => void }) {
  const [said, setSaid] = useState<{ value?: Said; error?: unknown }>({})
  const path = (verb = '') => '/api/conversations/' + part(id) + verb + query({ caller })
  const read = () => { get<Said>(path()).then(value => setSaid({ value }), error => setSaid({ error })) }
  const clear = () => act({
    verb: 'Clear the conversation', says: 'All that was said in it is removed; ' + caller + ' keeps the conversation, empty. The next question in it begins anew. It cannot be undone.',
    run: async () => { await call('POST', path('/clear')); setSaid({}); onChange() }, done: 'The conversation is empty.',
  })
  const remove = () => act({
    verb: 'Delete the conversation', says: 'The conversation and all that was said in it are removed. Its client finds it no more. It cannot be undone.',
    run: async () => { await call('DELETE', path()); setParams({ conversation: '' }, false); onChange() }, done: 'The conversation is deleted.',
  })
  return (
    <section class="card detail" aria-label="Conversation">
      <header><h2 class="clip" title={id}>{known && known.number > 0 ? 'No. ' + known.number : id}</h2><button type="button" class="button bare" aria-label="Put the conversation away" onClick={() => setParams({ conversation: '' })}>×</button></header>
      <dl class="facts">
        <div><dt>Id</dt><dd><code>{id}</code></dd></div>
        <div><dt>Caller</dt><dd><a href={address('requests', { caller })}>{caller}</a></dd></div>
        {known && <><div><dt>Begun</dt><dd><Ago at={Date.parse(known.created)} /></dd></div><div><dt>Messages</dt><dd>{digits(known.messages)}</dd></div></>}
      </dl>
      <div class="row"><Button kind="main" onClick={read}>{said.value ? 'Read it again' : 'Read it'}</Button><Button onClick={clear}>Clear</Button><Button kind="grave" onClick={remove}>Delete</Button></div>
      {!said.value && <p class="hint">The log says that somebody has read it, and from which address.</p>}
      {said.error !== undefined && <Failed error={said.error} />}
      {said.value && <Messages of={said.value} />}
    </section>
  )
}

function Messages({ of }: { of: Said }) {
  const list = of.messages ?? []
  if (list.length === 0) return <Empty>Nothing is said in it.</Empty>
  return (
    <>
      {of.skipped > 0 && <p class="hint">{many(of.skipped, 'earlier message')} {of.skipped === 1 ? 'is' : 'are'} not shown.</p>}
      <ol class="messages" aria-label="Messages">{list.map((m, i) => (
        <li key={i} class={m.role}>
          <p class="who"><span>{m.role}</span><time class="soft" dateTime={m.at} title={exact(Date.parse(m.at))}>{clock(Date.parse(m.at))}</time></p>
          {m.text && <p class="text">{m.text}</p>}
          {m.parts > 0 && <p class="soft">{many(m.parts, 'part')} that {m.parts === 1 ? 'is' : 'are'} no text: images, calls or others.</p>}
          {!m.said && <p class="soft">Told to no model: it failed, was broken off, or another answer took its place.</p>}
        </li>
      ))}</ol>
    </>
  )
}

export const conversations: View = { name: 'conversations', title: 'Conversations', icon: 'M4 5h16v10H10l-4 4v-4H4ZM8 9h8M8 12h5', Show: Conversations }
