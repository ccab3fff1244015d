// The crypto room against three strangers: node's crypto (OpenSSL of its own), WebCrypto, and @hpke/core; canonical JSON against
// npm's canonicalize. Each direction is tried: what they make, we read; what we make, they read. Takes the folder that holds the driver and node_modules.
'use strict'
const assert = require('node:assert/strict')
const crypto = require('node:crypto')
const path = require('node:path')
const { createRequire } = require('node:module')
const { spawn } = require('node:child_process')
const readline = require('node:readline')

const build = path.resolve(process.argv[2])
const load = createRequire(path.join(build, 'package.json'))
const { CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } = load('@hpke/core')
const { Chacha20Poly1305 } = load('@hpke/chacha20poly1305')
const { subtle } = crypto.webcrypto
const hpke = new CipherSuite({ kem: new DhkemP256HkdfSha256(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() })

// ---- The driver: one line asked, one line answered -------------------------------------------------

const driver = spawn(path.join(build, 'driver'), { stdio: ['pipe', 'pipe', 'inherit'] })
const answers = readline.createInterface({ input: driver.stdout })[Symbol.asyncIterator]()

// Gives buffers back; throws an error whose message is our code.
async function core(verb, ...values) {
  const words = values.map(value => Buffer.from(value).toString('base64') || '-')
  driver.stdin.write([verb, ...words].join(' ') + '\n')
  const [status, ...results] = (await answers.next()).value.split(' ')
  if (status !== 'ok') throw new Error(results[0])
  return results.map(text => Buffer.from(text === '-' ? '' : text, 'base64'))
}

const fails = (code, promise) => assert.rejects(promise, { message: code })

// ---- Keys in the forms of others -------------------------------------------------------------------

const pair = (curve = 'P-256', options = {}) => crypto.generateKeyPairSync('ec', { namedCurve: curve, ...options })
const spki = key => key.export({ type: 'spki', format: 'der' })
const pkcs8 = key => key.export({ type: 'pkcs8', format: 'der' })
const text = bytes => Buffer.from(bytes).toString('base64')
const der = (buffer, type) => ({ key: Buffer.from(buffer.toString(), 'base64'), format: 'der', type })

// 67 bytes: PKCS#8 without the public key
function short(key) {
  const scalar = Buffer.from(key.export({ format: 'jwk' }).d, 'base64url')
  return Buffer.concat([Buffer.from('3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420', 'hex'), scalar])
}

const tests = {
  async 'every form in which node writes a private key is read as that key'() {
    const { privateKey, publicKey } = pair()
    const forms = [
      text(pkcs8(privateKey)),
      text(short(privateKey)),
      text(pkcs8(privateKey).subarray(0, 68)),
      'wallet-auth:' + text(pkcs8(privateKey)),
      privateKey.export({ type: 'pkcs8', format: 'pem' }),
      privateKey.export({ type: 'sec1', format: 'pem' }),
      privateKey.export({ type: 'sec1', format: 'pem' }).replace(/\n/g, '\r\n')
    ]
    for (const form of forms) {
      const [exported, own] = await core('import', form)
      assert.equal(exported.toString(), text(pkcs8(privateKey)))
      assert.equal(own.toString(), text(spki(publicKey)))
    }
  },
  async 'our keys are read by node and by WebCrypto'() {
    const [exported, own] = await core('generate')
    const ours = crypto.createPrivateKey(der(exported, 'pkcs8'))
    assert.equal(ours.asymmetricKeyDetails.namedCurve, 'prime256v1')
    assert.equal(text(spki(crypto.createPublicKey(ours))), own.toString())
    assert.equal(Buffer.from(own.toString(), 'base64').length, 91)
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
    const back = await subtle.importKey('pkcs8', Buffer.from(exported.toString(), 'base64'), algorithm, true, ['sign'])
    assert.equal(text(await subtle.exportKey('pkcs8', back)), exported.toString())
    await subtle.importKey('spki', Buffer.from(own.toString(), 'base64'), algorithm, true, ['verify'])
  },
  async 'keys of WebCrypto are read'() {
    const keys = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits'])
    const [exported, own] = await core('import', text(await subtle.exportKey('pkcs8', keys.privateKey)))
    assert.equal(exported.toString(), text(await subtle.exportKey('pkcs8', keys.privateKey)))
    assert.equal(own.toString(), text(await subtle.exportKey('spki', keys.publicKey)))
  },
  async 'keys of other kinds are refused'() {
    for (const curve of ['P-384', 'P-521', 'secp256k1']) {
      const { privateKey } = pair(curve)
      await fails('wrong_curve', core('import', text(pkcs8(privateKey))))
      await fails('wrong_curve', core('import', privateKey.export({ type: 'sec1', format: 'pem' })))
    }
    const explicit = pair('P-256', { paramEncoding: 'explicit' })
    await fails('wrong_curve', core('import', text(pkcs8(explicit.privateKey))))
    for (const kind of ['ed25519', 'x25519', 'rsa']) {
      const { privateKey } = crypto.generateKeyPairSync(kind, { modulusLength: 2048 })
      await fails('bad_key', core('import', text(pkcs8(privateKey))))
    }
    const encrypted = { type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' }
    await fails('bad_key', core('import', pair().privateKey.export(encrypted)))
    await fails('bad_key', core('import', pair().privateKey.export({ ...encrypted, type: 'sec1' })))
  },

  // ---- HPKE ----------------------------------------------------------------------------------------

  async 'what @hpke/core seals, we open'() {
    const [exported, own] = await core('generate')
    const recipientPublicKey = await hpke.kem.importKey('raw', Buffer.from(own.toString(), 'base64').subarray(-65), true)
    for (const [info, aad, plain] of [['', '', 'text'], ['', '', ''], ['info', 'aad', 'x'.repeat(3000)]]) {
      const { enc, ct } = await hpke.seal({ recipientPublicKey, info: Buffer.from(info) }, Buffer.from(plain), Buffer.from(aad))
      const [opened] = await core('open', exported, Buffer.from(enc), info, aad, Buffer.from(ct))
      assert.equal(opened.toString(), plain)
      const broken = Buffer.from(ct)
      broken[broken.length - 1] ^= 1
      await fails('open_failed', core('open', exported, Buffer.from(enc), info, aad, broken))
    }
  },
  async 'what we seal, @hpke/core opens'() {
    const recipientKey = await hpke.kem.generateKeyPair()
    const own = Buffer.from(await subtle.exportKey('raw', recipientKey.publicKey))
    for (const [info, aad, plain] of [['', '', 'text'], ['', '', ''], ['info', 'aad', 'x'.repeat(3000)]]) {
      const [enc, ct] = await core('seal', own, info, aad, plain)
      const opened = await hpke.open({ recipientKey, enc, info: Buffer.from(info) }, ct, Buffer.from(aad))
      assert.equal(Buffer.from(opened).toString(), plain)
    }
  },
  async 'an authorization key that @hpke/core sealed comes out and signs, in each form of its text'() {
    const [exported, own] = await core('generate')
    const recipientPublicKey = await hpke.kem.importKey('raw', Buffer.from(own.toString(), 'base64').subarray(-65), true)
    const { privateKey, publicKey } = pair()
    const forms = [
      text(pkcs8(privateKey)), text(short(privateKey)), 'wallet-auth:' + text(pkcs8(privateKey)),
      'wallet-api:' + text(short(privateKey)), privateKey.export({ type: 'pkcs8', format: 'pem' })
    ]
    for (const form of forms) {
      const { enc, ct } = await hpke.seal({ recipientPublicKey }, Buffer.from(form))
      const [authorization] = await core('open_authorization', exported, text(enc), text(ct))
      const [signature] = await core('sign', authorization, 'message')
      assert.ok(crypto.verify('sha256', Buffer.from('message'), publicKey, Buffer.from(signature.toString(), 'base64')))
    }
  },

  // ---- Signatures ----------------------------------------------------------------------------------

  async 'what we sign, node and WebCrypto verify'() {
    const [exported, own] = await core('generate')
    const key = crypto.createPublicKey(der(own, 'spki'))
    const web = await subtle.importKey('spki', spki(key), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify'])
    for (let i = 0; i < 200; i++) { // lengths of r and s differ, so do the DER forms
      const message = crypto.randomBytes(i)
      const signature = Buffer.from((await core('sign', exported, message))[0].toString(), 'base64')
      assert.ok(crypto.verify('sha256', message, key, signature))
      assert.ok(!crypto.verify('sha256', Buffer.concat([message, Buffer.from('x')]), key, signature))
      assert.ok(await subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, web, flat(signature), message))
    }
  },
  async 'a raw signature is what JWS calls ES256'() {
    for (let i = 0; i < 20; i++) {
      const { privateKey, publicKey } = pair()
      const [signature] = await core('sign_raw', text(pkcs8(privateKey)), 'message')
      const key = { key: publicKey, dsaEncoding: 'ieee-p1363' }
      assert.ok(crypto.verify('sha256', Buffer.from('message'), key, signature))
      assert.ok(!crypto.verify('sha256', Buffer.from('massage'), key, signature))
    }
  },

  async 'what we seal, node opens'() {
    const [key, nonce, aad] = [crypto.randomBytes(32), crypto.randomBytes(12), crypto.randomBytes(20)]
    const [sealed] = await core('aead_seal', key, nonce, aad, 'plaintext')
    const cipher = crypto.createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
    cipher.setAAD(aad, { plaintextLength: sealed.length - 16 })
    cipher.setAuthTag(sealed.subarray(-16))
    assert.equal(Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]).toString(), 'plaintext')
  }
}

