-- Calls in a program without a free file descriptor: the error says so, and no request
-- was sent.

local fault_server = require "spec.support.fault_server"
local rig = require "spec.support.rig"

local PROGRAM = [[
local grid = require "grid"
local client = grid.new {
  base_url = os.getenv "BASE_URL", api_key = os.getenv "API_KEY", environment = "sandbox", ca_file = os.getenv "CA_FILE",
  http_version = "1.1", timeout = 20, retries = tonumber(os.getenv "RETRIES"),
}
local function request() return { encryption_public_key = os.getenv "PUBLIC_KEY", kms_payload = os.getenv "PAYLOAD" } end
assert(client:refresh_session(request()))
os.execute "prlimit --pid $PPID --nofile=$(($(ls /proc/$PPID/fd | wc -l) + 3)):"
local list = {}
for i = 1, 24 do list[i] = request() end
local counts = {}
for _, result in ipairs(client:refresh_sessions(list, { concurrency = 12 })) do
  local err = result[2]
  local what = err and ("%s %s %s %s"):format(err.kind, err.code, err.sent, tostring(err.retryable)) or "ok"
  counts[what] = (counts[what] or 0) + 1
end
for what, count in pairs(counts) do print(count, what) end
client:close()
]]

-- Prints how many sockets the program has after a batch. A thread of libcurl may close
-- one between the two looks of `ls` at it.
local IDLE = [[
local grid = require "grid"
local client = grid.new {
  base_url = os.getenv "BASE_URL", api_key = os.getenv "API_KEY", environment = "sandbox", http_version = "1.1", timeout = 20,
}
local list = {}
for i = 1, 64 do list[i] = { encryption_public_key = os.getenv "PUBLIC_KEY", kms_payload = os.getenv "PAYLOAD" } end
for _, result in ipairs(client:refresh_sessions(list, { concurrency = 32 })) do assert(result[1], result[2]) end
print((io.popen "ls -l /proc/$PPID/fd 2>/dev/null | grep -c socket:":read "*a"))
client:close()
]]

-- Prints what becomes of calls that learn only from the first answer that the server
-- lacks HTTP/2. Its answers hold no session.
local WITHOUT_HTTP2 = [[
local grid = require "grid"
local client = grid.new {
  base_url = os.getenv "BASE_URL", api_key = "key", ca_file = os.getenv "CA_FILE", timeout = 20, retries = 0,
}
local list, counts = {}, {}
for i = 1, 64 do list[i] = { encryption_public_key = os.getenv "PUBLIC_KEY" } end
for _, result in ipairs(client:refresh_sessions(list, { concurrency = 64 })) do
  counts[result[2].code] = (counts[result[2].code] or 0) + 1
end
client:close()
print(counts.bad_answer, counts.no_descriptor or 0, counts.connect_timeout)
]]

describe("a program with few file descriptors", function()
  local server = rig.sandbox()

  it("has no calls wait for one when the server turns out to lack HTTP/2", function()
    local plain = fault_server.start()
    local output, ok = rig.run(WITHOUT_HTTP2, {
      BASE_URL = plain.rawhttps .. "/length/nothing", CA_FILE = plain.ca, PUBLIC_KEY = rig.KEY,
    }, "prlimit --nofile=30: ")
    plain:stop()
    assert.is_true(ok, output)
    local answered, refused = output:match "^(%d+)\t(%d+)\tnil\n$"
    assert.is_truthy(answered, output)
    assert.is_true(answered + refused >= 60, output) -- others may find no descriptor for the CA file
  end)

  it("keeps a quarter of them at most for idle connections", function()
    server:fault { kind = "delay", delay = 0.1, count = 0 }
    local function sockets(limit)
      local output, ok = rig.run(IDLE, {
        BASE_URL = server.http, API_KEY = server.api_key, PUBLIC_KEY = rig.KEY, PAYLOAD = (rig.session(server)),
      }, ("prlimit --nofile=%d: "):format(limit))
      assert.is_true(ok, output)
      return assert(tonumber(output), output)
    end
    local few, many = sockets(64), sockets(1024)
    assert.is_true(many >= 32, many)
    assert.is_true(few <= 64 / 4 + 4, few) -- libcurl has a pair of its own for each of its two pools
  end)
end)

describe("a program without file descriptors", function()
  local server = rig.sandbox()

  local function run(protocol, retries)
    local output, ok = rig.run(PROGRAM, {
      BASE_URL = server[protocol], API_KEY = server.api_key, CA_FILE = server.ca, RETRIES = tostring(retries),
      PUBLIC_KEY = rig.KEY, PAYLOAD = (rig.session(server)),
    })
    assert.is_true(ok, output)
    return output
  end

  for _, protocol in ipairs { "http", "https" } do
    it("is told so by those calls of a batch that find none, over " .. protocol, function()
      server:fault { kind = "delay", delay = 0.3, count = 0 }
      local output = run(protocol, 0)
      local succeeded = tonumber(output:match "(%d+)\tok")
      local failed = tonumber(output:match "(%d+)\trequest no_descriptor no true\n")
      assert.is_truthy(succeeded and failed, output)
      assert.equal(24, succeeded + failed)
      assert.equal(1 + succeeded, server:stats().requests)
    end)
  end

  it("has its calls tried again, since nothing was executed", function()
    server:fault { kind = "delay", delay = 0.05, count = 0 }
    local output = run("http", 50)
    assert.truthy(output:find "^24\tok\n$", output)
    assert.equal(25, server:stats().executions)
  end)
end)
