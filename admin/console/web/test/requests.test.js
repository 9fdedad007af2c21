import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, open, over } from './kit.js'

let gateway, browser
before(async () => {
  [gateway, browser] = await Promise.all([Gateway.start(), browse()])
  for (const model of ['small', 'small', 'large', 'large']) assert.equal(await gateway.ask(model), 200)
})
after(async () => { await browser?.close(); await gateway?.stop() })

test('filters are in the address, and survive a reload and the back button', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/requests')
  await page.getByText('4 questions', { exact: true }).waitFor()
  await page.getByLabel('Model', { exact: true }).fill('large')
  await page.getByText('2 questions', { exact: true }).waitFor()
  await page.getByLabel('Attempts').selectOption('several')
  assert.equal(new URL(page.url()).search, '?model=large&attempts=several')
  await page.reload()
  assert.equal(await page.getByLabel('Model', { exact: true }).inputValue(), 'large')
  assert.equal(await page.getByLabel('Attempts').inputValue(), 'several')
  await page.goBack()
  await page.getByText('2 questions', { exact: true }).waitFor()
  assert.equal(await page.getByLabel('Attempts').inputValue(), '')
  await over(page)
})

test('the tail goes on by itself, and holds still while it is paused', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/requests')
  await page.getByText('4 questions', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  await gateway.ask('small')
  await page.getByText('4 questions, 1 held back').waitFor()
  await page.getByRole('button', { name: 'Go on' }).click()
  await page.getByText('5 questions', { exact: true }).waitFor()
  await over(page)
})

test('a request says where its time went and why it went where it went', async () => {
  const page = await open(browser)
  await enter(page, gateway, '/console/requests?attempts=several')
  await page.getByRole('button').filter({ hasText: /[23] attempts/ }).first().click()
  const detail = page.getByRole('region', { name: 'Request', exact: true })
  await detail.getByText('Commit point at').waitFor()
  await detail.getByRole('listitem').filter({ hasText: 'shaky' }).first().waitFor()
  await detail.getByRole('row', { name: /the request/ }).waitFor()
  await detail.getByRole('button', { name: 'Where would it go now?' }).click()
  await detail.getByRole('status').filter({ hasText: '%' }).waitFor()
  await page.getByRole('button', { name: 'Close the request' }).click()
  await detail.waitFor({ state: 'detached' })
  await over(page)
})

test('a request is opened by its id, as a line of the log has it', async () => {
  const page = await open(browser)
  const { exchanges } = await gateway.api('GET', '/api/exchanges?limit=1')
  await enter(page, gateway, '/console/requests')
  await page.getByLabel('Request id').fill(exchanges[0].id)
  await page.keyboard.press('Enter')
  await page.getByRole('region', { name: 'Request', exact: true }).getByText('Where its time went').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('region', { name: 'Request', exact: true }).waitFor({ state: 'detached' })
  await over(page)
})
