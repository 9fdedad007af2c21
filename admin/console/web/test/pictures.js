// Takes a picture of every view, light and dark, wide and narrow, of a gateway that is at work.
import { mkdir } from 'node:fs/promises'
import { browse, enter, Gateway, open, over } from './kit.js'

const out = process.env.PICTURES ?? new URL('../../../../bin/pictures', import.meta.url).pathname
const only = process.env.VIEWS?.split(',')
await mkdir(out, { recursive: true })

const gateway = await Gateway.start({ channels: `  - {id: vendor-a, kind: mock, models: [{name: small, upstream: echo-first-40}, {name: large, upstream: long-20-slow-10-first-90}], tier: 1, weight: 3, concurrent: 50}
  - {id: vendor-b, kind: mock, models: [{name: small, upstream: echo-first-80}, {name: large, upstream: long-20-slow-10-first-60}], tier: 1, weight: 2, concurrent: 20}
  - {id: vendor-c, kind: mock, models: [{name: vision, upstream: fail-429-retry-20}], tier: 1, weight: 1}
  - {id: shaky, kind: mock, models: [{name: coder, upstream: fail-503}], tier: 1}
  - {id: own-servers, kind: mock, models: [{name: coder, upstream: echo-first-120}, {name: vision, upstream: echo-first-150}, {name: slow, upstream: long-600-slow-100}], tier: 2, concurrent: 8}
` })
const browser = await browse()
const models = ['small', 'small', 'small', 'large', 'large', 'coder', 'vision', 'unknown-model']
const ask = () => Promise.all(models.map(m => gateway.ask(m).catch(() => {})))
const traffic = setInterval(ask, 250)
const streams = [...Array(3)].map(() => gateway.ask('slow').catch(() => {}))
await new Promise(done => setTimeout(done, Number(process.env.WARM ?? 20_000)))

const page = await open(browser)
await enter(page, gateway)
const views = (await Promise.all((await page.getByRole('navigation').getByRole('link').all()).map(l => l.getAttribute('href')))).map(h => h.split('/').pop())
await over(page)
const failed = await gateway.api('GET', '/api/exchanges?model=coder&limit=50')
const told = failed.exchanges.find(e => e.attempts > 1) ?? failed.exchanges[0]
const extra = { 'requests-detail': 'requests?model=coder&of=alice&id=' + told.id, 'channels-failures': 'channels?channel=shaky&open=shaky&panel=failures' }
const shots = { ...Object.fromEntries(views.map(v => [v, v])), ...extra }
for (const [scheme, width, height] of [['light', 1440, 900], ['dark', 1440, 900], ['light', 360, 760], ['dark', 360, 760]]) {
  const page = await open(browser, { viewport: { width, height }, colorScheme: scheme })
  await enter(page, gateway)
  for (const [name, path] of Object.entries(shots)) {
    if (only && !only.some(o => name.startsWith(o))) continue
    await page.goto(gateway.url('/console/' + path))
    await page.getByText('live', { exact: true }).waitFor()
    await page.waitForTimeout(2500)
    await page.screenshot({ path: `${out}/${name}-${scheme}-${width}.png` })
  }
  console.log(scheme, width, page.wrong)
  await over(page)
}
clearInterval(traffic)
await browser.close()
await gateway.stop()
await Promise.all(streams)
process.exit(0)
