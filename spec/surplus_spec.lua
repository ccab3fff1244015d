-- Bytes that a connection holds before a request is sent are never taken for its answer.
-- A new connection in the clear is in spec/c/early_answer_test.c.

local fault_server = require "spec.support.fault_server"
local core = require "grid.core"
local grid = require "grid"
local http2 = require "spec.support.http2"
local rig = require "spec.support.rig"

describe("bytes that no request asked for", function()
  local server, cases = nil, 0

  setup(function() server = fault_server.start() end)
  teardown(function() server:stop() end)

  local function client_of(scheme, path, proxy)
    local url = server["raw" .. scheme] .. (path or "")
    return grid.new { api_key = "key", base_url = url, ca_file = server.ca, http_version = "1.1", retries = 0, proxy = proxy }
  end

  -- Makes calls whose answers are their own. -> function that makes one, function that
  -- lists what was executed
  local function caller(client)
    cases = cases + 1
    local name = "surplus" .. cases
    local function call(path)
      local res = assert(client:request("POST", ("/%s?case=%s"):format(path, name), "{}"))
      assert.equal("POST", res.data.method)
    end
    return call, function() return server:executions(name) end
  end

  for _, scheme in ipairs { "http", "https" } do
    for _, framing in ipairs { "length", "chunked", "empty", "head" } do
      for _, surplus in ipairs { "foreign", "byte", "line", "many", "end", "later" } do
        it(("are no answer to a later call, %s, %s, %s"):format(scheme, framing, surplus), function()
          local client = client_of(scheme)
          local call, executions = caller(client)
          for _ = 1, 3 do
            assert(client:request(framing == "head" and "HEAD" or "GET", ("/%s/%s"):format(framing, surplus)))
            server:release()
            call "length/nothing"
            call "chunked/nothing"
          end
          assert.equal(6, #executions())
          client:close()
        end)
      end
    end

    it("are no answer to the calls of a batch, " .. scheme, function()
      local client = client_of(scheme, "/foreign")
      local key = assert(grid.keypair()).public_key
      local requests = {}
      for i = 1, 40 do requests[i] = { encryption_public_key = key } end
      for _, result in ipairs(client:refresh_sessions(requests, { concurrency = 4 })) do
        assert.equal('{"data":{"method":"POST"}}', result[2].body) -- an answer, though it holds no session
      end
      client:close()
    end)

    it("cost no sound connection: it is used again, " .. scheme, function()
      local client = client_of(scheme)
      local call, executions = caller(client)
      assert(client:request("GET", "/length/end"))
      server:release()
      for i = 1, 5 do call(i % 2 == 0 and "length/nothing" or "chunked/nothing") end
      for i, execution in ipairs(executions()) do assert.equal(i, execution.position) end
      client:close()
    end)
  end

  -- They arrive in the TLS record with the end of the answer: in that of the proxy, which
  -- holds a record of the server for each of the two.
  for _, framing in ipairs { "length", "chunked" } do
    it("are no answer to a later call by way of a proxy over TLS, " .. framing, function()
      local client = client_of("https", nil, server.proxy)
      local call, executions = caller(client)
      for _ = 1, 3 do
        assert(client:request("GET", ("/%s/apart"):format(framing)))
        call "length/nothing"
      end
      assert.equal(3, #executions())
      client:close()
    end)
  end

  -- libcurl up to 7.88 believes the status line, and shares the connection; newer
  -- versions refuse the answer.
  it("have no part in calls at the same time, whose answers claim to be of HTTP/2", function()
    local engine = core.engine()
    local function start(method, path)
      local request = { method = method, url = server.rawhttps .. path, headers = {} }
      return assert(engine:start(request, { max_response_bytes = 1000, ca_file = server.ca }, 10, 5))
    end
    local function finish(transfer, method)
      while not transfer:is_finished() do
        engine:wait(1)
        engine:step()
      end
      local answer = transfer:answer()
      transfer:close()
      if answer.code then return assert.equal("bad_http", answer.code) end
      assert.equal(('{"data":{"method":"%s"}}'):format(method), answer.content:string())
    end
    for round = 1, 2 do
      finish(start("GET", "/misnamed/nothing"), "GET")
      local case, transfers = "misnamed" .. round, {}
      for _, method in ipairs { "GET", "POST", "PUT", "DELETE" } do
        transfers[method] = start(method, "/misnamed/late?case=" .. case)
      end
      for method, transfer in pairs(transfers) do finish(transfer, method) end
      local seen = {}
      for _, execution in ipairs(server:executions(case)) do
        assert.is_nil(seen[execution.connection], "two calls on one connection")
        seen[execution.connection] = true
      end
    end
    engine:close()
  end)

  -- The host sleeps long, so that the bytes have come before the step that sends.
  it("are no answer to the first call on a new connection over TLS", function()
    local host = { name = "slow", now = core.now, sleep = function() os.execute "sleep 0.2" end }
    local client = grid.new {
      api_key = "key", base_url = server.eager, ca_file = server.ca, http_version = "1.1", retries = 0, host = host,
    }
    local res, err = client:request("POST", "/length/nothing", "{}")
    assert.is_nil(res)
    rig.assert_error(err, { kind = "protocol", code = "bad_http", sent = "unknown", outcome = "unknown" })
    client:close()
  end)
end)

describe("frames of an HTTP/2 stream that no request has opened", function()
  if rig.no_http2 then return pending(rig.no_http2) end
  local peer = http2.peer()

  local function step_until(engine, done)
    while not done() do
      engine:wait(0.1)
      engine:step()
    end
  end

  it("are no answer to the request that opens it, while another one is in flight", function()
    local engine, case = core.engine(), peer:case()
    local opening = peer:start(engine, "{}")
    step_until(engine, function() return opening:is_finished() end)
    opening:close()
    local early = ('["wait",100],["frame",1,4,2,"88"],["frame",0,1,2,"%s"]'):format(("{}"):gsub(".", function(byte)
      return ("%02x"):format(byte:byte())
    end))
    local first = peer:start(engine, ('{"case":"%s","do":[%s,["note"]]}'):format(case, early))
    step_until(engine, function() return #peer:executions(case) > 0 end)
    while #peer:executions(case) < 2 do os.execute "sleep 0.05" end -- the frames have been written
    local second = peer:start(engine, "{}")
    os.execute "sleep 0.3" -- its own answer comes, too, before any is read
    step_until(engine, function() return second:is_finished() end)
    local answer = second:answer()
    if answer.status then -- on another connection, since the frames were read before it began
      assert.equal('{"data":{}}', answer.content:string())
    else
      assert.is_true(answer.code == "bad_http" or answer.code == "connection_lost", answer.code)
    end
    first:close()
    second:close()
    engine:close()
  end)
end)
