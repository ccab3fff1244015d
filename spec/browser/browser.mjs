// A headless Chromium that obeys lines of JSON on standard input, and answers each by a line:
//   { open: URL }          opens a page, and waits until it is loaded
//   { run: "expression" }  the value of JavaScript in the page; promises are waited for
//   { submit: "expression" } the same, and waits for the page that is loaded then
//   { screenshot: path, width, height }
//   { cookies: true }      all cookies of the browser
// Ends with its input, and removes the profile. Speaks the DevTools protocol over a pipe
// (descriptors 3 and 4), so that no port is open. Does not know: what is tested.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const PATIENCE = 30000 // milliseconds for a page

const profile = mkdtempSync(join(tmpdir(), 'grid-chromium.'))
const chromium = spawn(process.env.CHROMIUM || 'chromium', [
  '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars',
  '--disable-background-networking', '--disable-component-update', '--remote-debugging-pipe', `--user-data-dir=${profile}`,
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1', 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })

const waiting = new Map()
const listeners = new Map()
let last = 0
let rest = ''

chromium.stdio[4].on('data', (bytes) => {
  const parts = (rest + bytes).split('\0')
  rest = parts.pop()
  for (const part of parts) {
    const { id, method, result, error } = JSON.parse(part)
    if (id) waiting.get(id)(error ? { failure: error.message } : result)
    else listeners.get(method)?.()
  }
})

let sessionId
const send = (method, params = {}) => new Promise((done) => {
  waiting.set(++last, done)
  chromium.stdio[3].write(JSON.stringify({ id: last, method, params, sessionId }) + '\0')
})
const next = (event) => new Promise((done) => listeners.set(event, done))

const { targetInfos } = await send('Target.getTargets')
const { targetId } = targetInfos.find(({ type }) => type === 'page')
sessionId = (await send('Target.attachToTarget', { targetId, flatten: true })).sessionId
await send('Page.enable')

async function run(expression) {
  const given = { expression, awaitPromise: true, returnByValue: true }
  const { result, exceptionDetails, failure } = await send('Runtime.evaluate', given)
  if (failure || exceptionDetails) return { failure: failure || exceptionDetails.exception?.description || exceptionDetails.text }
  return { value: result.value ?? null }
}

async function loading(begin) {
  const loaded = next('Page.loadEventFired')
  const { failure, errorText } = await begin()
  if (failure || errorText) return { failure: failure || errorText }
  const late = new Promise((done) => setTimeout(done, PATIENCE, 'late'))
  return await Promise.race([loaded, late]) === 'late' ? { failure: 'no page was loaded' } : run('location.href')
}

async function obey({ open, run: expression, submit, screenshot, width, height }) {
  if (open) return loading(() => send('Page.navigate', { url: open }))
  if (submit) return loading(() => run(submit))
  if (expression) return run(expression)
  if (screenshot) {
    await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
    writeFileSync(screenshot, Buffer.from((await send('Page.captureScreenshot', { format: 'png' })).data, 'base64'))
    return { value: true }
  }
  return { value: (await send('Storage.getCookies')).cookies }
}

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await obey(JSON.parse(line))))
await send('Browser.close')
await new Promise((done) => { chromium.exitCode === null ? chromium.on('exit', done) : done() })
rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
process.exit(0)
