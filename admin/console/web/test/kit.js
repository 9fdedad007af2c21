// What the tests of the console share: a gateway with the scripted model, and a real browser that fails a test
// for any violation of the Content-Security-Policy, any error in the page and any line of its console.
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

export const token = 'an-operator-s-token-for-tests'
export const readToken = 'a-token-that-only-reads-here'
export const binary = process.env.DRAGOMAN ?? new URL('../../../../bin/dragoman', import.meta.url).pathname

// patience is how long something may take that must come: a machine may be busy.
export const patience = Number(process.env.PATIENCE ?? 60_000)

// markup is a name as nobody should choose it.
export const markup = '<img src=x onerror="document.title=1"><b>bold</b>&amp;"\'`$&'

// configuration is a file with three good channels, one that fails, and callers.
export const configuration = ({ front, admin, channels = standard }) => `listen: ${front}
admin: {listen: "${admin}", token: ${token}, read_token: ${readToken}}
store: {url: "sqlite:dragoman.db"}
callers:
  anonymous: {}
  keys:
    - {name: alice, key: sk-alice-for-tests-only}
    - {name: carol, key: sk-carol-for-tests-only, limits: tight}
    - {name: '${markup.replaceAll("'", "''")}', key: sk-markup-for-tests-only}
limits: {tight: {requests: 3/h}}
presets: {default: {model: small}}
channels:
${channels}`

export const standard = `  - {id: vendor-a, kind: mock, models: [{name: small, upstream: echo-first-40}, {name: long, upstream: long-20-slow-10-first-30}], tier: 1, weight: 3, concurrent: 50}
  - {id: vendor-b, kind: mock, models: [{name: small, upstream: echo-first-80}], tier: 1, weight: 1}
  - {id: shaky, kind: mock, models: [{name: large, upstream: fail-503-times-7}], tier: 1}
  - {id: spare, kind: mock, models: [{name: large, upstream: echo-first-20}, {name: slow, upstream: long-600-slow-100}], tier: 2}
  - {id: '${markup.replaceAll("'", "''")}', kind: mock, models: [{name: '${markup.replaceAll("'", "''")}', upstream: echo}]}
`

async function freePort() {
  const s = createServer()
  await new Promise(done => s.listen(0, '127.0.0.1', done))
  const { port } = s.address()
  await new Promise(done => s.close(done))
  return '127.0.0.1:' + port
}

// Gateway is a running dragoman in a folder of its own.
export class Gateway {
  static async start(options = {}) {
    const g = new Gateway()
    g.dir = await mkdtemp(join(tmpdir(), 'console-'))
    g.front = await freePort()
    g.admin = await freePort()
    g.text = configuration({ front: g.front, admin: g.admin, ...options })
    await g.write(g.text)
    await g.run()
    return g
  }

  // run starts the process and waits until it takes questions.
  async run() {
    this.process = spawn(binary, ['serve', '-c', 'dragoman.yaml'], { cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'] })
    this.said = ''
    for (const pipe of [this.process.stdout, this.process.stderr]) pipe.on('data', d => { this.said += d })
    this.over = new Promise(done => this.process.once('exit', done))
    const end = Date.now() + patience
    for (;;) {
      const ready = await fetch(this.url('/readyz')).then(r => r.ok, () => false)
      if (ready) return
      if (this.process.exitCode !== null || Date.now() > end) throw new Error('the gateway does not start:\n' + this.said)
      await new Promise(done => setTimeout(done, 50))
    }
  }

  // write puts another configuration into the file, which a reload or a start reads.
  write(text) { return writeFile(join(this.dir, 'dragoman.yaml'), text) }

  url(path) { return 'http://' + this.admin + path }

  async halt() {
    this.process.kill('SIGTERM')
    await this.over
  }

  async stop() {
    await this.halt()
    await rm(this.dir, { recursive: true, force: true })
  }

  // ask asks one question on a front and returns its answer's status.
  async ask(model = 'small', text = 'hello', key = 'sk-alice-for-tests-only', front = 'openai') {
    const messages = [{ role: 'user', content: text }]
    const [path, body] = {
      openai: ['/v1/chat/completions', { model, stream: true, messages }],
      anthropic: ['/v1/messages', { model, stream: true, max_tokens: 1000, messages }],
      rest: ['/api/chat', { message: text, userId: 'someone', preset: model }],
    }[front]
    const r = await fetch('http://' + this.front + path, {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'anthropic-version': '2023-06-01', Authorization: 'Bearer ' + key }, body: JSON.stringify(body),
    })
    await r.text()
    return r.status
  }

  // api calls the operator's side.
  async api(method, path, body) {
    const r = await fetch(this.url(path), { method, headers: { Authorization: 'Bearer ' + token, ...(body && { 'Content-Type': 'application/json' }) }, ...(body && { body: JSON.stringify(body) }) })
    return r.json()
  }
}

const flags = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

// browse starts a browser with a profile of its own.
export const browse = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, chromiumSandbox: false, args: ['--no-sandbox', ...flags], timeout: patience })

// open opens a page in a new context. Whatever goes wrong within goes into its list wrong, which over checks.
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
  context.setDefaultTimeout(patience)
  const page = await context.newPage()
  page.wrong = []
  page.allowed = []
  const wrong = text => { if (!page.allowed.some(a => a.test(text))) page.wrong.push(text) }
  page.on('console', m => { if (['error', 'warning'].includes(m.type())) wrong(m.type() + ': ' + m.text()) })
  page.on('pageerror', e => wrong('exception: ' + e.stack))
  page.on('request', r => { if (!/^(http:\/\/127\.0\.0\.1:|data:|blob:)/.test(r.url())) wrong('asked a foreign origin: ' + r.url()) })
  await page.addInitScript(() => addEventListener('securitypolicyviolation', e => console.error('violation of ' + e.violatedDirective + ': ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber)))
  return page
}

// over closes a page and fails if anything went wrong within it.
export async function over(page) {
  await page.context().close()
  if (page.wrong.length > 0) throw new Error('the page complains:\n' + page.wrong.join('\n'))
}

// enter opens a view as the operator.
export async function enter(page, gateway, path = '/', as = token) {
  await page.goto(gateway.url(path + '#token=' + as))
  await page.getByRole('navigation').waitFor()
}
