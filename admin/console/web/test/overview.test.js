import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, open, over } from './kit.js'

let gateway, browser
before(async () => {
  [gateway, browser] = await Promise.all([Gateway.start(), browse()])
  for (const model of ['small', 'small', 'large']) assert.equal(await gateway.ask(model), 200)
})
after(async () => { await browser?.close(); await gateway?.stop() })

test('the overview has the figures of the gateway, and each leads on', async () => {
  const page = await open(browser)
  await enter(page, gateway)
  await page.getByText('All well').waitFor()
  await page.getByRole('link', { name: /^First content|Questions/ }).first().waitFor()
  await page.getByText('Questions as a table').click()
  await page.getByRole('region', { name: 'Questions as a table' }).getByRole('row').nth(1).waitFor()
  await page.getByRole('link', { name: /^Channels ready/ }).click()
  await page.getByRole('heading', { name: 'Channels', level: 1 }).waitFor()
  await over(page)
})

test('questions that fail are said, also while every channel is ready', async () => {
  // A channel whose answers come to nothing, but whose breaker asks for more of them than there are here.
  const other = await Gateway.start({ channels: '  - {id: hollow, kind: mock, models: [{name: small, upstream: empty}]}\n' })
  try {
    const page = await open(browser)
    await enter(page, other)
    await page.getByText('All well').waitFor()
    assert.notEqual(await other.ask('small'), 200)
    await page.getByText(/^Of the questions of the last minute 100.% failed \(channels 100.%\)\. 1 of 1 channel ready\.$/).waitFor()
    await over(page)
  } finally { await other.stop() }
})

test('the traffic map leads from a channel to its questions', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/map?minutes=15')
  await page.getByRole('link', { name: /^spare .*: 1 question$/ }).locator('text').click()
  await page.getByText('1 question', { exact: true }).waitFor()
  assert.equal(new URL(page.url()).search, '?channel=spare')
  await page.goBack()
  await page.getByText('The map as a table').click()
  await page.getByRole('row', { name: /openai small 2/ }).waitFor()
  await over(page)
})

test('a limit that is used up, and whom it has refused, are on the overview', async () => {
  const page = await open(browser)
  await enter(page, gateway)
  const card = page.getByRole('region', { name: 'Limits' })
  await card.getByText('None is used up').waitFor()
  for (const status of [200, 200, 200, 429]) assert.equal(await gateway.ask('small', 'hello', 'sk-carol-for-tests-only'), status)
  await card.getByRole('listitem').filter({ hasText: /used up carol 3 of 3 requests under tight/ }).waitFor()
  await card.getByRole('listitem').filter({ hasText: /refused carol 1 question under tight, RATE_LIMITED/ }).waitFor()
  await over(page)
})
