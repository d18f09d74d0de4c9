// Somebody who signs in: a home directory of their own, the program, and a browser that only says where it was sent.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

// Nothing here takes as long as this, and what hangs must not look as if it went on.
const LIMIT = 120_000;
setTimeout(() => {
  console.error(`this took more than ${LIMIT / 1000} s`);
  process.exit(1);
}, LIMIT).unref();

export class Desk {
  constructor(token, config, variables = {}) {
    this.token = token;
    this.home = fs.mkdtempSync(path.join(os.tmpdir(), 'token-interop-'));
    this.variables = variables;
    this.children = new Set();
    fs.writeFileSync(path.join(this.home, 'config.toml'), config);
    this.browser = path.join(this.home, 'browser');
    fs.writeFileSync(this.browser, '#!/bin/sh\nprintf "%s\\n" "$1" > "$0.url"\n', { mode: 0o700 });
    process.on('exit', () => this.leave());
  }

  // Starts the program; `done` is what it came to, `stderr` what it has said so far.
  start(...words) {
    const env = {
      HOME: this.home, PATH: process.env.PATH, TOKEN_CONFIG: path.join(this.home, 'config.toml'),
      BROWSER: this.browser, ...this.variables,
    };
    const child = spawn(this.token, words, { env });
    this.children.add(child);
    const run = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => { run.stdout += text; });
    child.stderr.on('data', (text) => { run.stderr += text; });
    run.done = new Promise((ended) => child.on('close', (code) => {
      this.children.delete(child);
      ended({ code, ...run });
    }));
    return run;
  }

  // Runs the program, which has to succeed.
  async run(...words) {
    const { code, stdout, stderr } = await this.start(...words).done;
    if (code !== 0) throw new Error(`token ${words.join(' ')}: exit ${code}\n${stderr}`);
    return stdout.trim();
  }

  // Where the browser was sent, once it was.
  url() {
    const file = `${this.browser}.url`;
    return until('a browser', () => {
      const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
      if (!text.endsWith('\n')) return undefined;
      fs.unlinkSync(file);
      return text.trim();
    });
  }

  leave() {
    for (const child of this.children) child.kill();
    fs.rmSync(this.home, { recursive: true, force: true });
  }
}

// Looks again and again until there is something.
export async function until(what, look) {
  const end = Date.now() + 30_000;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`waited for ${what} in vain`);
    await new Promise((later) => setTimeout(later, 20));
  }
}
