import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, open, over } from './kit.js'

let gateway, browser
before(async () => { [gateway, browser] = await Promise.all([Gateway.start(), browse()]) })
after(async () => { await browser?.close(); await gateway?.stop() })

const forced = async id => (await gateway.api('GET', '/api/channels')).channels.find(c => c.id === id).forced

test('a channel is seen turning red with its reason, and green again', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/channels?channel=shaky')
  const shaky = page.getByRole('region', { name: 'Channel shaky' })
  await shaky.getByText('ready').first().waitFor()
  for (let i = 0; i < 7; i++) assert.equal(await gateway.ask('large'), 200, 'another channel answers')
  await shaky.getByRole('row').getByText('out of use').waitFor()
  await page.getByText(/shaky is out of use for large/).waitFor()
  await shaky.getByText(/breaker open/).first().waitFor()
  const asks = setInterval(() => gateway.ask('large').catch(() => {}), 500)
  await page.getByText('All well').waitFor()
  clearInterval(asks)
  await shaky.locator('.mark', { hasText: 'out of use' }).first().waitFor({ state: 'detached' })
  await over(page)
})

test('a drain says what it does, is done, and can be undone', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/channels')
  const b = page.getByRole('region', { name: 'Channel vendor-b' })
  await b.getByRole('button', { name: 'Drain' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('No new question goes to vendor-b').waitFor()
  assert.equal(await forced('vendor-b'), 'auto', 'nothing is done before one says so')
  await dialog.getByRole('button', { name: 'Drain vendor-b' }).click()
  await b.getByText('draining').waitFor()
  assert.equal(await forced('vendor-b'), 'drain')
  await page.getByRole('button', { name: 'Undo' }).click()
  await b.getByText('draining').waitFor({ state: 'detached' })
  assert.equal(await forced('vendor-b'), 'auto')
  await over(page)
})

test('a weight is set with the keyboard, and taken back', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/channels?channel=vendor-a')
  const a = page.getByRole('region', { name: 'Channel vendor-a', exact: true })
  await a.getByRole('slider').focus()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('ArrowRight')
  await a.getByRole('button', { name: 'Set', exact: true }).click()
  await page.getByRole('dialog').getByText('gets weight 5 instead of 3').waitFor()
  await page.keyboard.press('Enter')
  await page.getByText('vendor-a has weight 5.').waitFor()
  await a.getByText('3 in the file').waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByText('vendor-a has weight 3 again.').waitFor()
  await over(page)
})

test('a channel shows its last failures and its half hour, and they lead to the requests', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/channels?channel=shaky')
  await page.getByRole('img', { name: /not ready in [12] of the last 30 minutes: out of use|not ready in/ }).waitFor()
  await page.getByRole('button', { name: 'Failures' }).click()
  await page.getByRole('link', { name: 'fail-503-times-7' }).first().waitFor()
  await page.reload()
  await page.getByRole('link', { name: 'fail-503-times-7' }).first().click()
  await page.getByRole('region', { name: 'Request', exact: true }).getByText('Why it went there').waitFor()
  await over(page)
})

test('a channel is tested, and every event has its time', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/channels?channel=vendor-b')
  await page.getByRole('button', { name: 'Test' }).click()
  await page.getByLabel('Question').fill('are you there')
  await page.getByRole('button', { name: 'Ask' }).click()
  await page.getByText('you said "are you there"').waitFor()
  await page.getByText('It answered; first content after').waitFor()
  await over(page)
})

test('a channel that vanishes while its test is open is said to be gone', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/channels?open=spare&panel=test')
  await page.getByRole('region', { name: 'Channel spare' }).getByRole('button', { name: 'Ask' }).waitFor()
  await gateway.write(gateway.text.replace(/ {2}- \{id: spare.*\n/, ''))
  const { changes } = await gateway.api('POST', '/api/reload')
  assert.ok(changes.length > 0)
  await page.getByText('spare is not in the configuration that runs (any more).').waitFor()
  assert.equal(await page.getByRole('region', { name: 'Channel spare' }).count(), 0)
  await over(page)
})
