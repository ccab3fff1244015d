-- Bytes that a connection holds before a request is sent are never taken for its answer.

local fault_server = require "spec.support.fault_server"
local grid = require "grid"

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
end)
