-- The cryptography for the keeper through Lua: the contract of the binding. The vectors
-- are in spec/c.

local core = require "grid.core"

local function unhex(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function refused(code, value, kind, got)
  assert.is_nil(value)
  assert.same({ code == "bad_base64" and "request" or "crypto", code }, { kind, got })
end

describe("authenticated encryption", function()
  local key, nonce = ("k"):rep(32), ("n"):rep(12)

  it("opens what it sealed, every byte and an empty text included", function()
    for _, text in ipairs { "", "\0", "text", ("\255\0"):rep(5000) } do
      local sealed = assert(core.aead_seal(key, nonce, "aad", text))
      assert.equal(#text + 16, #sealed)
      assert.equal(text, core.aead_open(key, nonce, "aad", sealed))
    end
  end)

  it("refuses another key, nonce, aad or text", function()
    local sealed = assert(core.aead_seal(key, nonce, "aad", "text"))
    refused("open_failed", core.aead_open(("K"):rep(32), nonce, "aad", sealed))
    refused("open_failed", core.aead_open(key, ("N"):rep(12), "aad", sealed))
    refused("open_failed", core.aead_open(key, nonce, "aaD", sealed))
    refused("open_failed", core.aead_open(key, nonce, "aad", sealed .. "x"))
    refused("open_failed", core.aead_open(key, nonce, "aad", ""))
  end)

  it("raises for a key or nonce of another length", function()
    assert.error_matches(function() core.aead_seal("short", nonce, "", "") end, "a key has 32 bytes")
    assert.error_matches(function() core.aead_open(key, nonce .. "x", "", "") end, "a nonce has 12 bytes")
  end)
end)

describe("SHA-256", function()
  it("gives the values of FIPS 180-2", function()
    assert.equal(unhex "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", core.sha256 "abc")
    assert.equal(unhex "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", core.sha256 "")
  end)
end)

describe("HMAC and HKDF", function()
  it("give the values of RFC 4231 and RFC 5869", function()
    assert.equal(unhex "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      core.hmac_sha256("Jefe", "what do ya want for nothing?"))
    assert.equal(unhex "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
      core.hkdf_sha256(("\11"):rep(22), unhex "000102030405060708090a0b0c", unhex "f0f1f2f3f4f5f6f7f8f9", 42))
  end)

  it("raise for a size that HKDF cannot give", function()
    assert.equal(8160, #core.hkdf_sha256("ikm", "", "", 8160))
    assert.error_matches(function() core.hkdf_sha256("ikm", "", "", 8161) end, "1 to 8160 bytes")
    assert.error_matches(function() core.hkdf_sha256("ikm", "", "", 0) end, "1 to 8160 bytes")
  end)
end)

describe("random bytes", function()
  it("come in the number that was asked for, and once", function()
    local seen = {}
    for _, size in ipairs { 1, 12, 32, 255, 256, 257, 4096 } do
      local bytes = core.random_bytes(size)
      assert.equal(size, #bytes)
      if size >= 12 then
        assert.is_nil(seen[bytes:sub(1, 12)])
        seen[bytes:sub(1, 12)] = true
        assert.is_nil(bytes:find(("\0"):rep(12), 1, true))
      end
    end
    assert.error_matches(function() core.random_bytes(4097) end, "1 to 4096 bytes")
    assert.error_matches(function() core.random_bytes(0) end, "1 to 4096 bytes")
  end)
end)

describe("a result of fixed size", function()
  it("costs no memory but its own", function()
    local function allocated(make)
      make(0)
      collectgarbage()
      collectgarbage "stop"
      local before = collectgarbage "count"
      for i = 1, 100 do make(i) end
      local bytes = (collectgarbage "count" - before) * 1024 / 100
      collectgarbage "restart"
      return bytes
    end
    for name, make in pairs {
      random_bytes = function() return core.random_bytes(16) end,
      hmac_sha256 = function(i) return core.hmac_sha256("key", "text " .. i) end,
      hkdf_sha256 = function(i) return core.hkdf_sha256("key", "salt " .. i, "", 44) end,
    } do
      local bytes = allocated(make)
      assert.is_true(bytes < 300, ("%s: %.0f bytes"):format(name, bytes))
    end
  end)
end)

describe("hexadecimal digits", function()
  it("are two for each byte", function()
    assert.equal("00097f80ff", core.hex "\0\9\127\128\255")
    assert.equal("", core.hex "")
    assert.equal(("6e"):rep(64), core.hex(("n"):rep(64)))
    assert.error_matches(function() core.hex(("n"):rep(65)) end, "up to 64 bytes")
  end)
end)

describe("base64url", function()
  it("has the alphabet of RFC 4648 section 5, and no padding", function()
    assert.equal("_-8", core.base64url_encode "\255\239")
    assert.equal("\255\239", core.base64url_decode "_-8")
    assert.equal("", core.base64url_encode "")
    refused("bad_base64", core.base64url_decode "/+8")
    refused("bad_base64", core.base64url_decode "_-8=")
  end)
end)

describe("a raw signature", function()
  it("is 64 bytes, and another one each time", function()
    local key = assert(core.key_new())
    local one, other = key:sign_raw "text", key:sign_raw "text"
    assert.same({ 64, 64 }, { #one, #other })
    assert.not_equal(one, other)
    key:close()
    assert.error_matches(function() key:sign_raw "text" end, "the key is closed")
  end)
end)
