// The sign-ins at a provider that somebody else has written: node sign_in.mjs TOKEN, with oidc-provider to be found.
// PKCE is required, refresh tokens rotate, and a spent one that comes back ends the grant.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { createServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import Provider from 'oidc-provider';
import { Desk, until } from './desk.mjs';

const [token] = process.argv.slice(2);
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
// It says for each of its defaults that it is none to run a service with. This is none.
console.info = () => {};
console.warn = () => {};

// What each agent proves itself with, made here and now.
const place = fs.mkdtempSync(path.join(os.tmpdir(), 'token-interop-'));
process.on('exit', () => fs.rmSync(place, { recursive: true, force: true }));
const agents = {
  'rsa-agent': certificate('rsa', ['rsa:2048']),
  'ec-agent': certificate('ec', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']),
};

function certificate(name, key) {
  const [pem, keyFile] = ['pem', 'key'].map((kind) => path.join(place, `${name}.${kind}`));
  execFileSync('openssl', [
    'req', '-x509', '-newkey', ...key, '-noenc', '-keyout', keyFile, '-out', pem, '-days', '2', '-subj', `/CN=${name}`,
  ], { stdio: 'pipe' });
  const x509 = new X509Certificate(fs.readFileSync(pem));
  fs.appendFileSync(pem, fs.readFileSync(keyFile));
  const thumbprint = createHash('sha256').update(x509.raw).digest('base64url');
  return { pem, thumbprint, jwk: { ...x509.publicKey.export({ format: 'jwk' }), use: 'sig' } };
}

// The issuer's name has its port, which is known once it listens.
let provider;
const server = createServer((request, response) => provider.callback()(request, response));
await once(server.listen(0, '127.0.0.1'), 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;
provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'tool', application_type: 'native', token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1'], response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token', DEVICE],
    },
    {
      client_id: 'robot', client_secret: 'robot-secret', redirect_uris: [], response_types: [],
      grant_types: ['client_credentials'],
    },
    ...Object.entries(agents).map(([client_id, { jwk }]) => ({
      client_id, token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] }, redirect_uris: [],
      response_types: [], grant_types: ['client_credentials'],
    })),
  ],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  features: {
    clientCredentials: { enabled: true }, deviceFlow: { enabled: true }, revocation: { enabled: true },
  },
  scopes: ['openid', 'offline_access', 'api:read'],
  cookies: { keys: ['for this run only'] },
});

// What it granted, to whom, and what was sent for that.
const granted = [];
let revoked = 0;
provider.on('grant.success', ({ oidc }) => granted.push({ client: oidc.client.clientId, sent: { ...oidc.params } }));
provider.on('grant.revoked', () => { revoked += 1; });
const count = (grant) => granted.filter(({ sent }) => sent.grant_type === grant).length;
const desk = new Desk(token, `[issuers.op]\nissuer = "${issuer}"\nclient_id = "tool"\n`, { ROBOT: 'robot-secret' });

// A person with cookies, who fills in the provider's own pages until they lead nowhere else.
class Person {
  cookies = new Map();

  async go(url, init = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } });
    for (const set of answer.headers.getSetCookie()) {
      const [pair] = set.split(';');
      this.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = answer.headers.get('location');
    if (location) return this.go(new URL(location, url).href);
    return { url, html: await answer.text() };
  }

  async signIn(url) {
    let page = await this.go(url);
    for (let forms = 0; forms < 8 && page.html.includes('<form'); forms += 1) page = await this.send(page);
    return page.html;
  }

  send({ url, html }) {
    const plain = (text) => text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<')
      .replaceAll('&amp;', '&');
    const attribute = (tag, name) => plain(new RegExp(`${name}="([^"]*)"`).exec(tag)?.[1] ?? '');
    const fields = new URLSearchParams();
    for (const [tag] of html.matchAll(/<input[^>]*>/g)) {
      const name = attribute(tag, 'name');
      if (name) fields.set(name, { login: 'ada', password: 'hers' }[name] ?? attribute(tag, 'value'));
    }
    return this.go(new URL(attribute(/<form[^>]*>/.exec(html)[0], 'action'), url).href, { method: 'POST', body: fields });
  }
}

