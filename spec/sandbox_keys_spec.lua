-- The authorization keys that the sandbox seals: node opens them, and they have the form
-- of RFC 9180.

local client = require "spec.sandbox.client"
local json = require "spec.sandbox.json"
local peer = require "spec.sandbox.peer"
local sandbox = require "spec.support.sandbox"

local function read_json(path)
  local file = assert(io.open(path, "rb"))
  local value = assert(json.decode(file:read "*a"))
  file:close()
  return value
end

describe("the sandbox seals its authorization keys", function()
  local server, pair

  setup(function()
    server = sandbox.share()
    pair = peer.keypair()
  end)
  teardown(function() server:stop() end)
  before_each(function() server:reset() end)

  local function refreshed(payload, public_key)
    local answer = client.call(server, client.REFRESH, client.request(payload, public_key))
    assert.equal(200, answer.status)
    return client.payload_of(answer)
  end

  local function first_payload()
    return server:sessions({ encryption_public_key = pair.public_key })[1].kms_payload_json
  end

  it("so that the private key's owner can open them", function()
    local payload = first_payload()
    local first = peer.open(payload, pair)
    local second = peer.open(refreshed(payload, pair.public_key), pair)
    assert.equal(184, #first.text) -- base64 of 138 bytes
    assert.not_equal(first.public_key, second.public_key)
  end)

  it("to the key that came with the request, whatever was sent before", function()
    local other = peer.keypair()
    local payload = refreshed(first_payload(), other.public_key)
    assert.equal(184, #peer.open(payload, other).text)
    assert.has_error(function() peer.open(payload, pair) end, "Unsupported state or unable to authenticate data")
  end)

  it("to a key that came in compressed form", function()
    assert.equal(184, #peer.open(refreshed(first_payload(), pair.compressed_public_key), pair).text)
  end)

  it("in every form in which a private key may be written", function()
    server:set { key_form = "pkcs8_short" }
    assert.equal(92, #peer.open(first_payload(), pair).text) -- base64 of 67 bytes
    server:set { key_prefix = "wallet-auth" }
    assert.is_truthy(peer.open(first_payload(), pair).text:find "^wallet%-auth:M")
    server:set { key_form = "pem", key_prefix = "none" }
    assert.is_truthy(peer.open(first_payload(), pair).text:find "^%-%-%-%-%-BEGIN PRIVATE KEY%-%-%-%-%-\n")
    server:set { key_form = "pkcs8", key_prefix = "wallet-api" }
    assert.equal(184 + #"wallet-api:", #peer.open(first_payload(), pair).text)
  end)

  it("at the end of a log-in too", function()
    client.call(server, "/auth", '{"email":"ann@example.com"}')
    local done = client.call(server, "/auth/verify", json.encode {
      email = "ann@example.com", otp_code = server:control("GET", "/otp?email=ann@example.com").otp_code,
      kms_provider = "privy", kms_provider_config = { encryption_public_key = pair.public_key },
    })
    assert.equal(184, #peer.open(json.encode(done.value.authentication[1]), pair).text)
  end)

  it("unless told to send bytes that no key opens", function()
    server:set { seal = false }
    local payload = first_payload()
    local key = client.privy_of(payload).session.encrypted_authorization_key
    assert.equal(88, #key.encapsulated_key)
    assert.equal(268, #key.ciphertext)
    assert.is_false(pcall(peer.open, payload, pair))
  end)

  it("as RFC 9180 A.5.1 does, byte for byte", function()
    local vector = read_json "spec/vectors/hpke_rfc9180_a5_base.json"
    local first = vector.encryptions[1]
    local sealed = server:control("POST", "/seal", {
      encryption_public_key = peer.ask("spki", { point = vector.pkRm }).public_key,
      ephemeral_private_key = vector.skEm, info = vector.info, aad = first.aad, plaintext = first.pt,
    })
    local hex = peer.ask("hex", sealed)
    assert.equal(vector.enc, hex.encapsulated_key)
    assert.equal(first.ct, hex.ciphertext)
  end)

  it("and says what is wrong with the parts it is to seal", function()
    local function refused(with, message)
      assert.has_error(function() server:control("POST", "/seal", with) end, "control /seal: " .. message)
    end
    refused({ encryption_public_key = "AAAA" }, "encryption_public_key is not the SPKI DER of a P-256 key")
    refused({ encryption_public_key = client.KEY, plaintext = "abc" }, "plaintext is not hexadecimal")
  end)
end)
