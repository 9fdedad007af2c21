// Says how the page does with a thousand channels and ten thousand requests, and what ten of it cost the gateway at rest.
// Figures only: they depend on the machine.
import { readFile } from 'node:fs/promises'
import { browse, enter, Gateway, open, over, token } from './kit.js'

const many = Number(process.env.CHANNELS ?? 1000)
const channels = Array.from({ length: many }, (_, i) => `  - {id: channel-${i}, kind: mock, models: [{name: small, upstream: echo}, {name: model-${i % 50}, upstream: echo}], tier: 1, weight: ${1 + (i % 5)}}`).join('\n') + '\n'
const gateway = await Gateway.start({ channels })
const questions = Number(process.env.QUESTIONS ?? 10_000)
let left = questions
await Promise.all([...Array(16)].map(async () => { while (left-- > 0) await gateway.ask('small') }))
console.log(questions + ' questions asked of ' + many + ' channels')

const browser = await browse()
const page = await open(browser)
await enter(page, gateway)

// usable is how long it takes from a reload until a text of the view is there.
async function usable(path, text) {
  await page.goto(gateway.url('/console/' + path), { waitUntil: 'commit' })
  const began = Date.now()
  await page.locator(text).first().waitFor()
  return Date.now() - began
}

// frames scrolls for two seconds, and counts the frames that took longer than two of 60 a second.
const frames = selector => page.evaluate(async selector => {
  const box = selector ? document.querySelector(selector) : document.scrollingElement
  const times = []
  let last = performance.now()
  const end = last + 2000
  while (last < end) {
    await new Promise(requestAnimationFrame)
    const at = performance.now()
    times.push(at - last)
    last = at
    box.scrollTop += 120
  }
  times.sort((a, b) => a - b)
  return { frames: times.length, late: times.filter(t => t > 34).length, p99: Math.round(times[Math.floor(times.length * 0.99)]), scrolled: box.scrollTop }
}, selector)

// busy is how much of the time of a scroll the page's thread was at work, in ms.
const cdp = await page.context().newCDPSession(page)
await cdp.send('Performance.enable')
const work = async () => Object.fromEntries((await cdp.send('Performance.getMetrics')).metrics.map(m => [m.name, m.value * 1000]))
async function scrolled(box) {
  const before = await work()
  const told = await frames(box)
  const after = await work()
  for (const [name, of] of [['script', 'ScriptDuration'], ['layout', 'LayoutDuration'], ['style', 'RecalcStyleDuration'], ['all', 'TaskDuration']]) told[name] = Math.round(after[of] - before[of])
  return JSON.stringify(told)
}

for (const [path, text, box] of [['overview', '.figure'], ['map', '.map .node'], ['channels', '.channel'], ['requests', '.list-row', '.list']]) {
  console.log(path, 'usable after', await usable(path, text), 'ms; scrolling:', await scrolled(box))
}
await over(page)

// ticks is the processor time of the gateway in hundredths of a second.
const ticks = async () => { const f = (await readFile('/proc/' + gateway.process.pid + '/stat', 'utf8')).split(') ')[1].split(' '); return Number(f[11]) + Number(f[12]) }
async function share(seconds) {
  const before = await ticks()
  await new Promise(done => setTimeout(done, seconds * 1000))
  return ((await ticks()) - before) / seconds
}
console.log('the gateway at rest without a console: ' + (await share(20)) + ' % of a core')
const stop = new AbortController()
for (let i = 0; i < 10; i++) {
  const r = await fetch(gateway.url('/api/events?changes=true'), { headers: { Authorization: 'Bearer ' + token }, signal: stop.signal })
  r.body.pipeTo(new WritableStream()).catch(() => {})
}
await share(2)
console.log('with the streams of ten: ' + (await share(20)) + ' % of a core')
stop.abort()
await browser.close()
await gateway.stop()
process.exit(0)
