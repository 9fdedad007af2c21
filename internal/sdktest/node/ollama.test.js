// Ollama's own client, which has chats and prompts as lines of JSON, and no place for a key but headers.
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { Ollama } from 'ollama';
import { key, kinds, richKinds, url } from './lib/clients.js';

const dial = (apiKey, host = `${url}/ollama`) => new Ollama({ host, headers: { Authorization: `Bearer ${apiKey}` } });
const ollama = dial(key);
const hello = 'Hello, you said "hi" (n=1)';
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const hi = [{ role: 'user', content: 'hi' }];

for (const kind of [...kinds, 'ollama']) {
  describe(kind, () => {
    const model = `${kind}.echo`;

    test('a chat, whole and streamed, below /ollama and at the root', async () => {
      for (const client of [ollama, dial(key, url)]) {
        const got = await client.chat({ model, messages: hi });
        assert.equal(got.message.content, hello);
        assert.equal(got.done_reason, 'stop');
        assert.equal(got.model, `echo-${kind}`);
        assert.ok(got.prompt_eval_count > 0 && got.eval_count > 0 && got.total_duration > 0 && Date.parse(got.created_at) > 0);
        let text = '';
        let pieces = 0;
        let last;
        for await (const part of await client.chat({ model, messages: hi, stream: true })) {
          text += part.message.content;
          pieces++;
          last = part;
        }
        assert.equal(text, hello);
        assert.ok(kind === 'iagent' || pieces > 2, 'it came in one piece');
        assert.ok(last.done && last.eval_count > 0 && last.total_duration >= last.eval_duration);
      }
    });

    test('a prompt, whole and streamed', async () => {
      assert.equal((await ollama.generate({ model, prompt: 'hi' })).response, hello);
      let text = '';
      for await (const part of await ollama.generate({ model, prompt: 'hi', stream: true, options: { num_predict: 50, num_ctx: 4096 }, keep_alive: '5m' })) text += part.response;
      assert.equal(text, hello);
    });

    test('a system text and earlier messages', async () => {
      const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'one' }, { role: 'assistant', content: 'two' }, { role: 'user', content: 'three' }];
      assert.match((await ollama.chat({ model: `${kind}.recall`, messages })).message.content, /Be brief\.[^]*one[^]*two[^]*three/);
    });
  });
}

for (const kind of [...richKinds, 'ollama']) {
  test(`${kind}: tools, their results, and thoughts`, async () => {
    const tools = ['look', 'now'].map((name) => ({ type: 'function', function: { name, description: name, parameters: { type: 'object', properties: { q: { type: 'string' } } } } }));
    const { message } = await ollama.chat({ model: `${kind}.tools`, messages: hi, tools });
    assert.deepEqual(message.tool_calls.map((c) => [c.function.name, c.function.arguments]), [['look', { q: 'hi' }], ['now', { q: 'hi' }]]);
    const results = message.tool_calls.map((c) => ({ role: 'tool', content: `${c.function.name} ok`, tool_name: c.function.name }));
    assert.equal((await ollama.chat({ model: `${kind}.tools`, messages: [...hi, message, ...results], tools })).message.content, 'tool said: look ok; now ok');
    const thought = await ollama.chat({ model: `${kind}.reason`, messages: hi, think: true });
    assert.equal(thought.message.thinking, 'Let me think.');
    assert.equal(thought.message.content, hello);
  });

  test(`${kind}: images`, async () => {
    const images = [Uint8Array.from(Buffer.from(pixel, 'base64'))];
    assert.equal((await ollama.chat({ model: `${kind}.image`, messages: [{ role: 'user', content: 'what is this?', images }] })).message.content, 'I see 1 images');
    assert.equal((await ollama.generate({ model: `${kind}.image`, prompt: 'what is this?', images: [pixel] })).response, 'I see 1 images');
  });
}

test('models are listed and shown, and loading one asks nobody', async () => {
  const { models } = await ollama.list();
  assert.ok(models.some((m) => m.name === 'mock.echo' && m.digest.length === 64));
  assert.ok((await ollama.show({ model: 'mock.echo' })).capabilities.includes('tools'));
  assert.match((await ollama.version()).version, /^\d+\.\d+\.\d+$/);
  assert.deepEqual((await ollama.ps()).models, []);
  assert.equal((await ollama.chat({ model: 'mock.echo', messages: [] })).done_reason, 'load');
});

describe('failures are the library\'s own errors', () => {
  const fails = async (client, model, status, words) => {
    for (const stream of [false, true]) {
      await assert.rejects(async () => { for await (const _ of await client.chat({ model, messages: hi, stream })); }, (err) => {
        assert.equal(err.name, 'ResponseError', err.stack);
        assert.equal(err.status_code, status);
        assert.match(err.error, words);
        return true;
      });
    }
  };

  test('a wrong key', () => fails(dial('sk-wrong'), 'mock.echo', 401, /./));
  test('an unknown model', () => fails(ollama, 'nobody', 404, /./));
  test('a throttled model says when to come back', () => fails(ollama, 'mock.fail-429-retry-9-openai', 429, /retry|throttled/));
  test('an answer that breaks off is an error, never an end', async () => {
    let text = '';
    await assert.rejects(async () => {
      for await (const part of await ollama.chat({ model: 'openai.long-9-slow-5-cut-openai', messages: hi, stream: true })) text += part.message.content;
    }, (err) => !/Did not receive done/.test(err.message));
    assert.ok(text.startsWith('w0 w1 '), text);
  });
  test('what is not served says what is', () => assert.rejects(ollama.embed({ model: 'mock.echo', input: 'x' }), /\/api\/chat/));
});
