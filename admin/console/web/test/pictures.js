// Takes a picture of every view, light and dark, of a gateway that is at work: wide ones for docs/console, narrow ones
// beside the binary. WARM is for how many ms it has been at work, VIEWS which views are wanted.
import { mkdir } from 'node:fs/promises'
import { browse, enter, Gateway, open, over } from './kit.js'

const at = path => process.env.PICTURES ?? new URL('../../../../' + path, import.meta.url).pathname
const folders = { 1440: at('docs/console'), 360: at('bin/pictures') }
const only = process.env.VIEWS?.split(',')
for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true })

const gateway = await Gateway.start({ channels: `  - {id: vendor-a, kind: mock, models: [{name: small, upstream: echo-first-40}, {name: large, upstream: long-20-slow-10-first-90}], tier: 1, weight: 3, concurrent: 50}
  - {id: vendor-b, kind: mock, models: [{name: small, upstream: echo-first-80}, {name: large, upstream: long-20-slow-10-first-60}], tier: 1, weight: 2, concurrent: 20}
  - {id: vendor-c, kind: mock, models: [{name: vision, upstream: fail-429-retry-20}], tier: 1, weight: 1}
  - {id: shaky, kind: mock, models: [{name: coder, upstream: fail-503}], tier: 1}
  - {id: own-servers, kind: mock, models: [{name: coder, upstream: echo-first-120}, {name: vision, upstream: echo-first-150}, {name: slow, upstream: long-600-slow-100}], tier: 2, concurrent: 8}
  - {id: old-server, kind: mock, models: [{name: legacy, upstream: long-6-slow-20-errormid-first-200}], tier: 2}
` })
const browser = await browse()
const models = ['small', 'small', 'small', 'large', 'large', 'coder', 'vision', 'legacy']
const fronts = ['openai', 'openai', 'openai', 'anthropic', 'anthropic', 'rest']
let turn = 0
const traffic = setInterval(() => {
  turn++
  const busy = 3 + Math.round(2.5 * Math.sin(turn / 60))
  for (let i = 0; i < busy; i++) {
    const front = fronts[(turn + i) % fronts.length]
    if (front === 'rest') gateway.ask('default', 'hello', undefined, front).catch(() => {})
    else gateway.ask(models[(turn * 3 + i) % models.length], 'hello', undefined, front).catch(() => {})
  }
}, 250)
const streams = [...Array(3)].map(() => gateway.ask('slow').catch(() => {}))
await new Promise(done => setTimeout(done, Number(process.env.WARM ?? 20_000)))

const page = await open(browser)
await enter(page, gateway)
const views = (await Promise.all((await page.getByRole('navigation').getByRole('link').all()).map(l => l.getAttribute('href')))).map(h => h.split('/').pop())
await over(page)
await gateway.write(gateway.text.replace('requests: 3/h', 'requests: 5/h'))
await gateway.api('POST', '/api/reload')
// requestsOf are two requests that are remembered still: one that took several attempts, and one whose caller is captured.
async function requestsOf() {
  const failed = await gateway.api('GET', '/api/exchanges?model=coder&limit=200')
  const told = failed.exchanges.find(e => e.attempts > 1) ?? failed.exchanges[0]
  await gateway.api('POST', '/api/captures', { caller: 'carol', seconds: 3600 })
  await gateway.ask('coder', 'What is a dragoman?', 'sk-carol-for-tests-only', 'anthropic')
  const kept = (await gateway.api('GET', '/api/captures')).exchanges[0]
  await gateway.api('DELETE', '/api/captures/carol')
  return { 'requests-detail': 'requests?model=coder&of=alice&id=' + told.id, 'requests-forms': `requests?of=carol&id=${kept.id}&forms=${kept.at}` }
}
// acts are what one does in a view before its picture is taken.
const acts = {
  playground: async page => {
    await page.locator('#filter-right').selectOption('front:chatnio')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.getByRole('region', { name: 'Answer of chatnio' }).getByRole('list').waitFor()
  },
  conversations: async page => {
    await page.getByRole('region', { name: 'Conversations of the caller' }).getByRole('button').first().click()
    await page.getByRole('button', { name: 'Read it' }).click()
    await page.getByRole('list', { name: 'Messages' }).waitFor()
  },
  configuration: async page => {
    const editor = page.getByLabel('Configuration', { exact: true })
    await editor.fill((await editor.inputValue()).replace('weight: 2', 'wait: 2'))
    await page.getByRole('list', { name: 'Problems' }).waitFor()
  },
}
const shots = { ...Object.fromEntries(views.map(v => [v, v])), 'channels-failures': 'channels?channel=shaky&open=shaky&panel=failures', playground: 'playground?left=front:anthropic&model=coder', conversations: 'conversations?caller=alice' }
for (const [scheme, width, height] of [['light', 1440, 900], ['dark', 1440, 900], ['light', 360, 760], ['dark', 360, 760]]) {
  const page = await open(browser, { viewport: { width, height }, colorScheme: scheme })
  await enter(page, gateway)
  for (const [name, path] of Object.entries({ ...await requestsOf(), ...shots })) {
    if (only && !only.some(o => name.startsWith(o))) continue
    await page.goto(gateway.url('/console/' + path))
    await page.getByText('live', { exact: true }).waitFor()
    await acts[name]?.(page)
    await page.waitForTimeout(2500)
    await page.screenshot({ path: `${folders[width]}/${name}-${scheme}${width < 1000 ? '-narrow' : ''}.png` })
  }
  console.log(scheme, width, page.wrong)
  await over(page)
}
clearInterval(traffic)
await browser.close()
await gateway.stop()
await Promise.all(streams)
process.exit(0)
