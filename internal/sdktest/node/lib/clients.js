// The client libraries behind the same few words, so that each test is written
// once. A question is {model, system, turns, tools}; a turn is {role, text,
// images, calls, results}; an answer is {text, reasoning, finish, model, calls,
// input, output}, where finish is stop, length, tool or filter.
import OpenAI from 'openai';
import Anthropic from '@anthropic-ai/sdk';
import { APICallError, generateText, streamText, tool } from 'ai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { z } from 'zod';

globalThis.AI_SDK_LOG_WARNINGS = false;

export const url = required('DRAGOMAN_URL');
export const key = required('DRAGOMAN_KEY');

/** @param {string} name of a variable of the environment that the Go test sets */
export function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests are run by go test`);
  return value;
}

const finishes = {
  stop: 'stop', length: 'length', tool_calls: 'tool', content_filter: 'filter',
  end_turn: 'stop', max_tokens: 'length', tool_use: 'tool', refusal: 'filter',
  'tool-calls': 'tool', 'content-filter': 'filter',
};

function finish(word) {
  if (!(word in finishes)) throw new Error(`an end for reason ${word}`);
  return finishes[word];
}

const schema = { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] };

class OpenAIClient {
  constructor(o) {
    this.c = new OpenAI({ baseURL: `${url}/v1`, apiKey: o.key, maxRetries: o.retries, fetch: o.fetch });
  }

  params(q) {
    const messages = q.system ? [{ role: 'system', content: q.system }] : [];
    for (const t of q.turns) messages.push(...openaiMessages(t));
    const tools = q.tools?.map((name) => ({ type: 'function', function: { name, parameters: schema } }));
    return { model: q.model, messages, ...(tools && { tools }) };
  }

  async whole(q, signal) {
    return openaiAnswer(await this.c.chat.completions.create(this.params(q), { signal }));
  }

  async stream(q, each, signal) {
    const s = this.c.chat.completions.stream({ ...this.params(q), stream_options: { include_usage: true } }, { signal });
    let reasoning = '';
    for await (const chunk of s) {
      const delta = chunk.choices[0]?.delta;
      reasoning += delta?.reasoning_content ?? '';
      if (delta?.content) each(delta.content);
    }
    return { ...openaiAnswer(await s.finalChatCompletion()), reasoning };
  }

  async models() {
    const ids = [];
    for await (const m of this.c.models.list()) ids.push(m.id);
    return ids;
  }

  async model(id) {
    return (await this.c.models.retrieve(id)).id;
  }

  fault(err) {
    if (!(err instanceof OpenAI.APIError)) return null;
    return { status: err.status, kind: err.type, code: err.code ?? '', cls: err.constructor.name };
  }
}

function openaiMessages(t) {
  if (t.role === 'tool') return t.results.map((r) => ({ role: 'tool', tool_call_id: r.id, content: r.text }));
  if (t.calls) {
    const calls = t.calls.map((c) => ({ id: c.id, type: 'function', function: { name: c.name, arguments: c.args } }));
    return [{ role: 'assistant', content: t.text ?? null, tool_calls: calls }];
  }
  if (!t.images) return [{ role: t.role, content: t.text }];
  const images = t.images.map((uri) => ({ type: 'image_url', image_url: { url: uri } }));
  return [{ role: t.role, content: [{ type: 'text', text: t.text }, ...images] }];
}

function openaiAnswer(got) {
  const { message, finish_reason } = got.choices[0];
  return {
    text: message.content ?? '', reasoning: message.reasoning_content ?? '', finish: finish(finish_reason), model: got.model,
    calls: (message.tool_calls ?? []).map((c) => ({ id: c.id, name: c.function.name, args: c.function.arguments })),
    input: got.usage.prompt_tokens, output: got.usage.completion_tokens,
  };
}

// ResponsesClient is the same library's other half.
class ResponsesClient extends OpenAIClient {
  params(q) {
    const tools = q.tools?.map((name) => ({ type: 'function', name, parameters: schema, strict: false }));
    return { model: q.model, store: false, input: q.turns.flatMap(responsesItems), ...(q.system && { instructions: q.system }), ...(tools && { tools }) };
  }

  async whole(q, signal) {
    return responsesAnswer(await this.c.responses.create(this.params(q), { signal }));
  }

  async stream(q, each, signal) {
    const s = this.c.responses.stream(this.params(q), { signal });
    let next = 0;
    let ended = false;
    for await (const ev of s) {
      if (ev.sequence_number !== next++) throw new Error(`event ${next - 1} is number ${ev.sequence_number}`);
      if (ev.type === 'response.output_text.delta') each(ev.delta);
      ended = ev.type === 'response.completed' || ev.type === 'response.incomplete';
    }
    signal?.throwIfAborted();
    if (!ended) throw new Error('the response has no end');
    return responsesAnswer(await s.finalResponse());
  }
}

function responsesItems(t) {
  if (t.role === 'tool') return t.results.map((r) => ({ type: 'function_call_output', call_id: r.id, output: r.text }));
  const items = [];
  if (t.images) {
    const images = t.images.map((image_url) => ({ type: 'input_image', image_url, detail: 'auto' }));
    items.push({ role: t.role, content: [{ type: 'input_text', text: t.text }, ...images] });
  } else if (t.text) {
    items.push({ role: t.role, content: t.text });
  }
  for (const c of t.calls ?? []) items.push({ type: 'function_call', call_id: c.id, name: c.name, arguments: c.args });
  return items;
}

function responsesAnswer(got) {
  const calls = got.output.filter((o) => o.type === 'function_call').map((o) => ({ id: o.call_id, name: o.name, args: o.arguments }));
  const ends = { max_output_tokens: 'length', content_filter: 'filter' };
  return {
    text: got.output_text, finish: got.status === 'incomplete' ? ends[got.incomplete_details.reason] : calls.length > 0 ? 'tool' : 'stop', model: got.model, calls,
    reasoning: got.output.filter((o) => o.type === 'reasoning').flatMap((o) => o.summary.map((s) => s.text)).join(''),
    input: got.usage.input_tokens, output: got.usage.output_tokens,
  };
}

class AnthropicClient {
  constructor(o) {
    this.c = new Anthropic({ baseURL: url, apiKey: o.key, maxRetries: o.retries, fetch: o.fetch });
  }

  params(q) {
    const tools = q.tools?.map((name) => ({ name, input_schema: schema }));
    return {
      model: q.model, max_tokens: 1000, messages: q.turns.map(anthropicMessage),
      ...(q.system && { system: q.system }), ...(tools && { tools }),
    };
  }

  async whole(q, signal) {
    return anthropicAnswer(await this.c.messages.create(this.params(q), { signal }));
  }

  async stream(q, each, signal) {
    const s = this.c.messages.stream(this.params(q), { signal });
    let stopped = false;
    for await (const ev of s) {
      if (ev.type === 'content_block_delta' && ev.delta.type === 'text_delta') each(ev.delta.text);
      stopped = ev.type === 'message_stop';
    }
    if (!stopped) throw new Error('no message_stop');
    return anthropicAnswer(await s.finalMessage());
  }

  async models() {
    const ids = [];
    for await (const m of this.c.models.list()) ids.push(m.id);
    return ids;
  }

  async model(id) {
    return (await this.c.models.retrieve(id)).id;
  }

  fault(err) {
    if (!(err instanceof Anthropic.APIError)) return null;
    return { status: err.status, kind: err.error?.error?.type, code: '', cls: err.constructor.name };
  }
}

function anthropicMessage(t) {
  const content = [];
  for (const uri of t.images ?? []) {
    const [, media_type, data] = /^data:(.*);base64,(.*)$/.exec(uri);
    content.push({ type: 'image', source: { type: 'base64', media_type, data } });
  }
  for (const r of t.results ?? []) content.push({ type: 'tool_result', tool_use_id: r.id, content: r.text });
  if (t.text) content.push({ type: 'text', text: t.text });
  for (const c of t.calls ?? []) content.push({ type: 'tool_use', id: c.id, name: c.name, input: JSON.parse(c.args) });
  return { role: t.role === 'assistant' ? 'assistant' : 'user', content };
}

function anthropicAnswer(got) {
  const of = (type) => got.content.filter((b) => b.type === type);
  return {
    text: of('text').map((b) => b.text).join(''), reasoning: of('thinking').map((b) => b.thinking).join(''),
    finish: finish(got.stop_reason), model: got.model,
    calls: of('tool_use').map((b) => ({ id: b.id, name: b.name, args: JSON.stringify(b.input) })),
    input: got.usage.input_tokens, output: got.usage.output_tokens,
  };
}

// VercelClient is the ai package, which checks every chunk against a schema.
class VercelClient {
  constructor(o, provider) {
    this.retries = o.retries;
    this.provider = provider;
  }

  params(q, abortSignal) {
    const tools = q.tools && Object.fromEntries(q.tools.map((n) => [n, tool({ inputSchema: z.object({ q: z.string() }) })]));
    return {
      model: this.provider(q.model), maxRetries: this.retries, abortSignal,
      messages: q.turns.map(vercelMessage), ...(q.system && { system: q.system }), ...(tools && { tools }),
    };
  }

  async whole(q, signal) {
    return vercelAnswer(await generateText(this.params(q, signal)));
  }

  async stream(q, each, signal) {
    const s = streamText({ ...this.params(q, signal), onError() {} });
    for await (const part of s.fullStream) {
      if (part.type === 'error') throw part.error;
      if (part.type === 'abort') throw new DOMException('aborted', 'AbortError');
      if (part.type === 'text-delta') each(part.text);
    }
    const [text, reasoningText, finishReason, toolCalls, usage, response] = await Promise.all(
      [s.text, s.reasoningText, s.finishReason, s.toolCalls, s.usage, s.response]);
    return vercelAnswer({ text, reasoningText, finishReason, toolCalls, usage, response });
  }

  fault(err) {
    if (!APICallError.isInstance(err)) return null;
    const { error } = JSON.parse(err.responseBody);
    return { status: err.statusCode, kind: error.type, code: error.code ?? '', cls: 'APICallError' };
  }
}

function vercelMessage(t) {
  if (t.role === 'tool') {
    return { role: 'tool', content: t.results.map((r) => ({ type: 'tool-result', toolCallId: r.id, toolName: r.name, output: { type: 'text', value: r.text } })) };
  }
  if (t.calls) {
    return { role: 'assistant', content: t.calls.map((c) => ({ type: 'tool-call', toolCallId: c.id, toolName: c.name, input: JSON.parse(c.args) })) };
  }
  if (!t.images) return { role: t.role, content: t.text };
  return { role: t.role, content: [{ type: 'text', text: t.text }, ...t.images.map((image) => ({ type: 'image', image }))] };
}

function vercelAnswer(got) {
  return {
    text: got.text, reasoning: got.reasoningText ?? '', finish: finish(got.finishReason), model: got.response.modelId,
    calls: got.toolCalls.map((c) => ({ id: c.toolCallId, name: c.toolName, args: JSON.stringify(c.input) })),
    input: got.usage.inputTokens, output: got.usage.outputTokens,
  };
}

/** The libraries. dial takes {key, retries, fetch}. */
export const libraries = [
  { name: 'openai', dialect: 'openai', dial: (o) => new OpenAIClient(o) },
  { name: 'anthropic', dialect: 'anthropic', dial: (o) => new AnthropicClient(o) },
  { name: 'openai-responses', dialect: 'openai', dial: (o) => new ResponsesClient(o) },
  {
    name: 'ai-responses', dialect: 'openai',
    dial: (o) => new VercelClient(o, createOpenAI({ baseURL: `${url}/v1`, apiKey: o.key, fetch: o.fetch })),
  },
  {
    name: 'ai-openai', dialect: 'openai',
    dial: (o) => new VercelClient(o, createOpenAICompatible({ name: 'dragoman', baseURL: `${url}/v1`, apiKey: o.key, includeUsage: true, fetch: o.fetch })),
  },
  {
    name: 'ai-anthropic', dialect: 'anthropic',
    dial: (o) => new VercelClient(o, createAnthropic({ baseURL: `${url}/v1`, apiKey: o.key, fetch: o.fetch })),
  },
];

/** @returns a client that never asks twice */
export function connect(library, more) {
  return library.dial({ key, retries: 0, fetch: globalThis.fetch, ...more });
}

/** @returns the key of the caller that the library has for itself, who may ask once a second */
export function limited(library) {
  return `sk-limited-${library.name}`;
}

/** @returns a question of one user message */
export function ask(model, text = 'hi') {
  return { model, turns: [{ role: 'user', text }] };
}

export const kinds = ['openai', 'anthropic', 'responses', 'rest', 'chatnio', 'iagent', 'mock'];
export const richKinds = ['openai', 'anthropic', 'responses', 'mock'];

/** Asks the Go test what the scripted model has seen. */
export async function model(what) {
  return (await fetch(`${required('DRAGOMAN_CONTROL')}/${what}`)).json();
}

/** Waits until check holds, at most ten seconds. */
export async function eventually(what, check) {
  const deadline = Date.now() + 10_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`not within ten seconds: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
