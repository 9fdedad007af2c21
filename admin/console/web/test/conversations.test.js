import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { browse, enter, Gateway, markup, open, over, patience, readToken } from './kit.js'

let gateway, browser
before(async () => { [gateway, browser] = await Promise.all([Gateway.start(), browse()]) })
after(async () => { await browser?.close(); await gateway?.stop() })

// connect opens a socket of iagent, which tells who it is in its address, and returns a promise of its end.
function connect() {
  const [host, port] = gateway.front.split(':')
  const r = request({ host, port, path: '/ws/v1/chat?app_token=sk-alice-for-tests-only', headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' } })
  r.end()
  return new Promise((done, failed) => {
    r.on('upgrade', (_, socket) => { socket.resume(); done({ end: new Promise(end => socket.once('close', end)) }) })
    r.on('response', a => failed(new Error('status ' + a.statusCode)))
    r.on('error', failed)
  })
}

// until waits for something that the process says later.
async function until(is) {
  const end = Date.now() + patience
  while (!is()) {
    assert.ok(Date.now() < end, 'it does not come: ' + is)
    await new Promise(done => setTimeout(done, 50))
  }
}

// say puts a message into a conversation on the rest front.
async function say(message, userId, key = 'sk-alice-for-tests-only') {
  const r = await fetch('http://' + gateway.front + '/api/chat', { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: 'Bearer ' + key }, body: JSON.stringify({ message, userId }) })
  assert.equal(r.status, 200, await r.text())
}

test('a socket is seen, and closed', async () => {
  const socket = await connect()
  const page = await open(browser)
  await enter(page, gateway, '/console/conversations')
  const row = page.getByRole('region', { name: 'Sockets' }).getByRole('row').filter({ hasText: 'alice' })
  await row.getByText('iagent').waitFor()
  await row.getByRole('button', { name: 'Close the socket of alice' }).click()
  await page.getByRole('dialog').getByText('is closed').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Close the socket' }).click()
  await socket.end
  await page.getByText('No client has a socket open').waitFor()
  await over(page)
})

test('a conversation is read only when somebody says so, cleared and deleted', async () => {
  await say(markup, 'eve')
  const page = await open(browser)
  await enter(page, gateway, '/console/conversations')
  await page.getByRole('link', { name: 'alice', exact: true }).click()
  await page.getByRole('region', { name: 'Conversations of the caller' }).getByRole('button').first().click()
  const one = page.getByRole('region', { name: 'Conversation', exact: true })
  await one.getByText('The log says that somebody has read it').waitFor()
  assert.ok(!gateway.said.includes('has read a conversation'))
  await page.reload()
  await one.getByRole('button', { name: 'Read it' }).click()
  await one.getByRole('list', { name: 'Messages' }).getByText(markup, { exact: true }).waitFor()
  assert.equal(await page.locator('img, main b').count(), 0, 'what was said stays text')
  await until(() => gateway.said.includes('has read a conversation'))
  await one.getByRole('button', { name: 'Clear' }).click()
  await page.getByRole('dialog').getByText('It cannot be undone').waitFor()
  await page.keyboard.press('Enter')
  await page.getByText('The conversation is empty.').waitFor()
  await one.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the conversation' }).click()
  await page.getByText('This caller has no conversation that is stored.').waitFor()
  await over(page)
})

test('the read token lists conversations and reads none', async () => {
  await say('a secret of mine', 'bob')
  const page = await open(browser)
  await enter(page, gateway, '/console/conversations?caller=alice', readToken)
  await page.getByText('read only').waitFor()
  await page.getByRole('region', { name: 'Conversations of the caller' }).getByRole('button').first().click()
  const read = page.getByRole('region', { name: 'Conversation', exact: true }).getByRole('button', { name: 'Read it' })
  assert.match(await read.getAttribute('title'), /read token/)
  await read.click({ force: true })
  await page.getByRole('status').filter({ hasText: 'read token' }).waitFor()
  assert.equal(await page.getByText('a secret of mine').count(), 0)
  await over(page)
})
