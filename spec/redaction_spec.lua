-- grid.http.redact on values: which parts of a request are secrets, where they are found
-- in a text, and how long that takes. Errors that are made with it are in
-- secrets_spec.lua.

local core = require "grid.core"
local json = require "grid.json"
local refresh_body = require "grid.api.refresh_body"
local secrets = require "grid.http.redact"

local function shown(text, sent)
  return secrets.new(sent.api_key or "", sent.body or "", sent.cookie or ""):harmless(text)
end

describe("foreign text", function()
  it("is shown without an API key, also a short one", function()
    assert.equal("no [redacted]: key", shown("no Abc1: key", { api_key = "Abc1" }))
    assert.equal("([redacted])", shown("(canary-api-key)", { api_key = "canary-api-key" }))
  end)

  it("is shown without any eight bytes in a row of a longer secret", function()
    assert.equal("<[redacted]>", shown("<12345678>", { api_key = "0123456789" }))
    assert.equal("[redacted]", shown("123456789", { api_key = "0123456789" }))
    assert.equal("[redacted]", shown("0123456789012345678", { api_key = "0123456789" }))
    assert.equal("1234567", shown("1234567", { api_key = "0123456789" }))
  end)

  it("is shown as a code where it shares words with a secret, and nothing more", function()
    local hidden = secrets.new("test_api_key", json.encode { id = "some_unsupported_provider" }, "")
    for _, code in ipairs { "invalid_api_key", "UNSUPPORTED_PROVIDER", "unsupported_provider", "not_found" } do
      assert.equal(code, hidden:name(code))
    end
    for _, code in ipairs { "test_api_key", "no_test_api_key_here" } do assert.equal("[redacted]", hidden:name(code)) end
    assert.equal("[redacted]", secrets.new("0123canaryletters", "", ""):name "canaryletters")
    assert.equal("no.[redacted]", secrets.new("", '{"token":"pass"}', ""):name "no.pass")
    assert.equal("pin [redacted]", secrets.new("", '{"pin_code":4711}', ""):name "pin 4711")
  end)

  it("is shown without the beginning of a secret that reaches over its end", function()
    local hidden = secrets.new("canary-api-key", "", "")
    for length = 1, 30 do
      assert.is_nil(hidden:beginning("0123456789 canary-api-key 0123456789", length):find "can")
    end
    assert.equal("short", hidden:beginning("short", 5))
  end)

  it("is not shown where characters that break a line, blanks or broken bytes separate the letters of a secret", function()
    for _, separator in ipairs { "\t", "\n", "\r\n", "\27", "\127", "\194\133", "\226\128\168", " ", "\255", "\239\191\189" } do
      for _, secret in ipairs { "canary-api-key", "Abc1" } do
        local echo = secret:gsub(".", "%0" .. separator)
        local hidden = secrets.new(secret, "", "")
        for _, text in ipairs { echo, "no " .. echo .. "here", secret .. " and " .. echo } do
          assert.equal("[redacted]", hidden:harmless(text))
          assert.equal("[redacted]", hidden:name(text))
          assert.equal("[redacted]", hidden:beginning(text, 1024))
          assert.equal("[redacted]", secrets.strike(core.visible(text), secret, "", ""))
        end
      end
    end
    assert.equal("[redacted]", shown("pa\tss phr\tase", { body = '{"password":"pass phrase"}' }))
    assert.equal("hot her e", shown("hot her e", { api_key = "other" }))
    assert.equal("a b c d e f g", shown("a b c d e f g", { api_key = "abcdefgh" }))
  end)

  it("is shown without numbers that were sent as a code", function()
    assert.same({ otp = "[redacted]", tries = 3 }, shown({ otp = 123456, tries = 3 }, { body = '{"otp_code":"123456"}' }))
  end)

  it("keeps short secrets that are part of another word", function()
    local sent = { api_key = "here" }
    assert.equal("there, hereby, [redacted].", shown("there, hereby, here.", sent))
    assert.equal("[redacted]", shown("here", sent))
    assert.equal("[redacted] [redacted]", shown("here here", sent))
    assert.equal("x[redacted]x", shown("x-ab-x", { api_key = "-ab-" }))
    assert.equal("abc", shown("abc", { api_key = "abc" })) -- too short to be told from anything
  end)

  it("is shown without the values of cookies, whatever their length", function()
    local sent = { cookie = 'sid=SHORTSECRET12; b=pin9;c="quoted"; bare-value' }
    assert.equal("[redacted] and [redacted], [redacted] ([redacted])", shown("SHORTSECRET12 and pin9, quoted (bare-value)", sent))
    assert.equal("Cookie: [redacted]", shown("Cookie: " .. sent.cookie, sent))
    assert.equal("[redacted]", shown("a=b=cdef", { cookie = "a=b=cdef" }))
    assert.equal("value [redacted] of a", shown("value b=cdef of a", { cookie = "a=b=cdef" }))
  end)

  it("is shown without tokens, keys and codes of the body, also short ones", function()
    local body = json.encode { refresh_token = "rt_123456789", otp_code = "123456", other = { Password = "pass", pin_code = 4711 } }
    for _, secret in ipairs { "rt_123456789", "123456", "pass", "4711" } do
      assert.equal("bad '[redacted]'.", shown(("bad '%s'."):format(secret), { body = body }))
    end
  end)

  it("keeps what is no secret: names, and short words of members that hold none", function()
    local body = json.encode {
      encryption_public_key = ("A"):rep(124), provider = "privy", email = "ann@x.com", refresh_token = "t1t2t3t4",
    }
    local text = "encryption_public_key and refresh_token: privy refuses ann@x.com"
    assert.equal(text, shown(text, { body = body }))
  end)

  it("is shown without the long words of a body, as they were read and as they were written", function()
    local body = '{"a":"Zm9vYmFy\\/Zm9vYmFyZm9v\\u002bYmFyZm9vYmFy"}'
    assert.equal("[redacted]", shown("Zm9vYmFy/Zm9vYmFyZm9v+YmFyZm9vYmFy", { body = body }))
    assert.equal('{"a":"[redacted]"}', shown(body, { body = body }))
  end)

  it("is shown without the long words of a body that is too deep to be read, or has a name twice", function()
    local deepest = ('{"a":'):rep(63) .. '{"refresh_token":"canary-token-1234"}' .. ("}"):rep(63) -- as deep as a payload may be
    local body = refresh_body.new("QUJD", deepest)
    assert.equal("no [redacted]!", shown("no canary-token-1234!", { body = body }))
    assert.equal("[redacted] [redacted]", shown("canary-token-1234 canary-token-5678",
      { body = '{"token":"canary-token-1234","token":"canary-token-5678"}' }))
  end)

  it("may have any form: tables, numbers, and names that are secrets", function()
    local details = { { code = "key Abc1", fine = false, count = 7, Abc1 = "x", list = json.array { "Abc1" } }, json.null }
    assert.same({ { code = "key [redacted]", fine = false, count = 7, list = { "[redacted]" } }, json.null },
      shown(details, { api_key = "Abc1" }))
  end)

  it("is not shown at all where too much was sent to look for it", function()
    assert.is_truthy(secrets.new("key", '"' .. ("x"):rep(60000) .. '"', ""))
    assert.is_nil(secrets.new("key", '"' .. ("x"):rep(70000) .. '"', ""))
  end)

  -- Hundreds of the VM's instructions that it takes to clean 16 KB of details after a
  -- body of so many bytes.
  local function work_for(bytes)
    local words, details, count = {}, {}, 0
    for i = 1, bytes / 24 do words[i] = ("word%06dabcdefghijk"):format(i) end
    for i = 1, 160 do
      details[i] = ("the member number %d is not what it should be, see the manual, on page %d; "):format(i, 3 * i)
    end
    local hidden = secrets.new("canary-api-key", json.encode(words), "")
    if jit then -- compiled code calls no hooks
      jit.off()
      jit.flush()
    end
    debug.sethook(function() count = count + 1 end, "", 100)
    hidden:harmless(details)
    debug.sethook()
    if jit then jit.on() end
    return count
  end

  it("takes little work to prepare, whatever a cookie is made of", function()
    local function prepare(blanks)
      local start = os.clock()
      secrets.new("", "", "a=" .. (" "):rep(blanks) .. "x")
      return os.clock() - start
    end
    prepare(1000)
    assert.is_true(prepare(60000) < 60 * math.max(prepare(6000), 0.001)) -- 100 times as much, if it were the square
  end)

  it("takes no more work to clean because more was sent #slow", function()
    local small, large = work_for(1600), work_for(60000)
    assert.is_true(small > 100 and large < 1.5 * small, ("%d, and %d"):format(small, large))
  end)
end)
