-- libcurl up to 7.88 waited for an answer to a request whose headers it had not sent
-- whole. nghttp2 does not send more than 64 KiB of them, which showed as a refusal of the
-- server.

local fault_server = require "spec.support.fault_server"
local grid = require "grid"
local http2 = require "spec.support.http2"
local rig = require "spec.support.rig"

local MOST = 63 * 1024

-- Headers that fill a request with this URL.
local function filled(url)
  local headers = { a = ("x"):rep(30000) }
  local own = #"User-Agent: " + #"x" + #"a: " + #"b: "
  headers.b = ("y"):rep(MOST - #headers.a - own - #url)
  return headers
end

local function check(client, url, expected)
  for _, method in ipairs { "GET", "POST" } do
    local request = { method = method, url = url, headers = filled(url), body = method == "POST" and "{}" or nil }
    assert.equal(expected, assert(client:send(request)).body:gsub("%u+", "METHOD"))
    request.headers.b = request.headers.b .. "y"
    local _, err = client:send(request)
    rig.assert_error(err, { kind = "request", code = "headers_too_large", sent = "no", attempts = 1 })
  end
end

local function client_of(server, version)
  return grid.http.new { ca_file = server.ca, http_version = version, retries = 0, timeout = 5, user_agent = "x" }
end

describe("long headers of a request", function()
  local server

  setup(function() server = fault_server.start() end)
  teardown(function() server:stop() end)

  for _, scheme in ipairs { "http", "https" } do
    it("go out whole or not at all, " .. scheme, function()
      local client = client_of(server, "1.1")
      check(client, server["raw" .. scheme] .. "/length/nothing", '{"data":{"method":"METHOD"}}')
      client:close()
    end)
  end

  it("are refused at the caller's line if they are more than 100", function()
    local client, headers = client_of(server, "1.1"), {}
    for i = 1, 100 do headers["x" .. i] = "v" end
    local request = { method = "GET", url = server.rawhttp .. "/length/nothing", headers = headers }
    assert.equal(200, assert(client:send(request)).status)
    headers.x101 = "v"
    rig.assert_misuse(function() client:send(request) end, "more than 100")
    client:close()
  end)
end)

describe("long headers of a request over HTTP/2", function()
  if rig.no_http2 then return pending(rig.no_http2) end
  local peer = http2.peer()

  it("go out whole or not at all", function()
    local client = client_of(peer.server, "2")
    check(client, peer.server.https .. "/x", '{"data":{}}')
    client:close()
  end)
end)
