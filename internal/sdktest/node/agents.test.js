// What OpenAI's Agents SDK makes of the responses front with its default model, over HTTP and on a
// WebSocket: a loop of two steps.
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents';
import WebSocket from 'ws';
import { z } from 'zod';
import { key, richKinds, url } from './lib/clients.js';

globalThis.WebSocket = WebSocket; // older versions of node have none, or one without headers

for (const useResponsesWebSocket of [false, true]) {
  describe(`a loop of tools ${useResponsesWebSocket ? 'on a WebSocket' : 'over HTTP'}`, () => {
    const modelProvider = new OpenAIProvider({ apiKey: key, baseURL: `${url}/v1`, useResponses: true, useResponsesWebSocket });
    const runner = new Runner({ modelProvider, tracingDisabled: true });
    for (const kind of richKinds) {
      for (const stream of [false, true]) {
        test(`${kind}, ${stream ? 'streamed' : 'whole'}`, async () => {
          let looked = 0;
          const look = tool({
            name: 'look', description: 'Looks.', parameters: z.object({ q: z.string() }),
            execute: async () => { looked++; return 'a cat'; },
          });
          const agent = new Agent({ name: 'looker', instructions: 'Look.', model: `${kind}.tools`, tools: [look] });
          const run = await runner.run(agent, 'hi', { stream, maxTurns: 3 });
          let text = '';
          if (stream) {
            for await (const piece of run.toTextStream()) text += piece;
            await run.completed;
          }
          assert.ok(looked > 0, 'the tool was not called');
          assert.match(run.finalOutput, /a cat/);
          if (stream) assert.equal(text, run.finalOutput);
          assert.equal(run.rawResponses.length, 2);
          const more = await runner.run(agent.clone({ model: `${kind}.recall` }), [...run.history, { role: 'user', content: 'and then?' }]);
          assert.match(more.finalOutput, /hi[^]*and then\?/);
        });
      }
    }
    test('the provider is closed', () => modelProvider.close());
  });
}