// In the browser, with a code that comes back in a form; and again where somebody used a spent refresh token.
async function browser() {
  const run = desk.start('login', '--issuer', 'op');
  const url = await desk.url();
  const asked = new URL(url).searchParams;
  assert.equal(asked.get('response_mode'), 'form_post');
  assert.equal(asked.get('code_challenge_method'), 'S256');
  assert.match(await new Person().signIn(url), /You are signed in/);
  assert.equal((await run.done).code, 0, run.stderr);
  assert.equal(count('authorization_code'), 1);
}

// Each refresh sends what the one before it brought.
async function refreshes() {
  const tokens = [await desk.run('get'), await desk.run('get', '--force-refresh'), await desk.run('get', '--force-refresh')];
  assert.equal(new Set(tokens).size, 3, 'each is a new one');
  assert.equal(await desk.run('get'), tokens[2], 'and the last one stays');
  const spent = granted.filter(({ sent }) => sent.grant_type === 'refresh_token').map(({ sent }) => sent.refresh_token);
  assert.equal(new Set(spent).size, 2, 'two refreshes spend two refresh tokens');

  const body = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'tool', refresh_token: spent[0] });
  const answer = await fetch(`${issuer}/token`, { method: 'POST', body });
  assert.equal((await answer.json()).error, 'invalid_grant', 'the first one is spent');
  assert.equal(revoked, 1, 'and whoever uses it ends the grant');
  const refused = await desk.start('get', '--force-refresh').done;
  assert.equal(refused.code, 4, refused.stderr);
  assert.match(refused.stderr, /token login --issuer op/);
}

// With a code, in another browser; and out.
async function device() {
  const run = desk.start('login', '--issuer', 'op', '--use-device-code');
  const [, page] = await until('a code', () => /Or open (\S+)/.exec(run.stderr) ?? undefined);
  await new Person().signIn(page);
  assert.equal((await run.done).code, 0, run.stderr);
  assert.equal(count(DEVICE), 1);
  await desk.run('get', '--force-refresh');
  const { sent } = granted.at(-1);
  assert.equal(sent.grant_type, 'refresh_token');
  await desk.run('logout');
  assert.equal(revoked, 2, 'the sign-out revokes');
  const body = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'tool', refresh_token: sent.refresh_token });
  assert.equal((await fetch(`${issuer}/token`, { method: 'POST', body })).status, 400);
}

// Programs: by a secret, and by certificates whose keys the provider has.
async function programs() {
  const login = ['login', '--issuer', issuer, '--scope', 'api:read', '--client-id'];
  await desk.run(...login, 'robot', '--client-secret', 'env:ROBOT');
  assert.equal(granted.at(-1).client, 'robot');
  for (const [client, { pem, thumbprint }] of Object.entries(agents)) {
    await desk.run(...login, client, '--certificate', pem);
    assert.equal(granted.at(-1).client, client);
    const [header, claims] = granted.at(-1).sent.client_assertion.split('.').slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url')));
    assert.equal(header.alg, client === 'rsa-agent' ? 'PS256' : 'ES256');
    assert.equal(header['x5t#S256'], thumbprint);
    assert.equal(claims.aud, issuer);
    const first = await desk.run('get', '--account', client);
    assert.notEqual(await desk.run('get', '--account', client, '--force-refresh'), first);
  }
  // The one's certificate does not make it the other.
  const refused = await desk.start(...login, 'rsa-agent', '--certificate', agents['ec-agent'].pem).done;
  assert.equal(refused.code, 1, refused.stderr);
  assert.match(refused.stderr, /invalid_client|client authentication failed/);
  assert.equal(count('client_credentials'), 5);
}

try {
  await browser();
  await refreshes();
  await device();
  await programs();
  const grants = Object.entries(Object.groupBy(granted, ({ sent }) => sent.grant_type));
  console.log(`granted by oidc-provider: ${grants.map(([grant, all]) => `${all.length} × ${grant}`).join(', ')}`);
} finally {
  server.closeAllConnections();
  server.close();
}
