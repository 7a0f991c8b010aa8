// Reads what a Node.js handler would read out of the same request, with what comes with Node.js.
//
// One request a line: {"kind", "data" (base64), "type"}. One answer a line: the base64 of every string that came out.
'use strict';
const querystring = require('node:querystring');
const readline = require('node:readline');

// Every key and string, without recursion.
function* strings(value) {
  const stack = [value];
  while (stack.length > 0) {
    const item = stack.pop();
    if (typeof item === 'string') yield item;
    else if (Array.isArray(item)) for (const inner of item) stack.push(inner);
    else if (item && typeof item === 'object') {
      for (const [key, inner] of Object.entries(item)) {
        stack.push(key);
        stack.push(inner);
      }
    }
  }
}

// A parser that refuses the text yields nothing.
function attempt(out, read) {
  try {
    for (const text of read()) out.push(text);
  } catch {}
}

// What the packages `cookie` and its many copies do.
function* cookies(header) {
  for (const pair of header.split(/; */)) {
    const at = pair.indexOf('=');
    if (at < 0) continue;
    let value = pair.slice(at + 1).trim();
    if (value[0] === '"') value = value.slice(1, -1);
    yield pair.slice(0, at).trim();
    try {
      yield decodeURIComponent(value);
    } catch {
      yield value;
    }
  }
}

async function multipart(data, type, out) {
  try {
    const form = await new Response(data, { headers: { 'content-type': type } }).formData();
    for (const [name, value] of form) {
      out.push(name);
      if (typeof value === 'string') out.push(value);
      else out.push(value.name, await value.text());
    }
  } catch {}
}

async function read({ kind, data, type }) {
  const bytes = Buffer.from(data, 'base64');
  const text = bytes.toString('utf8');
  const out = [];
  if (kind === 'json') attempt(out, () => strings(JSON.parse(text)));
  if (kind === 'query' || kind === 'form') {
    attempt(out, () => [...new URLSearchParams(text)].flat());
    attempt(out, () => strings(querystring.parse(text)));
  }
  if (kind === 'cookie') attempt(out, () => cookies(text));
  if (kind === 'multipart') await multipart(bytes, type, out);
  if (kind === 'base64') attempt(out, () => [Buffer.from(text, 'base64').toString('utf8')]);
  return [...new Set(out)].map((item) => Buffer.from(item, 'utf8').toString('base64'));
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await read(JSON.parse(line)))}\n`);
  }
})();
