-- How many connections calls take that are in flight together.

local child = require "spec.support.child"
local grid = require "grid"
local rig = require "spec.support.rig"
local sandbox = require "spec.support.sandbox"

local CALLS = 300
local KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErhCAcvW6s3s8pMgnlPY1KHk3+e"
  .. "wBLWYa3Ma01P7FUQsS+HYjE+gMxqyU9JLK3dNv0TWrmKnPzi40lnpNbP6gFw=="

-- libcurl's own pair of sockets, which lead nowhere, are none.
local TCP_SOCKETS = [[
  for entry in /proc/self/fd/*; do
    inode=$(readlink $entry | sed -n 's/^socket:.\([0-9]*\).$/\1/p')
    [ -z "$inode" ] || awk -v inode=$inode '$10 == inode' /proc/net/tcp /proc/net/tcp6
  done | wc -l]]

describe("calls in flight together", function()
  local server

  setup(function() server = sandbox.share { tier = "1", payload_check = "shape" } end)
  teardown(function() server:stop() end)
  before_each(function() server:reset() end)

  local function refresh_all(options)
    options.api_key, options.ca_file, options.environment = server.api_key, server.ca, "sandbox"
    local payload = server:sessions({ count = 1 })[1].kms_payload_json
    local requests = {}
    for i = 1, CALLS do requests[i] = { encryption_public_key = KEY, kms_payload = payload } end
    local client = grid.new(options)
    local results = client:refresh_sessions(requests, { concurrency = CALLS })
    client:close()
    for _, result in ipairs(results) do assert.is_nil(result[2]) end
    return server:stats().connections
  end

  it("share 32 connections at most over HTTP/2, however many wait for a stream", function()
    if rig.no_http2 then return pending(rig.no_http2) end
    assert.is_true(refresh_all { base_url = server.https } <= 32)
  end)

  -- A program that lives on would keep the connection open.
  it("keep their connections from programs that are started meanwhile", function()
    local before = child.capture(TCP_SOCKETS)
    local client = rig.client(server, { base_url = server.https })
    assert(client:refresh_session(rig.request(server)))
    assert.equal(before, child.capture(TCP_SOCKETS))
    client:close()
  end)

  it("have a connection each over HTTP/1.1", function()
    server:fault { kind = "delay", delay = 0.5, count = CALLS }
    assert.is_true(refresh_all { base_url = server.http } > 32)
  end)
end)
