-- Names of the protocol in the locale of the program. In Turkish, "I" is not the capital
-- of "i"; in Latin-1, bytes from 192 on are letters. On LuaJIT the C core alone could
-- follow it.

local child = require "spec.support.child"
local rig = require "spec.support.rig"

describe("in a locale,", function()
  local folder, server = nil, rig.sandbox()

  setup(function() folder = child.folder() end)
  teardown(function() folder:remove() end)

  -- Runs a program in that locale, with `client`, which is one of the sandbox. -> what it
  -- printed | nil: the locale cannot be made here
  local function run(locale, program)
    local name, charset = locale:match "^(.*)%.(.*)$"
    folder:run(("test -d %s || localedef -i %s -f %s ./%s"):format(locale, name, charset, locale))
    local output = rig.run(([[
      if not os.setlocale "%s" then return print "no locale" end
      local grid, path = require "grid", nil
      local client = grid.new { base_url = "%s", api_key = "k", retries = 0, on_event = function(event) path = event.path end }
      local function try(headers) print((select(2, pcall(client.request, client, "POST", "/x", {}, { headers = headers })))) end
      %s]]):format(locale, server.http, program), { LOCPATH = folder.path })
    if output ~= "no locale\n" then return output end
  end

  it("headers that libcurl and options set are refused in either case", function()
    local output = run("tr_TR.UTF-8", [[
      try { ["TRANSFER-ENCODING"] = "chunked" }
      try { ["AUTHORIZATION"] = "Bearer other" }]])
    if not output then return pending "there is no locale tr_TR" end
    assert.matches("'TRANSFER%-ENCODING' is set by libcurl\n", output)
    assert.matches("'AUTHORIZATION' is set by the option 'api_key'\n", output)
  end)

  it("a header of the caller replaces that of the same name", function()
    local output = run("tr_TR.UTF-8", [[
      client:request("POST", "/auth", { email = "a@b.c", provider = "privy" }, { headers = { ["CONTENT-TYPE"] = "text/plain" } })
      local request = { method = "GET", url = "https://a.b", headers = { ["USER-AGENT"] = "I" } }
      print(grid.http.new():compose("x", request, {}).headers[2])]])
    if not output then return pending "there is no locale tr_TR" end
    assert.equal("nil\n", output)
    assert.equal("text/plain", server:last().headers["content-type"])
  end)

  it("a key, a path and the name of a header are of ASCII", function()
    local output = run("de_DE.ISO-8859-1", [[
      print(select(2, client:request("POST", "/x", {}, { idempotency_key = "\228" })).code)
      client:get_account "\228"
      print(path)
      try { ["X-\228"] = "1" }]])
    if not output then return pending "there is no locale de_DE" end
    assert.matches("^bad_idempotency_key\n", output)
    assert.matches("headers: the name of a field is expected", output)
    assert.matches("\n/accounts/%%E4\n", output)
  end)

  it("names that no record can hold do not keep the tokens beside them from the store", function()
    local output = run("de_DE.ISO-8859-1", [[
      local function answer() return { access_token = "a", refresh_token = "r", ["\228"] = "x" } end
      local exchange = { tokens = answer, request = function() end, read = answer }
      local keeper = grid.keeper { exchange = exchange, store = grid.store.memory() }
      print(assert(keeper:add("me", "{}")).access_token)
      local headers = { ["x-\228"] = "1", date = "now" }
      function exchange.read() return nil, { kind = "unknown" } end
      local request = { "POST", "http://127.0.0.1:1/", {}, "" }
      function exchange.request() return (table.unpack or unpack)(request) end
      function keeper.http.perform() return { status = 200, headers = headers, cookies = {}, body = "raw" } end
      print(select(2, keeper:refresh "me").code)
      local record = require("grid.keeper.access").read(keeper, "me")
      print(#record.raws, record.raws[1].headers.date)]])
    if not output then return pending "there is no locale de_DE" end
    assert.matches("^a\n[%w_]+\n1\tnow\n$", output)
  end)

  it("a body in a coding that libcurl does not know can be rescued", function()
    local output = run("tr_TR.UTF-8", [[
      local rig = require "spec.support.rig"
      local raw = rig.raw_server "HTTP/1.1 200 OK\r\nCONTENT-ENCODING: rot13\r\nContent-Length: 2\r\n\r\nhi"
      local other = grid.new { base_url = raw.url, api_key = "k", retries = 0, host = raw.host }
      print(select(2, other:request("POST", "/x", {})).body)]])
    if not output then return pending "there is no locale tr_TR" end
    assert.equal("hi\n", output)
  end)
end)
