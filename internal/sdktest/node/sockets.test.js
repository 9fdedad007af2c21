// What the official library makes of the Responses API on a WebSocket.
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';
import { key, kinds, richKinds, url } from './lib/clients.js';

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const functions = [{ type: 'function', name: 'look', strict: false, parameters: { type: 'object', properties: { q: { type: 'string' } } } }];

/** Runs use with a connection, and a function that asks on it and returns the response. */
async function connected(use) {
  const ws = new ResponsesWS(openai);
  const events = ws.stream();
  const ask = async (question) => {
    ws.send({ type: 'response.create', store: false, ...question });
    let next = 0;
    let text = '';
    for (;;) {
      const { value, done } = await events.next();
      if (done || value.type === 'close') throw new Error('the connection is closed');
      if (value.type === 'error') throw value.error;
      if (value.type !== 'message') continue;
      const event = value.message;
      assert.equal(event.sequence_number, next++);
      if (event.type === 'response.output_text.delta') text += event.delta;
      if (['response.completed', 'response.incomplete', 'response.failed'].includes(event.type)) return { ...event.response, end: event.type, text };
    }
  };
  try {
    await use(ask, ws);
  } finally {
    ws.close();
  }
}

describe('a chain of responses that are not stored', () => {
  for (const kind of kinds) {
    test(kind, () => connected(async (ask) => {
      let previous;
      for (let n = 1; n <= 3; n++) {
        const got = await ask({ model: `${kind}.recall`, input: `turn ${n}`, previous_response_id: previous });
        for (let said = 1; said <= n; said++) assert.match(got.text, new RegExp(`turn ${said}`));
        assert.deepEqual([got.end, got.status], ['response.completed', 'completed']);
        previous = got.id;
      }
      await assert.rejects(openai.responses.create({ model: `${kind}.recall`, input: 'x', previous_response_id: previous }), (e) => e.code === 'previous_response_not_found');
    }));
  }
});

describe('a loop of tools', () => {
  for (const kind of richKinds) {
    test(kind, () => connected(async (ask) => {
      const warm = await ask({ model: `${kind}.tools`, tools: functions, input: 'hi', generate: false });
      assert.deepEqual(warm.output, []);
      const first = await ask({ model: `${kind}.tools`, tools: functions, input: [], previous_response_id: warm.id });
      const outputs = first.output.filter((o) => o.type === 'function_call').map((o) => ({ type: 'function_call_output', call_id: o.call_id, output: 'a cat' }));
      assert.ok(outputs.length > 0);
      assert.match((await ask({ model: `${kind}.tools`, tools: functions, input: outputs, previous_response_id: first.id })).text, /a cat/);
    }));
  }
});

test('an error has what the library reads, and the connection goes on', () => connected(async (ask) => {
  await assert.rejects(ask({ model: 'none', input: 'hi' }), ({ error }) => error.code === 'model_not_found' && error.message.includes('none') && error.status === 404 && error.error.code === error.code);
  await assert.rejects(ask({ model: 'openai.echo', input: 'hi', previous_response_id: 'resp_1' }), ({ error }) => error.code === 'previous_response_not_found' && error.param === 'previous_response_id');
  assert.match((await ask({ model: 'openai.echo', input: 'hi' })).text, /hi/);
}));

test('a wrong key is refused before the connection', async () => {
  const ws = new ResponsesWS(new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-nobody' }));
  const err = await new Promise((resolve) => ws.on('error', resolve));
  assert.match(err.message, /401/);
});
