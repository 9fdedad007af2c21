// What only one library has: ids of requests, the older functions, and objects that
// are streamed by a schema.
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { Output, streamText } from 'ai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { z } from 'zod';
import { key, kinds, richKinds, url } from './lib/clients.js';

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const messages = [{ role: 'user', content: 'hi' }];

describe('ids of requests', () => {
  test('openai', async () => {
    assert.ok((await openai.chat.completions.create({ model: 'mock.echo', messages }))._request_id);
    await assert.rejects(openai.chat.completions.create({ model: 'nobody', messages }), (e) => Boolean(e.requestID));
  });

  test('anthropic', async () => {
    assert.ok((await anthropic.messages.create({ model: 'mock.echo', max_tokens: 9, messages }))._request_id);
    assert.ok((await anthropic.messages.create({ model: 'mock.echo', max_tokens: 9, messages, stream: true }).withResponse()).request_id);
    await assert.rejects(anthropic.messages.create({ model: 'nobody', max_tokens: 9, messages }), (e) => Boolean(e.requestID));
  });
});

describe('the older functions of openai', () => {
  const functions = [{ name: 'look', parameters: { type: 'object', properties: { q: { type: 'string' } } } }];
  for (const kind of richKinds.filter((k) => k !== 'openai')) {
    test(kind, async () => {
      const ask = { model: `${kind}.tools`, messages: [...messages], functions };
      const { choices: [{ message, finish_reason }] } = await openai.chat.completions.create(ask);
      assert.equal(finish_reason, 'function_call');
      assert.equal(message.function_call.name, 'look');
      assert.deepEqual(JSON.parse(message.function_call.arguments), { q: 'hi' });
      let args = '';
      for await (const chunk of await openai.chat.completions.create({ ...ask, stream: true })) {
        args += chunk.choices[0]?.delta.function_call?.arguments ?? '';
      }
      assert.deepEqual(JSON.parse(args), { q: 'hi' });
      ask.messages.push(message, { role: 'function', name: 'look', content: 'a cat' });
      assert.equal((await openai.chat.completions.create(ask)).choices[0].message.content, 'tool said: a cat');
    });
  }
});

describe('objects that are streamed', () => {
  const provider = createOpenAICompatible({ name: 'dragoman', baseURL: `${url}/v1`, apiKey: key, supportsStructuredOutputs: true });
  for (const kind of kinds) {
    test(kind, async () => {
      const want = { name: 'Zoë "漢" 😀', tags: ['a', 'b\n'] };
      const s = streamText({
        model: provider(`${kind}.say`), maxRetries: 0, prompt: JSON.stringify(want),
        output: Output.object({ schema: z.object({ name: z.string(), tags: z.array(z.string()) }) }),
      });
      let last;
      for await (const part of s.partialOutputStream) last = part;
      assert.deepEqual(last, want);
      assert.deepEqual(await s.output, want);
    });
  }
});
