-- The number of connections that concurrent calls open.

local child = require "spec.support.child"
local fault_server = require "spec.support.fault_server"
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
    [ -z "$inode" ] || awk -v inode=$inode '$10 == inode && $3 ~ /:@PORT@$/' /proc/net/tcp /proc/net/tcp6
  done | wc -l]]

describe("calls in flight together", function()
  local server

  setup(function() server = sandbox.share { tier = "1", payload_check = "shape" } end)
  teardown(function() server:stop() end)
  before_each(function() server:reset() end)

  local function client_of(options)
    options.api_key, options.ca_file, options.environment = server.api_key, server.ca, "sandbox"
    options.timeout, options.connect_timeout = 120, 60 -- a busy machine may take long for hundreds of handshakes
    return grid.new(options)
  end

  local function requests_of(count)
    local payload = server:sessions({ count = 1 })[1].kms_payload_json
    local requests = {}
    for i = 1, count do requests[i] = { encryption_public_key = KEY, kms_payload = payload } end
    return requests
  end

  -- -> connections that the server saw for a batch
  local function refresh_all(client, concurrency)
    local requests, before = requests_of(CALLS), server:stats().connections
    local results = client:refresh_sessions(requests, { concurrency = concurrency or CALLS })
    for _, result in ipairs(results) do assert.is_nil(result[2]) end
    return server:stats().connections - before
  end

  it("share 32 connections at most over HTTP/2, however many wait for a stream", function()
    if rig.no_http2 then return pending(rig.no_http2) end
    local client = client_of { base_url = server.https }
    assert.is_true(refresh_all(client) <= 32)
    client:close()
  end)

  it("share them whatever other calls use HTTP/1.1, to the same host and to others", function()
    if rig.no_http2 then return pending(rig.no_http2) end
    local client = client_of { base_url = server.https }
    for _, other in ipairs { { base_url = server.http }, { base_url = server.https, http_version = "1.1" } } do
      local beside = client_of(other)
      for _ = 1, 2 do assert(beside:refresh_session(requests_of(1)[1])) end
      assert.is_true(refresh_all(client) <= 32)
      beside:close()
    end
    client:close()
  end)

  it("have as many connections over HTTP/1.1 as calls are in flight", function()
    for _, concurrency in ipairs { 1, 3, 64 } do
      local client = client_of { base_url = server.https, http_version = "1.1" }
      server:fault { kind = "delay", answer_delay = 2, count = concurrency } -- all begin before the first answer
      assert.equal(concurrency, refresh_all(client, concurrency))
      client:close()
      collectgarbage()
      collectgarbage()
      rig.live() -- inside nginx the driver keeps the connections for a moment
    end
  end)

  -- A program that lives on would keep the connection open.
  it("keep their connections from programs that are started meanwhile", function()
    -- To the sandbox alone: a libcurl without socketpair wakes itself through TCP sockets
    -- of its own.
    local sockets = TCP_SOCKETS:gsub("@PORT@", ("%04X"):format(tonumber(server.https:match "%d+$")))
    local before = child.capture(sockets)
    local client = rig.client(server, { base_url = server.https })
    assert(client:refresh_session(rig.request(server)))
    assert.equal(before, child.capture(sockets))
    client:close()
  end)

  it("have a connection each over HTTP/1.1", function()
    server:fault { kind = "delay", delay = 0.5, count = CALLS }
    local client = client_of { base_url = server.http }
    assert.is_true(refresh_all(client) > 32)
    client:close()
  end)
end)

describe("calls in flight together to a host that speaks no HTTP/2", function()
  local server

  setup(function() server = fault_server.start() end)
  teardown(function() server:stop() end)

  it("have a connection each as soon as that is known", function()
    local client = grid.new {
      api_key = "key", base_url = server.rawhttps, ca_file = server.ca, retries = 0, timeout = 120, connect_timeout = 60,
    }
    local requests, connections, count = {}, {}, 0
    for i = 1, 100 do requests[i] = { encryption_public_key = KEY } end
    for _, result in ipairs(client:refresh_sessions(requests, { concurrency = 100 })) do
      assert.equal(200, result[2].status) -- an answer, though it holds no session
    end
    for _, execution in ipairs(server:executions "") do connections[execution.connection] = true end
    for _ in pairs(connections) do count = count + 1 end
    assert.is_true(count > 32)
    client:close()
  end)
end)
