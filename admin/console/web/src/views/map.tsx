import { sankey, sankeyLinkHorizontal, type SankeyLink, type SankeyNode } from 'd3-sankey'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { View } from '../views'
import { get, query, type Flow, type Traffic } from '../api'
import { channels, traffic } from '../live'
import { message } from '../parts/act'
import { Behind, Card, Choice, Empty, Skeleton } from '../parts/shown'
import { stateOf } from '../parts/state'
import { address, param } from '../route'
import { digits, many, percent } from '../words'

const most = 14 // nodes of a column; the others are one
const others = 'others'

interface Node { id: string; name: string; column: number; state: string; href: string }
interface Link { source: string; target: string; value: number; bad: number }
type Placed = SankeyNode<Node, Link>

function TrafficMap() {
  const minutes = param('minutes')
  const [got, error] = useTraffic(minutes)
  const links = got?.links ?? []
  const total = links.reduce((n, l) => n + weight(l), 0)
  return (
    <>
      <div class="filters"><Choice name="minutes" label="Of the last" values={[['', '5 minutes'], ['1', 'minute'], ['15', '15 minutes']]} /></div>
      <Card label="Traffic map">
        <p class="soft">{many(total, 'question')}, those that run included. The width is their share, the colour of a channel its state. Choose a part to see its questions.</p>
        {error ? <Empty>{error}</Empty> : !got ? <Skeleton rows={5} /> : links.length === 0 ? <Empty>No question came in that time. The next one is drawn here.</Empty> : <Drawing list={links} total={total} />}
      </Card>
    </>
  )
}

// useTraffic is that of the stream, which is of five minutes, or asked for every five seconds.
function useTraffic(minutes: string): [Traffic | null, string] {
  const [asked, setAsked] = useState<[Traffic | null, string]>([null, ''])
  useEffect(() => {
    if (!minutes && traffic.value) return
    const stop = new AbortController()
    const ask = () => get<Traffic>('/api/traffic' + query({ minutes }), stop.signal).then(t => setAsked([t, '']), err => { if (!stop.signal.aborted) setAsked(was => was[0] ? was : [null, message(err)]) })
    void ask()
    const clock = setInterval(ask, 5000)
    return () => { stop.abort(); clearInterval(clock) }
  }, [minutes])
  return minutes ? asked : [traffic.value ?? asked[0], traffic.value ? '' : asked[1]]
}

const weight = (l: Flow): number => l.questions + l.running

const nowhere = 'no channel'
const columns: ((e: Flow) => string)[] = [e => e.front, e => e.model, e => e.channel || nowhere]
const filters = ['front', 'model', 'channel']

// graph counts questions from column to column; what is beyond the largest of a column is one node.
function graph(list: Flow[]): { nodes: Node[]; links: Link[] } {
  const kept = columns.map(of => {
    const n = new Map<string, number>()
    for (const e of list) n.set(of(e), (n.get(of(e)) ?? 0) + weight(e))
    const names = [...n].sort((a, b) => b[1] - a[1]).map(([name]) => name)
    return new Set(names.length > most ? names.slice(0, most - 1) : names)
  })
  const states = new Map((channels.value ?? []).map(c => [c.id, stateOf(c)]))
  const nodes = new Map<string, Node>()
  const links = new Map<string, Link>()
  const node = (column: number, e: Flow): string => {
    const own = columns[column]!(e)
    const name = kept[column]!.has(own) ? own : others
    const id = column + ' ' + name
    if (!nodes.has(id)) nodes.set(id, { id, name, column, state: column === 2 ? states.get(name) ?? (name === others || states.size === 0 ? 'none' : 'gone') : 'none', href: address('requests', name === others || name === nowhere ? {} : { [filters[column]!]: name }) })
    return id
  }
  for (const e of list) {
    for (const column of [0, 1]) {
      const source = node(column, e), target = node(column + 1, e)
      const key = source + '\n' + target
      const l = links.get(key) ?? { source, target, value: 0, bad: 0 }
      l.value += weight(e)
      l.bad += e.failed
      links.set(key, l)
    }
  }
  return { nodes: [...nodes.values()], links: [...links.values()] }
}

