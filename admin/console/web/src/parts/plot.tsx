// A chart over time, drawn by uPlot. Its colours are those of the page, also when the theme changes.
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'

export interface Line { name: string; colour: string; fill?: boolean; bars?: boolean }

interface Props { label: string; data: (number | null)[][]; lines: Line[]; value: (n: number) => string; height?: number }

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

export function Plot({ label, data, lines, value, height = 190 }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  useEffect(() => {
    const el = box.current!
    const draw = () => {
      plot.current?.destroy()
      plot.current = new uPlot(options(el.clientWidth, height, lines, value), data as uPlot.AlignedData, el)
    }
    draw()
    const grown = new ResizeObserver(() => plot.current?.setSize({ width: el.clientWidth, height }))
    grown.observe(el)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', draw)
    return () => { grown.disconnect(); dark.removeEventListener('change', draw); plot.current?.destroy() }
  }, [])
  useEffect(() => { plot.current?.setData(data as uPlot.AlignedData) }, [data])
  return <div ref={box} class="plot" role="img" aria-label={label} />
}

function options(width: number, height: number, lines: Line[], value: (n: number) => string): uPlot.Options {
  const axis = { stroke: colour('--soft'), font: '11px system-ui', grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } }
  const spread = uPlot.paths.bars!({ size: [0.8, 14] })
  return {
    width, height,
    cursor: { y: false, points: { size: 6 } },
    legend: { live: true },
    scales: { y: { range: (_u, _min, max) => [0, top(max)] } },
    axes: [
      { ...axis, space: 70, size: 30, values: (_u, at) => at.map(t => new Date(t * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })) },
      { ...axis, size: 64, values: (_u, at) => at.map(value) },
    ],
    series: [
      { value: (_u, t) => t == null ? '' : new Date(t * 1000).toLocaleTimeString('en-GB') },
      ...lines.map((l): uPlot.Series => ({
        label: l.name, stroke: colour(l.colour), width: 1.5, spanGaps: false, points: { show: !l.bars, size: 3 },
        value: (_u, n) => n == null ? '–' : value(n),
        ...(l.bars && { paths: spread, fill: colour(l.colour), width: 0 }),
      })),
    ],
  }
}

// top is the next of 1, 2 and 5 times a power of ten, so that the axis stays where it is while values move within.
function top(max: number | null): number {
  if (!max || !(max > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(max))
  return [1, 2, 5, 10].map(n => n * power).find(n => n >= max)!
}
