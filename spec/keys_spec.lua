-- Keys: pairs, authorization keys, signatures, canonical JSON. The sandbox's own code and
-- the openssl command seal keys and check signatures here, never the code under test.

local child = require "spec.support.child"
local grid = require "grid"
local json = require "grid.json"
local rig = require "spec.support.rig"

-- RFC 9180, appendix A.5.1: the recipient's pair, in the forms that a private key comes
-- in.
local SCALAR = "a4d1c55836aa30f9b3fbb6ac98d338c877c2867dd3a77396d13f68d3ab150d3b"
local POINT = "04a697bffde9405c992883c5c439d6cc358170b51af72812333b015621dc0f40ba"
  .. "d9bb726f68a5c013806a790ec716ab8669f84f6b694596c2987cf35baba2a006"

local function base64(hex)
  local pipe = assert(io.popen(("printf %%s '%s' | sed 's/../\\\\\\\\x&/g' | xargs printf | openssl base64 -A"):format(hex)))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local PKCS8_HEAD = "020100301306072a8648ce3d020106082a8648ce3d030107"
local SPKI = "3059301306072a8648ce3d020106082a8648ce3d030107034200" .. POINT
local FORMS = {
  ["67 bytes"] = "3041" .. PKCS8_HEAD .. "0427302502010104 20" .. SCALAR,
  ["138 bytes"] = "308187" .. PKCS8_HEAD .. "046d306b02010104 20" .. SCALAR .. "a144034200" .. POINT,
  ["68 bytes, cut off by the TypeScript SDK"] = "308187" .. PKCS8_HEAD .. "046d306b02010104 20" .. SCALAR,
}