const order = (a: Placed, b: Placed) => (a.name < b.name ? -1 : 1) // so that nodes keep their places while shares change

function Drawing({ list, total }: { list: Flow[]; total: number }) {
  const box = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const grown = new ResizeObserver(([e]) => setWidth(Math.floor(e!.contentRect.width)))
    grown.observe(box.current!)
    return () => grown.disconnect()
  }, [])
  const { nodes, links } = graph(list)
  const tallest = Math.max(...[0, 1, 2].map(c => nodes.filter(n => n.column === c).length))
  const height = Math.max(width < 560 ? 240 : 380, tallest * (width < 560 ? 48 : 56))
  const rows = links.map(l => [l.source.slice(2), l.target.slice(2), digits(l.value), percent(l.value / total), digits(l.bad)])
  return (
    <>
      <div ref={box} class="map">{width > 0 && <Sankey nodes={nodes} links={links} width={width} height={height} total={total} />}</div>
      <Behind title="The map as a table" head={['From', 'To', 'Questions', 'Share', 'Failed']} rows={rows} />
    </>
  )
}

function Sankey({ nodes, links, width, height, total }: { nodes: Node[]; links: Link[]; width: number; height: number; total: number }) {
  const small = width < 560
  const made = sankey<Node, Link>().nodeId(n => n.id).nodeWidth(small ? 8 : 12).nodePadding(26).nodeSort(order).nodeAlign(n => n.column)
    .extent([[1, 18], [width - 1, height - 6]])({ nodes: nodes.map(n => ({ ...n })), links: links.map(l => ({ ...l })) })
  const path = sankeyLinkHorizontal<Node, Link>()
  const end = (l: SankeyLink<Node, Link>, of: 'source' | 'target') => l[of] as Placed
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label="Traffic from fronts over models to channels">
      {made.links.map(l => {
        const s = end(l, 'source'), t = end(l, 'target')
        return <a key={s.id + t.id} href={t.column === 2 ? address('requests', { model: s.name === others ? '' : s.name, channel: t.name === others || t.name === nowhere ? '' : t.name }) : address('requests', { front: s.name, model: t.name === others ? '' : t.name })}>
          <path class={'flow ' + t.state} d={path(l) ?? ''} stroke-width={Math.max(1.5, l.width ?? 0)}><title>{s.name} → {t.name}: {many(l.value, 'question')}, {l.bad} failed</title></path>
        </a>
      })}
      {made.nodes.map(n => {
        const right = n.column === 2
        const middle = n.column === 1
        const x = right ? n.x1! : n.x0!
        const name = clip(n.name, small ? 11 : 40), share = percent((n.value ?? 0) / total)
        return <a key={n.id} href={n.href} aria-label={name + ' ' + share + (name === n.name ? '' : ', ' + n.name) + ': ' + many(n.value ?? 0, 'question')}>
          <rect class={'node ' + n.state} x={n.x0} y={n.y0} width={n.x1! - n.x0!} height={Math.max(2, n.y1! - n.y0!)} />
          <text x={middle ? (n.x0! + n.x1!) / 2 : x} y={n.y0! - 6} text-anchor={right ? 'end' : middle ? 'middle' : 'start'}>{name}{!small && <tspan class="share"> {share}</tspan>}</text>
        </a>
      })}
    </svg>
  )
}

const clip = (text: string, most: number): string => text.length > most ? text.slice(0, most - 1) + '…' : text

export const map: View = { name: 'map', title: 'Traffic map', icon: 'M3 6h4c5 0 5 12 10 12h4M3 18h4c5 0 5-12 10-12h4', Show: TrafficMap }
