// Events that a call streams as its answer.
import { send } from '../api'

// stream makes a call and hands each event of its answer to on, until the end.
export async function stream<T>(path: string, body: unknown, stop: AbortSignal, on: (event: T) => void): Promise<void> {
  const answer = await send(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' }, signal: stop })
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const data = block.split('\n').find(l => l.startsWith('data: '))
      if (data) on(JSON.parse(data.slice(6)))
    }
  }
}
