// The sign-in in a real browser: node sign_in.mjs TOKEN ISSUER CHROMIUM PICTURES, with puppeteer-core to be found.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import puppeteer from 'puppeteer-core';
import { Desk } from './desk.mjs';

const [token, issuerProgram, executablePath, pictures] = process.argv.slice(2);
// It ends when its standard input does, which is when we do.
const issuer = spawn(issuerProgram, ['--strict'], { stdio: ['pipe', 'pipe', 'inherit'] });
const line = await new Promise((said) => readline.createInterface({ input: issuer.stdout }).once('line', said));
const { base_url: base, oidc_issuer: oidc, control_url: control } = JSON.parse(line);
const desk = new Desk(token, `cloud = "lab"
[clouds.lab]
authority_host = "${base}"
resource_manager = "${base}"
resource = "https://management.core.windows.net/"
[issuers.eng]
issuer = "${oidc}"
client_id = "tool"
`);
const browser = await puppeteer.launch({
  executablePath, headless: true,
  // Chromium has no sandbox for a superuser, as who builds in a container mostly is.
  args: ['--disable-gpu', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
});

async function tab(theme = 'light') {
  const page = await browser.newPage();
  await page.setViewport({ width: 1000, height: 640 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
  return page;
}

// What the page says, which is kept as a picture too.
async function shown(page, name) {
  await page.waitForSelector('main h1', { timeout: 30_000 });
  const picture = path.join(pictures, `${name}.png`);
  await page.screenshot({ path: picture });
  assert.ok(fs.statSync(picture).size > 5_000, `${picture} shows hardly anything`);
  return page.evaluate(() => document.querySelector('main').innerText);
}

async function signIn(words, decision, theme) {
  const run = desk.start('login', ...words);
  const page = await tab(theme);
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('pageerror', (error) => asked.push(String(error)));
  await page.goto(await desk.url());
  await page.click(`button[value=${decision}]`);
  const said = await shown(page, `${decision}-${theme}`);
  const { code } = await run.done;
  if (decision === 'approve') {
    assert.match(said, /You are signed in/);
    assert.match(said, /ada@contoso\.example/);
    assert.equal(code, 0, run.stderr);
    assert.ok(await desk.run('get'));
  } else {
    assert.match(said, /The sign-in failed/);
    assert.match(said, /declined/);
    assert.equal(code, 1, run.stderr);
    assert.match(run.stderr, /declined/);
  }
  // No code is in an address, and the page loads nothing.
  assert.ok(asked.every((url) => !url.includes('code=')), asked.join('\n'));
  const back = asked.findIndex((url) => !url.startsWith(base));
  assert.equal(back, asked.length - 1, asked.join('\n'));
  await page.close();
}

// A second tab sends the same code while the first one waits for the tokens.
async function replay() {
  const post = (name, body) => fetch(`${control}/${name}`, { method: 'POST', body: JSON.stringify(body) });
  await post('hold', { route: 'token', grant_type: 'authorization_code' });
  const run = desk.start('login');
  const first = await tab();
  let sent;
  first.on('request', (request) => {
    if (request.method() === 'POST' && !request.url().startsWith(base)) sent = request;
  });
  await first.goto(await desk.url());
  await Promise.all([fetch(`${control}/await?at_gate=1`), first.click('button[value=approve]')]);
  const second = await tab();
  const fields = [...new URLSearchParams(sent.postData())]
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`);
  await second.setContent(`<form method="post" action="${sent.url()}">${fields.join('')}<button>Again</button></form>`);
  const [answer] = await Promise.all([second.waitForNavigation(), second.click('button')]);
  assert.equal(answer.status(), 400);
  assert.match(await shown(second, 'replay'), /answered already/);
  await post('release', {});
  assert.match(await shown(first, 'replayed'), /You are signed in/);
  assert.equal((await run.done).code, 0, run.stderr);
}

try {
  for (const [words, theme] of [[[], 'light'], [['--issuer', 'eng'], 'dark']]) {
    await signIn(words, 'decline', theme);
    await signIn(words, 'approve', theme);
  }
  await replay();
  console.log(`signed in, declined and replayed in ${await browser.version()}; pictures in ${path.resolve(pictures)}`);
} finally {
  await browser.close();
  issuer.kill();
}
