// The example handler for Node.js. It says what it got to the byte: JSON.parse is watched, because a handler sees the parsed event only.
'use strict';
const { createHash } = require('node:crypto');

const parse = JSON.parse;
let raw = '';
JSON.parse = (text, ...rest) => {
  raw = text;
  return parse(text, ...rest);
};

exports.handler = async (event, context) => {
  const bytes = Buffer.from(raw, 'utf8');
  const seen = { sha256: createHash('sha256').update(bytes).digest('hex'), length: bytes.length };
  process.stdout.write(`handler-called ${context.awsRequestId} ${JSON.stringify(seen)}\n`);
  if (event.rawPath === '/fail') {
    throw new Error('failed on purpose');
  }
  if (event.rawPath === '/environment') {
    seen.variables = process.env;
  }
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(seen) };
};