// ---- Canonical JSON --------------------------------------------------------------------------------

// A random document: every kind of value, names in no order, texts of every length in UTF-8.
function document(depth = 0) {
  const pick = count => crypto.randomInt(count)
  const word = () => Array.from({ length: pick(6) }, () => String.fromCodePoint([pick(128), 0xe9, 0x20ac, 0x1f600, 0xfb33][pick(5)])).join('')
  const some = make => Array.from({ length: pick(6) }, make)
  const double = () => crypto.randomBytes(8).readDoubleLE()
  const number = [() => pick(1e6), () => -pick(1e6) / 64, double][pick(3)]()
  switch (pick(depth < 5 ? 7 : 5)) {
    case 0: return word()
    case 1: return Number.isFinite(number) ? number : 0
    case 2: return null
    case 3: return pick(2) === 0
    case 4: return [1e21, 1e-7, 5e-324, -0, 9007199254740993][pick(5)]
    case 5: return some(() => document(depth + 1))
    default: return Object.fromEntries(some(() => [word(), document(depth + 1)]))
  }
}

tests['what npm canonicalizes, we write in the same bytes, and what is canonical stays so'] = async () => {
  const { default: canonicalize } = await import(path.join(build, 'node_modules/canonicalize/lib/canonicalize.js'))
  for (let i = 0; i < 3000; i++) {
    const value = document()
    const expected = canonicalize(value)
    for (const spelling of [JSON.stringify(value), JSON.stringify(value, null, 3), expected]) {
      const [ours] = await core('canonicalize', spelling)
      assert.equal(ours.toString(), expected)
    }
  }
}

// DER to the r || s of WebCrypto
function flat(signature) {
  const r = signature.subarray(4, 4 + signature[3])
  const s = signature.subarray(6 + signature[3])
  const pad = number => Buffer.concat([Buffer.alloc(32), number]).subarray(-32)
  return Buffer.concat([pad(r), pad(s)])
}

async function main() {
  let passed = 0
  let failed = 0
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test()
      passed++
    } catch (error) {
      failed++
      console.log(`not so: ${name}\n${error.stack}`)
    }
  }
  driver.stdin.end()
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed ? 1 : 0
}

main()
