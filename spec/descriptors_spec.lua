-- Calls in a program without a free file descriptor: the error says so, and no request
-- was sent.

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