describe("a key pair", function()
  before_each(rig.mark)
  after_each(rig.assert_nothing_left)

  it("is new each time, and shows its public half in 91 bytes of SPKI", function()
    local one, other = grid.keypair(), grid.keypair()
    assert.matches("^MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE[%w+/]+=*$", one.public_key)
    assert.equal(124, #one.public_key)
    assert.not_equal(one.public_key, other.public_key)
  end)

  for name, hex in pairs(FORMS) do
    it("comes in as PKCS#8 of " .. name, function()
      local text = base64((hex:gsub(" ", "")))
      for _, form in ipairs { text, "wallet-auth:" .. text, "wallet-api:" .. text, text .. "\n" } do
        local pair = assert(grid.keypair(form))
        assert.equal(base64(SPKI), pair.public_key)
      end
    end)
  end

  it("comes in as ECPrivateKey, which names its curve", function()
    local EC_PRIVATE_KEY = "3031020101 0420" .. SCALAR .. "a00a06082a8648ce3d030107"
    assert.equal(base64(SPKI), assert(grid.keypair(base64((EC_PRIVATE_KEY:gsub(" ", ""))))).public_key)
    local _, err = grid.keypair(base64("3025020101" .. "0420" .. SCALAR))
    assert.same({ "crypto", "wrong_curve" }, { err.kind, err.code })
  end)

  it("comes in as PEM, and goes out as PKCS#8 that openssl takes", function()
    local pair = grid.keypair()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("-----BEGIN PRIVATE KEY-----\n", (pair:export():gsub(("."):rep(64), "%0\n")), "\n-----END PRIVATE KEY-----\n")
    file:close()
    local pipe = assert(io.popen("openssl pkey -in " .. path .. " -pubout -outform DER | openssl base64 -A"))
    assert.equal(pair.public_key, pipe:read "*a")
    pipe:close()
    file = assert(io.open(path))
    assert.equal(pair.public_key, assert(grid.keypair(file:read "*a")).public_key)
    file:close()
    os.remove(path)
  end)

  it("comes in from the files that openssl writes, or is refused with the reason", function()
    local folder = child.folder()
    local code, _, problem = folder:run [[
      export OPENSSL_CONF=/dev/null
      openssl ecparam -name prime256v1 -genkey -out parameters &&
      openssl pkey -in parameters -out pkcs8 &&
      openssl pkey -in pkcs8 -traditional -out sec1 &&
      openssl req -x509 -new -key pkcs8 -subj /CN=a -out certificate &&
      openssl pkcs12 -export -inkey pkcs8 -in certificate -passout pass:word -out p12 &&
      openssl pkcs12 -in p12 -passin pass:word -nodes -out bags &&
      cat pkcs8 certificate certificate >chain && cat certificate sec1 >before &&
      awk '{ printf "%s\\n", $0 }' pkcs8 >spelled &&
      openssl pkey -in pkcs8 -text -out text &&
      openssl pkey -in pkcs8 -aes128 -passout pass:word -out encrypted &&
      openssl ec -in pkcs8 -aes128 -passout pass:word -out traditional 2>/dev/null]]
    assert.equal(0, code, problem)
    local public_key = assert(grid.keypair(folder:read "pkcs8")).public_key
    for _, name in ipairs { "parameters", "sec1", "bags", "chain", "before", "spelled", "text" } do
      assert.equal(public_key, assert(grid.keypair(folder:read(name))).public_key, name)
    end
    for _, name in ipairs { "encrypted", "traditional" } do
      local pair, err = grid.keypair(folder:read(name))
      assert.is_nil(pair)
      rig.assert_error(err, { kind = "crypto", code = "bad_key" })
      assert.matches("is encrypted: decrypt it first", err.message)
    end
    folder:remove()
  end)

  it("is refused as `crypto` where the text is no such key", function()
    for _, text in ipairs { "", "abc", "AAAA", "wallet-auth:", base64(SPKI), ("A"):rep(10000) } do
      local pair, err = grid.keypair(text)
      assert.is_nil(pair)
      rig.assert_error(err, { kind = "crypto", sent = "no" })
    end
  end)

  it("prints as a fingerprint, and holds its secret nowhere that can be listed", function()
    local pair = grid.keypair()
    local secret = pair:export()
    assert.matches("^grid%.keypair %(p256:%x+%)$", tostring(pair))
    for name, value in pairs(pair) do
      assert.is_nil(tostring(value):find(secret:sub(40, 80), 1, true), name)
    end
  end)

  it("can be closed again and again, and is of no use then", function()
    local pair = grid.keypair()
    pair:close()
    pair:close()
    assert.equal("grid.keypair (closed)", tostring(pair))
    rig.assert_misuse(function() pair:export() end, "closed")
    rig.assert_misuse(function() pair:open {} end, "keys:open", "closed")
    rig.assert_misuse(function() grid.keypair():open(42) end, "keys:open: a table or a string is expected, got number")
  end)

  it("is misused with a dot, or as the other kind of key", function()
    local pair = grid.keypair()
    local auth = grid.authorization_key(pair:export())
    rig.assert_misuse(function() pair.export() end, "keys:export", "with a colon")
    rig.assert_misuse(function() pair.close {} end, "keys:close", "with a colon")
    rig.assert_misuse(function() pair.open(auth, {}) end, "keys:open", "a grid.keypair is expected")
    rig.assert_misuse(function() auth.sign(pair, "e30=") end, "auth:sign", "a grid.authorization_key is expected")
  end)

  it("is misused with what is no text", function()
    rig.assert_misuse(function() grid.keypair(1) end, "grid.keypair", "string")
    rig.assert_misuse(function() grid.authorization_key {} end, "grid.authorization_key", "string")
    rig.assert_misuse(function() grid.canonicalize() end, "grid.canonicalize", "string")
  end)
end)

describe("an authorization key", function()
  local pair
  local server = rig.sandbox(function() pair:close() end)

  before_each(function() pair = grid.keypair() end)

  local function session()
    return server:sessions({ encryption_public_key = pair.public_key })[1].kms_payload_json
  end

  local function sealed_in(text)
    return json.decode(text).session.Privy.session.encrypted_authorization_key
  end

  it("opens from the API's table, from its JSON text, and from a whole session", function()
    local text = session()
    local sealed = sealed_in(text)
    local expected = assert(pair:open(sealed)).public_key
    for _, form in ipairs { json.encode(sealed), text, json.decode(text) } do
      local auth = assert(pair:open(form))
      assert.equal(expected, auth.public_key)
      assert.matches("^grid%.authorization_key %(p256:%x+%)$", tostring(auth))
      auth:close()
    end
  end)

  for _, settings in ipairs {
    { key_form = "pkcs8_short" }, { key_form = "pem" }, { key_prefix = "wallet-auth" }, { key_prefix = "wallet-api" },
  } do
    it("opens in the form " .. (settings.key_form or settings.key_prefix), function()
      server:set(settings)
      assert.matches("^MFkw", assert(pair:open(session())).public_key)
    end)
  end

  it("comes back from its export", function()
    local auth = assert(pair:open(session()))
    assert.equal(auth.public_key, assert(grid.authorization_key(auth:export())).public_key)
  end)

  it("does not open with another pair, or when a bit of it has changed", function()
    local text = session()
    local auth, err = grid.keypair():open(text)
    assert.is_nil(auth)
    rig.assert_error(err, { kind = "crypto", code = "open_failed" })
    local sealed = sealed_in(text)
    for _, name in ipairs { "encapsulated_key", "ciphertext" } do
      local changed = { encryption_type = "HPKE", encapsulated_key = sealed.encapsulated_key, ciphertext = sealed.ciphertext }
      changed[name] = changed[name]:sub(1, 20) .. (changed[name]:sub(21, 21) == "A" and "B" or "A") .. changed[name]:sub(22)
      auth, err = pair:open(changed)
      assert.is_nil(auth)
      rig.assert_error(err, { kind = "crypto" })
    end
  end)

  it("that is missing is an error, never another key", function()
    local decoded = json.decode(session())
    decoded.session.Privy.session.encrypted_authorization_key = grid.null
    for _, nothing in ipairs { decoded, {}, grid.null, "null", "{}" } do
      local auth, err = pair:open(nothing)
      assert.is_nil(auth)
      rig.assert_error(err, { kind = "crypto", code = "no_encrypted_key" })
    end
    local auth, err = pair:open(nil)
    assert.is_nil(auth)
    rig.assert_error(err, { kind = "crypto", code = "no_encrypted_key" })
  end)

  it("may have null in place of what it leaves out", function()
    local sealed = sealed_in(session())
    sealed.encryption_type = grid.null
    assert(pair:open(sealed)):close()
    assert(pair:open { encapsulated_key = grid.null, encrypted_authorization_key = sealed }):close()
  end)

  it("in a form that is not HPKE, or not whole, is refused", function()
    local _, err = pair:open { encryption_type = "RSA", encapsulated_key = "AA==", ciphertext = "AA==" }
    rig.assert_error(err, { kind = "crypto", code = "unknown_encryption" })
    _, err = pair:open { encapsulated_key = "AA==" }
    rig.assert_error(err, { kind = "crypto", code = "bad_encrypted_key" })
    _, err = pair:open "not JSON"
    rig.assert_error(err, { kind = "crypto" })
  end)

  it("signs the canonical form: two spellings of one payload have signatures that openssl takes for both", function()
    local auth = assert(pair:open(session()))
    local folder = assert(io.popen "mktemp -d"):read "*l"
    local function write(name, text)
      local file = assert(io.open(folder .. "/" .. name, "w"))
      file:write(text)
      file:close()
    end
    write("canonical", '{"a":1000,"b":[true,null]}')
    write("key", auth.public_key .. "\n")
    -- {"b": [true, null], "a": 1e3} and { "a":1000.0,"b":[ true,null ]}
    for _, payload in ipairs { "eyJiIjogW3RydWUsIG51bGxdLCAiYSI6IDFlM30=", "eyAiYSI6MTAwMC4wLCJiIjpbIHRydWUsbnVsbCBdfQ==" } do
      write("signature", assert(auth:sign(payload)) .. "\n")
      local pipe = assert(io.popen(("cd '%s' && openssl base64 -d -A -in key -out key.der && "
        .. "openssl base64 -d -A -in signature -out s.der && "
        .. "openssl dgst -sha256 -verify key.der -keyform DER -signature s.der canonical 2>&1"):format(folder)))
      assert.equal("Verified OK\n", pipe:read "*a")
      pipe:close()
    end
    os.execute(("rm -rf '%s'"):format(folder))
  end)

  it("signs nothing that is not base64 of JSON", function()
    local auth = assert(pair:open(session()))
    for _, payload in ipairs { "!", "e30", "e30=x", "bm90IEpTT04=", "" } do
      local signature, err = auth:sign(payload)
      assert.is_nil(signature)
      rig.assert_error(err, { kind = "request", sent = "no" })
    end
    rig.assert_misuse(function() auth:sign(1) end, "auth:sign")
    auth:close()
    rig.assert_misuse(function() auth:sign "e30=" end, "closed")
  end)
end)

describe("canonical JSON", function()
  it("is RFC 8785's for its published vectors", function()
    for _, name in ipairs { "arrays", "french", "structures", "unicode", "values", "weird" } do
      local function read(kind)
        local file = assert(io.open(("spec/vectors/jcs/%s/%s.json"):format(kind, name)))
        local text = file:read "*a"
        file:close()
        return text
      end
      assert.equal(read "output", grid.canonicalize(read "input"), name)
    end
  end)

  it("is refused for names that stand twice, lone surrogates, and numbers beyond a double", function()
    for _, text in ipairs { '{"a":1,"a":2}', '"\\ud800"', "1e400", "[1,]", "", ("["):rep(65) .. ("]"):rep(65) } do
      local canonical, err = grid.canonicalize(text)
      assert.is_nil(canonical)
      rig.assert_error(err, { kind = "request", sent = "no" })
    end
  end)
end)
