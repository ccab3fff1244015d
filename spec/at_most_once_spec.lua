-- A call executes its request at most once per try, over HTTP/1.1 and HTTP/2, whatever
-- happens to the connection. The server counts executions. The curl command, where
-- libcurl repeats requests freely, shows that these faults make libcurl send a request
-- again: without the guard in src/http/transfer.c the counts would be higher.

local fault_server = require "spec.support.fault_server"
local grid = require "grid"
local rig = require "spec.support.rig"

describe("a call", function()
  local server, client, blocks
  local case_count = 0

  setup(function() server = fault_server.start() end)
  teardown(function() server:stop() end)

  before_each(function()
    collectgarbage()
    collectgarbage()
    blocks = rig.live()
  end)

  after_each(function()
    if client then client:close() end
    client = nil
    collectgarbage()
    collectgarbage()
    assert.equal(blocks, rig.live())
  end)

  local function new_case()
    case_count = case_count + 1
    return "case-" .. case_count
  end

  local PROTOCOLS = {
    ["HTTP/1.1"] = { address = "http", http_version = "1.1", sees = "1.1", curl = "--http1.1" },
    ["HTTP/1.1 over TLS"] = { address = "https", http_version = "1.1", sees = "1.1", curl = "--http1.1" },
    ["HTTP/2"] = { address = "https", http_version = "2", sees = "2.0", curl = "--http2" },
  }

  local spoken = {} -- those that libcurl has
  for name, protocol in pairs(PROTOCOLS) do
    if name ~= "HTTP/2" or not rig.no_http2 then spoken[name] = protocol end
  end

  local function new_client(protocol, retries)
    client = grid.new {
      api_key = "key", base_url = server[protocol.address], ca_file = server.ca, http_version = protocol.http_version,
      retries = retries or 0, timeout = 10,
    }
    return client
  end

  local function warm_up()
    local res, err = client:request("GET", "/ok")
    assert(res, err)
  end

  -- One call that meets a fault. -> its error, and what the server executed.
  local function call(method, fault, body)
    local case = new_case()
    local res, err = client:request(method, ("/%s?case=%s"):format(fault, case), body)
    assert.is_nil(res)
    return err, server:executions(case)
  end

  local function assert_unknown(err)
    assert.equal("network", err.kind)
    assert.equal("unknown", err.sent)
    assert.equal(1, err.attempts)
  end

  -- Whether libcurl tells that a stream was refused is its version's affair:
  -- spec/http2_spec.lua.
  local REFUSALS = { refuse = true, ["goaway-below"] = true }

  local function assert_lost(fault, err)
    if REFUSALS[fault] and err.sent == "no" then return assert.equal("stream_refused", err.code) end
    assert_unknown(err)
  end

  local ENDS = { ["1.1"] = { "retire", "reset-later" }, ["2.0"] = { "retire", "reset-later", "farewell", "goaway-later" } }

  for name, protocol in pairs(spoken) do
    for _, fault in ipairs(ENDS[protocol.sees]) do
      it(("is not lost on an idle connection, %s, %s"):format(name, fault), function()
        new_client(protocol)
        for _ = 1, 3 do
          assert(client:request("GET", "/" .. fault))
          server:release()
          local case = new_case()
          assert(client:request("POST", "/ok?case=" .. case, "{}"))
          assert.equal(1, #server:executions(case))
        end
      end)
    end

    if protocol.sees == "1.1" then
      it("never gets an answer of another call, " .. name, function()
        new_client(protocol)
        assert(client:request("GET", "/twice"))
        server:release()
        assert.equal("POST", assert(client:request("POST", "/echo", "{}")).data.method)
        assert.equal("GET", assert(client:request("GET", "/echo")).data.method)
      end)
    end
  end

  it("does not follow another one into a connection that has died without a word, HTTP/2", function()
    if rig.no_http2 then return pending(rig.no_http2) end
    new_client(PROTOCOLS["HTTP/2"])
    warm_up()
    local _, err = client:request("POST", "/hole", "{}", { timeout = 0.5 })
    assert.equal("timeout", err.kind)
    assert.equal("unknown", err.sent)
    assert(client:request("POST", "/ok", "{}"))
  end)

  local FAULTS = {
    ["HTTP/1.1"] = { "drop", "reset", "half" },
    ["HTTP/1.1 over TLS"] = { "drop", "reset", "half" },
    ["HTTP/2"] = { "drop", "reset", "refuse", "cancel", "downgrade", "goaway", "goaway-below" },
  }

  local METHODS = { { "POST" }, { "PUT", "{}" }, { "PUT" }, { "PATCH", "{}" }, { "DELETE" } }

  for name, protocol in pairs(spoken) do
    describe("over " .. name, function()
      for _, fault in ipairs(FAULTS[name]) do
        if fault ~= "goaway-below" then -- no stream comes before the first one
          it("is executed once on a new connection, then " .. fault, function()
            new_client(protocol)
            local err, executions = call("POST", fault, "{}")
            assert_lost(fault, err)
            assert.equal(1, #executions)
            assert.equal(1, executions[1].position)
            assert.equal(protocol.sees, executions[1].version)
          end)
        end

        it("is executed once on a reused connection, then " .. fault, function()
          new_client(protocol)
          warm_up()
          local err, executions = call("POST", fault, "{}")
          assert_lost(fault, err)
          assert.equal(1, #executions)
          assert.equal(2, executions[1].position)
        end)
      end

      for _, request in ipairs(METHODS) do
        local method, body = request[1], request[2]

        it(("is executed once as %s %s a body"):format(method, body and "with" or "without"), function()
          new_client(protocol)
          warm_up()
          local err, executions = call(method, "drop", body)
          assert_unknown(err)
          assert.equal(1, #executions)
          assert.equal(method, executions[1].method)
          assert.equal(2, executions[1].position)
        end)
      end

      it("works again right after it was lost", function()
        new_client(protocol)
        warm_up()
        call("POST", "drop", "{}")
        warm_up()
      end)

      it("is not repeated by the client's own tries either, and its error carries the key", function()
        new_client(protocol, 2)
        warm_up()
        local err, executions = call("POST", "drop", "{}")
        assert_unknown(err)
        assert.is_false(err.retryable)
        assert.equal(1, #executions)
        assert.equal(executions[1].key, err.idempotency_key)
        assert.truthy(err.idempotency_key:find "^%x+%-%x+%-4")
      end)

      it("that only reads is tried as often as the client was told", function()
        new_client(protocol, 2)
        warm_up()
        local err, executions = call("GET", "drop")
        assert.equal("unknown", err.sent)
        assert.equal(3, err.attempts)
        assert.equal(3, #executions)
      end)

      it("that runs out of time is executed once", function()
        new_client(protocol, 2)
        warm_up()
        local case = new_case()
        local res, err = client:request("POST", "/silent?case=" .. case, "{}", { timeout = 0.5 })
        assert.is_nil(res)
        assert.equal("timeout", err.kind)
        assert.equal("unknown", err.sent)
        assert.equal(1, #server:executions(case))
      end)
    end)
  end

  it("that is one of many on a connection which breaks is executed once, like each of the others", function()
    if rig.no_http2 then return pending(rig.no_http2) end
    new_client(PROTOCOLS["HTTP/2"])
    warm_up()
    local cases = {}
    -- All flights share one engine: a handler of one call begins the next before the
    -- first has left.
    local function nest(depth)
      if depth > 8 then return end
      cases[depth] = new_case()
      local other = grid.new {
        api_key = "key", base_url = server.https, ca_file = server.ca, retries = 0,
        on_event = function(event)
          if event.name == "request" then nest(depth + 1) end
        end,
      }
      other:request("POST", "/reset?case=" .. cases[depth], "{}")
      other:close()
    end
    nest(1)
    assert.equal(8, #cases)
    for _, case in ipairs(cases) do assert.equal(1, #server:executions(case)) end
  end)

  describe("without the guard", function()
    local PROVOKES = {
      { "HTTP/1.1", "drop" }, { "HTTP/1.1", "reset" }, { "HTTP/1.1 over TLS", "drop" },
      { "HTTP/2", "reset" }, { "HTTP/2", "refuse" }, { "HTTP/2", "downgrade" },
    }
    for _, pair in ipairs(PROVOKES) do
      local name, fault = pair[1], pair[2]

      it(("is executed more than once by libcurl: over %s, reused connection, %s"):format(name, fault), function()
        local protocol, executions = PROTOCOLS[name], nil
        local address = server[protocol.address]
        for _ = 1, 10 do -- curl 8.22 on a busy machine may see the fault too early to send again
          local case = new_case()
          server:post_with_curl(protocol.curl, address .. "/ok", ("%s/%s?case=%s"):format(address, fault, case))
          executions = server:executions(case)
          assert.equal(2, executions[1].position)
          if #executions > 1 then break end
        end
        assert.is_true(#executions > 1)
      end)
    end
  end)
end)
