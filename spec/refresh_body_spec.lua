-- The body of a refresh: its bytes, and the payloads that must not be sent.

local json = require "grid.json"
local refresh_body = require "grid.api.refresh_body"
local rig = require "spec.support.rig"

describe("the body of a refresh", function()
  it("has the payload byte for byte, and gives its text", function()
    local payload = ' {"provider":"privy", "big":12345678901234567890, "empty":[], "e":1.0, "u":"\\u00e9\195\169"} '
    local body, text = refresh_body.new('k"\n', payload)
    assert.equal('{"encryption_public_key":"k\\"\\n","kms_payload":' .. payload .. "}", body)
    assert.equal(payload, text)
  end)

  it("has a table as the text that json.encode writes", function()
    local payload = { session = { Privy = {} }, list = json.array() }
    local body, text = refresh_body.new("key", payload)
    assert.equal(json.encode(payload), text)
    assert.equal('{"encryption_public_key":"key","kms_payload":' .. text .. "}", body)
  end)

  it("has no payload in the cookie flow", function()
    assert.same({ '{"encryption_public_key":"key"}' }, { refresh_body.new "key" })
  end)

  it("may have a payload that names what no session has, in its values and deeper", function()
    for _, payload in ipairs {
      '{"session":{"Turnkey":null,"Privy":{}}}', '{"a":"Turnkey","b":"private_key"}', '{"Turnkey":1}', '{"a":{"private_key":1}}',
      '{"a":"\\\\"}',
    } do
      assert.equal(payload, select(2, assert(refresh_body.new("key", payload))))
    end
  end)

  it("is made of nothing that could not be refreshed", function()
    for _, case in ipairs {
      { "key", "", "bad_payload" }, { "key", "[]", "bad_payload" }, { "key", "null", "bad_payload" },
      { "key", "{} {}", "bad_payload" }, { "key", '"\255"', "bad_payload" }, { "key", "\239\187\191{}", "bad_payload" },
      { "key", ('{"a":'):rep(65) .. "1" .. ("}"):rep(65), "bad_payload" }, { "key", json.array(), "bad_payload" },
      { "key", '{"session":{"Turnkey":{}}}', "turnkey_session" }, { "key", '{"session":{"\\u0054urnkey":1}}', "turnkey_session" },
      { "key", { session = { Turnkey = {} } }, "turnkey_session" }, { "key", { a = print }, "bad_value" },
      { "\255", "{}", "bad_utf8" }, { "\255", nil, "bad_utf8" },
      { "key", '{"private_key":"MIGH","kms_payload":{"session":{}}}', "private_key" },
      { "key", '{"private\\u005fkey":"MIGH"}', "private_key" }, { "key", { private_key = "MIGH" }, "private_key" },
    } do
      local body, err = refresh_body.new(case[1], case[2])
      assert.is_nil(body)
      rig.assert_error(err, { kind = "request", code = case[3], sent = "no" })
    end
  end)

  it("names a byte order mark, which no editor shows", function()
    local _, err = refresh_body.new("key", "\239\187\191{}")
    assert.is_truthy(err.message:find("byte order mark", 1, true))
  end)
end)
