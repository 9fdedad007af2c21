// What the libraries make of stored responses, of the default model of the Vercel ai
// package among them, and of custom tools.
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { generateText, stepCountIs, tool } from 'ai';
import { createOpenAI } from '@ai-sdk/openai';
import { z } from 'zod';
import { key, kinds, richKinds, url } from './lib/clients.js';

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const functions = [{ type: 'function', name: 'look', strict: false, parameters: { type: 'object', properties: { q: { type: 'string' } } } }];

describe('five turns by previous_response_id', () => {
  for (const kind of kinds) {
    test(kind, async () => {
      let previous;
      for (let n = 1; n <= 5; n++) {
        const ask = { model: `${kind}.recall`, input: `turn ${n}`, previous_response_id: previous };
        const got = n % 2 ? await openai.responses.create(ask) : await openai.responses.stream(ask).finalResponse();
        for (let said = 1; said <= n; said++) assert.match(got.output_text, new RegExp(`turn ${said}`));
        assert.equal(got.previous_response_id, previous ?? null);
        previous = got.id;
      }
    });
  }
});

test('a stored response is read, its items are listed, and it is deleted', async () => {
  const one = await openai.responses.create({ model: 'openai.echo', input: 'one' });
  const two = await openai.responses.create({ model: 'openai.echo', input: 'two', previous_response_id: one.id });
  const read = await openai.responses.retrieve(two.id);
  assert.deepEqual([read.id, read.output_text ?? read.output[0].content[0].text, read.output], [two.id, two.output_text, two.output]);
  const items = [];
  for await (const item of openai.responses.inputItems.list(two.id, { limit: 1, order: 'asc' })) items.push(item);
  assert.deepEqual(items.map((i) => [i.role, i.content[0].text]), [['user', 'one'], ['assistant', one.output_text], ['user', 'two']]);
  await openai.responses.delete(two.id);
  await assert.rejects(openai.responses.retrieve(two.id), OpenAI.NotFoundError);
  await assert.rejects(openai.responses.create({ model: 'openai.echo', input: 'x', previous_response_id: two.id }), (e) => e.code === 'previous_response_not_found');
});

describe('a result of a tool goes on from the response that called it', () => {
  for (const kind of richKinds) {
    test(kind, async () => {
      const ask = { model: `${kind}.tools`, tools: functions };
      const first = await openai.responses.create({ ...ask, input: 'hi' });
      const outputs = first.output.filter((o) => o.type === 'function_call').map((o) => ({ type: 'function_call_output', call_id: o.call_id, output: 'a cat' }));
      assert.ok(outputs.length > 0);
      const second = await openai.responses.create({ ...ask, input: outputs, previous_response_id: first.id });
      assert.match(second.output_text, /a cat/);
    });

    test(`${kind}: a custom tool is given a text`, async () => {
      const tools = [{ type: 'custom', name: 'look', description: 'Looks.' }];
      const got = await openai.responses.create({ model: `${kind}.tools`, input: 'hi', store: false, tools });
      const [call] = got.output.filter((o) => o.type === 'custom_tool_call');
      assert.equal(call.name, 'look');
      assert.equal(typeof call.input, 'string');
      const input = [{ role: 'user', content: 'hi' }, ...got.output, { type: 'custom_tool_call_output', call_id: call.call_id, output: 'a cat' }];
      assert.match((await openai.responses.create({ model: `${kind}.tools`, store: false, tools, input })).output_text, /a cat/);
    });
  }
});

describe("the default model of Vercel's provider, which refers to stored items", () => {
  const provider = createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
  for (const kind of richKinds) {
    test(kind, async () => {
      const look = tool({ inputSchema: z.object({ q: z.string() }), execute: async () => 'a cat' });
      const { text, steps, response } = await generateText({ model: provider(`${kind}.tools`), maxRetries: 0, prompt: 'hi', tools: { look }, stopWhen: stepCountIs(3) });
      assert.equal(steps.length, 2);
      assert.match(text, /a cat/);
      const again = await generateText({ model: provider(`${kind}.recall`), maxRetries: 0, messages: [{ role: 'user', content: 'hi' }, ...response.messages, { role: 'user', content: 'and then?' }] });
      assert.match(again.text, /and then\?/);
    });
  }
});
