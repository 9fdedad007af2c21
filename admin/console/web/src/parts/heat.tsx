// How long something took over time: each column is a stretch of it, each cell how many took so long, darker the more.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Point } from '../api'
import { many, took } from '../words'

interface Props { label: string; times: number[]; step: number; points: (Point | undefined)[]; height?: number }

const left = 64, bottom = 30, top = 8 // pixels beside the cells
const decades = [0.01, 0.1, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000] // ms

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

// range are whole decades around all that is shown, so that the axis stays while values move within.
function range(points: (Point | undefined)[]): [number, number] {
  const all = points.flatMap(p => p?.first_spread ?? [])
  if (all.length === 0) return [10, 1000]
  const low = Math.max(Math.min(...all.map(s => s.from_ms)), 0.01), high = Math.max(...all.map(s => s.to_ms))
  const from = [...decades].reverse().find(d => d <= low) ?? 0.01
  return [from, decades.find(d => d >= high && d > from) ?? 1_000_000]
}

export function Heat({ label, times, step, points, height = 190 }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const [at, setAt] = useState<number | null>(null)
  const [, repaint] = useState(0)
  useEffect(() => {
    const again = () => repaint(n => n + 1)
    const grown = new ResizeObserver(again)
    grown.observe(canvas.current!)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', again)
    return () => { grown.disconnect(); dark.removeEventListener('change', again) }
  }, [])
  useEffect(() => { if (canvas.current) draw(canvas.current, height, times, step, points) })
  const move = (e: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect()
    const i = Math.floor((e.clientX - box.left - left) / Math.max(box.width - left, 1) * times.length)
    setAt(i >= 0 && i < times.length ? i : null)
  }
  const p = at === null ? undefined : points[at]
  return (
    <div class="heat">
      <canvas ref={canvas} height={height} role="img" aria-label={label} onPointerMove={move} onPointerLeave={() => setAt(null)} />
      <p class="soft">{at === null ? <><span class="key median" /> median <span class="key p99" /> p99 <span class="key few" /><span class="key more" /> few to many answers</>
        : <>{new Date(times[at]! * 1000).toLocaleTimeString('en-GB')} {p?.first_spread?.length ? many(p.first_spread.reduce((n, s) => n + s.count, 0), 'answer') + ', median ' + took(p.first_ms.p50) + ', p99 ' + took(p.first_ms.p99) : 'no answer began'}</>}</p>
    </div>
  )
}

function draw(el: HTMLCanvasElement, height: number, times: number[], step: number, points: (Point | undefined)[]): void {
  const ratio = devicePixelRatio || 1, width = el.clientWidth
  el.width = width * ratio
  el.height = height * ratio
  const c = el.getContext('2d')!
  c.scale(ratio, ratio)
  const [low, high] = range(points)
  const size = height - bottom - top, each = (width - left) / times.length
  const y = (ms: number) => top + size * (1 - Math.log(Math.min(Math.max(ms, low), high) / low) / Math.log(high / low))
  c.font = '11px system-ui'
  c.lineWidth = 1
  c.textAlign = 'right'
  c.textBaseline = 'middle'
  for (const d of decades.filter(d => d >= low && d <= high)) {
    c.strokeStyle = colour('--line')
    c.beginPath()
    c.moveTo(left, Math.round(y(d)) + 0.5)
    c.lineTo(width, Math.round(y(d)) + 0.5)
    c.stroke()
    c.fillStyle = colour('--soft')
    c.fillText(took(d), left - 8, y(d))
  }
  c.textAlign = 'center'
  const every = step * Math.ceil(60 / Math.max(each, 0.1)) <= 300 ? 300 : 600
  for (const [i, t] of times.entries()) {
    if (t % every !== 0) continue
    const x = left + i * each
    if (x > left + 12 && x < width - 18) c.fillText(new Date(t * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' }), x, height - bottom / 2)
  }
  const most = Math.max(1, ...points.flatMap(p => (p?.first_spread ?? []).map(s => s.count)))
  c.fillStyle = colour('--accent')
  points.forEach((p, i) => {
    for (const s of p?.first_spread ?? []) {
      c.globalAlpha = 0.16 + 0.64 * Math.sqrt(s.count / most)
      const from = y(s.to_ms)
      c.fillRect(left + i * each, from, Math.max(each - 0.5, 1), Math.max(y(s.from_ms) - from - 0.5, 1))
    }
  })
  c.globalAlpha = 1
  mark(c, points.map(p => p?.first_ms.p50 ?? 0), '--ink', [], i => left + (i + 0.5) * each, y)
  mark(c, points.map(p => p?.first_ms.p99 ?? 0), '--soft', [3, 3], i => left + (i + 0.5) * each, y)
}

// mark draws a line through values, broken where there are none.
function mark(c: CanvasRenderingContext2D, values: number[], name: string, dash: number[], x: (i: number) => number, y: (ms: number) => number): void {
  c.strokeStyle = colour(name)
  c.lineWidth = 1.5
  c.setLineDash(dash)
  c.beginPath()
  let drawing = false
  values.forEach((v, i) => {
    if (!(v > 0)) { drawing = false; return }
    if (drawing) c.lineTo(x(i), y(v))
    else { c.moveTo(x(i) - 1, y(v)); c.lineTo(x(i), y(v)) }
    drawing = true
  })
  c.stroke()
  c.setLineDash([])
}
