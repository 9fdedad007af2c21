// What nobody should send, and a page that stands it: very many rows, very long texts, and no mouse.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, markup, open, over, token } from './kit.js'

let gateway, browser
before(async () => {
  [gateway, browser] = await Promise.all([Gateway.start(), browse()])
  for (const model of ['small', 'large']) assert.equal(await gateway.ask(model), 200)
})
after(async () => { await browser?.close(); await gateway?.stop() })

test('ten thousand rows are scrolled and filtered, and few of them are drawn', async () => {
  const page = await open(browser)
  const began = Date.now() - 3_600_000
  const exchanges = Array.from({ length: 10_000 }, (_, i) => ({
    cursor: 1_000_000 + i, id: 'req_' + i, at: new Date(began + i * 10).toISOString(), front: 'openai', caller: i % 100 ? 'alice' : markup, model: 'model-' + (i % 7),
    state: 'done', outcome: i % 50 ? 'ok' : 'MODEL_ERROR', message: '', channel: 'vendor-a', attempts: 1, first_ms: 5, took_ms: 9,
  })).reverse()
  await page.route('**/api/exchanges?limit=1000', r => r.fulfill({ json: { exchanges, next: 0 } }))
  await enter(page, gateway, '/console/requests')
  await page.getByText('10,000 questions', { exact: true }).waitFor()
  const list = page.locator('.list')
  assert.ok(await list.getByRole('button').count() < 100, 'only what is seen is drawn')
  await list.evaluate(box => { box.scrollTop = box.scrollHeight })
  await list.getByRole('button').filter({ hasText: 'model-' }).last().waitFor()
  assert.ok(await list.getByRole('button').count() < 100)
  assert.match(await list.getByRole('button').last().innerText(), /model-0/, 'the oldest is at the end')
  await list.evaluate(box => { box.scrollTop = 0 })
  await page.getByLabel('Outcome').selectOption('failed')
  await page.getByText('200 questions', { exact: true }).waitFor()
  await page.getByLabel('Caller', { exact: true }).fill('onerror')
  await page.getByText('100 questions', { exact: true }).waitFor()
  assert.equal(await page.locator('img, main b').count(), 0)
  await over(page)
})

test('a request with the text of two hundred attempts is read, also on a phone', async () => {
  const { exchanges } = await gateway.api('GET', '/api/exchanges?limit=1')
  const real = await gateway.api('GET', '/api/explain/' + exchanges[0].id)
  const long = markup + ' ' + 'a-word-without-an-end'.repeat(150) + ' ' + 'many words of a back end '.repeat(100)
  const attempts = Array.from({ length: 200 }, (_, i) => ({ ...real.attempts[0], channel: markup + i, model: long, by: 'p2c', among: 3, result: i === 199 ? 'ok' : 'broken', message: long, began_ms: i * 3, connect_ms: 1, open_ms: 2, first_ms: 1 }))
  for (const width of [1440, 360]) {
    const page = await open(browser, { viewport: { width, height: 760 } })
    await page.route('**/api/explain/**', r => r.fulfill({ json: { ...real, attempts, ledger: { ...real.ledger, total_ms: 610, stream_ms: 4 } } }))
    await enter(page, gateway, '/console/requests?of=alice&id=' + real.id)
    const detail = page.getByRole('region', { name: 'Request', exact: true })
    await detail.getByText('200. ' + markup + '199: first content').first().waitFor()
    assert.equal(await detail.locator('.trail > li').count(), 200)
    assert.equal(await page.locator('img, main b').count(), 0)
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
    assert.ok(wide <= room, `${wide} pixels wide, there are ${room}`)
    const [inner, box] = await detail.evaluate(e => [e.scrollWidth, e.clientWidth])
    assert.ok(inner <= box, `the detail is ${inner} pixels wide, there are ${box}`)
    await page.keyboard.press('Escape')
    await detail.waitFor({ state: 'detached' })
    await over(page)
  }
})

test('a channel that vanishes in a reload leads nowhere, and the page says so', async () => {
  const own = await Gateway.start()
  const page = await open(browser)
  await enter(page, own, '/console/channels?channel=vendor-b')
  await page.getByRole('region', { name: 'Channel vendor-b', exact: true }).waitFor()
  await own.write(own.text.replace(/^ {2}- \{id: vendor-b.*\n/m, ''))
  await own.api('POST', '/api/reload')
  await page.getByRole('region', { name: 'Channel vendor-b', exact: true }).waitFor({ state: 'detached' })
  await page.getByText('0 of 4').or(page.getByText('None of the')).first().waitFor()
  await over(page)
  await own.stop()
})

// tabTo presses Tab until what has the focus has this name.
async function tabTo(page, name) {
  for (let i = 0; i < 200; i++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => { const e = document.activeElement; return (e?.getAttribute('aria-label') ?? e?.labels?.[0]?.textContent ?? e?.textContent ?? '').trim() })
    if (name.test(at)) return
  }
  assert.fail('nothing called ' + name + ' has a place in the order of Tab')
}

test('the walk over all eight views with the keyboard alone', async () => {
  const page = await open(browser)
  await page.goto(gateway.url('/'))
  await page.getByLabel('Operator’s token').waitFor()
  await page.keyboard.type(token)
  await page.keyboard.press('Enter')
  const titles = ['Overview', 'Traffic map', 'Channels', 'Requests', 'Conversations', 'Limits', 'Configuration', 'Playground']
  for (const [i, title] of titles.entries()) {
    await page.keyboard.press(String(i + 1))
    await page.getByRole('heading', { name: title, level: 1 }).waitFor()
  }
  // Ask in the playground, watch the request, and hold a channel and let it go again.
  await tabTo(page, /^Model/)
  await page.keyboard.type('small')
  await tabTo(page, /^Ask$/)
  await page.keyboard.press('Enter')
  await page.getByRole('region', { name: /^Answer of/ }).getByText('ok', { exact: true }).first().waitFor()
  await page.evaluate(() => document.activeElement.blur())
  await page.keyboard.press('4')
  await tabTo(page, /vendor-/)
  await page.keyboard.press('Enter')
  await page.getByRole('region', { name: 'Request', exact: true }).getByText('Why it went there').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('region', { name: 'Request', exact: true }).waitFor({ state: 'detached' })
  await page.keyboard.press('3')
  await tabTo(page, /^Drain/)
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await tabTo(page, /^Undo$/)
  await page.keyboard.press('Enter')
  await page.getByText('All well').waitFor()
  await over(page)
})
