// The sign-ins at a provider that somebody else has written: node oidc_provider.mjs TOKEN, with oidc-provider to be
// found. PKCE is required, refresh tokens rotate, and a spent one that comes back ends the grant.
import assert from 'node:assert/strict';
import Provider from 'oidc-provider';
import { Desk, until } from './desk.mjs';

const [token] = process.argv.slice(2);
const device = 'urn:ietf:params:oauth:grant-type:device_code';
let provider;
const { server, issuer } = await listen();
const seen = {};
provider.on('grant.success', (context) => {
  const grant = context.oidc.params.grant_type;
  seen[grant] = (seen[grant] ?? 0) + 1;
});
provider.on('grant.error', (_, error) => { seen.errors = [...(seen.errors ?? []), error.error_description]; });
provider.on('grant.revoked', () => { seen.revoked = (seen.revoked ?? 0) + 1; });
const config = `[issuers.op]\nissuer = "${issuer}"\nclient_id = "tool"\n`;
const desk = new Desk(token, config, { ROBOT: 'robot-secret' });

// The issuer's name has its port, which is known once it listens.
async function listen() {
  const { createServer } = await import('node:http');
  const server = createServer((request, response) => provider.callback()(request, response));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'tool', application_type: 'native', token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1'], response_types: ['code'],
        grant_types: ['authorization_code', 'refresh_token', device],
      },
      {
        client_id: 'robot', client_secret: 'robot-secret', redirect_uris: [], response_types: [],
        grant_types: ['client_credentials'],
      },
    ],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    features: {
      clientCredentials: { enabled: true }, deviceFlow: { enabled: true }, revocation: { enabled: true },
    },
    scopes: ['openid', 'offline_access', 'api:read'],
    cookies: { keys: ['for this run only'] },
  });
  return { server, issuer };
}

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

try {
  let run = desk.start('login', '--issuer', 'op');
  const url = await desk.url();
  assert.equal(new URL(url).searchParams.get('response_mode'), 'form_post');
  assert.match(await new Person().signIn(url), /You are signed in/);
  assert.equal((await run.done).code, 0, run.stderr);
  const first = await desk.run('get');
  for (let refresh = 0; refresh < 3; refresh += 1) assert.notEqual(await desk.run('get', '--force-refresh'), first);

  run = desk.start('login', '--issuer', 'op', '--use-device-code');
  const [, page] = await until(() => /Or open (\S+)/.exec(run.stderr) ?? undefined);
  await new Person().signIn(page);
  assert.equal((await run.done).code, 0, run.stderr);
  await desk.run('get', '--force-refresh');
  await desk.run('logout');
  assert.equal(seen.revoked, 1, 'the sign-out revokes');

  await desk.run('login', '--issuer', issuer, '--client-id', 'robot', '--client-secret', 'env:ROBOT', '--scope', 'api:read');
  const grants = { authorization_code: 1, refresh_token: 4, [device]: 1, client_credentials: 1, revoked: 1 };
  // A device is told that nobody has answered yet, which is an error to the provider.
  delete seen.errors;
  assert.deepEqual(seen, grants);
  console.log(`signed in at oidc-provider in every way: ${JSON.stringify(seen)}`);
} finally {
  server.closeAllConnections();
  server.close();
  desk.leave();
}
