-- The library's side of each measurement, on the VM that runs it: `ours.lua MODE CALLS
-- [CONCURRENCY]`. Prints seconds (or bytes); the request comes from files that plain.lua
-- wrote into $BENCH_DIR.
-- Does not know: what it is compared with.

local common = require "spec.bench.common"
local grid = require "grid"
local core = require "grid.core"
local json = require "grid.json"
local proc = require "spec.support.proc"

local read, second_round = common.read, common.second_round

local key = read "key"

local options = {
  base_url = os.getenv "BENCH_URL", ca_file = os.getenv "BENCH_CA", api_key = os.getenv "BENCH_API_KEY",
  environment = "sandbox", timeout = 60,
}

local mode, calls, concurrency = arg[1], tonumber(arg[2]), tonumber(arg[3])

-- Each of another session; the payloads as text, or as `form` makes them of it.
local function requests(count, form)
  local list, next_line = {}, io.lines(os.getenv "BENCH_DIR" .. "/payloads")
  for i = 1, count do
    local payload = next_line()
    list[i] = { encryption_public_key = key, kms_payload = form and form(payload) or payload }
  end
  return list
end

local function check(res, err)
  if not res then error(err) end
  assert(res.data.kms_payload.session.Privy and res.kms_payload_json)
end

local modes = {}

-- One call after another, tables in and out; results are let go.
function modes.sequential()
  local sessions = math.min(50, calls)
  local client, list = grid.new(options), requests(sessions, json.decode)
  return second_round(function()
    for i = 1, calls do check(client:refresh_session(list[i % sessions + 1])) end
  end)
end

-- As a program that keeps its sessions as text; all results of a round are kept until its
-- end.
function modes.concurrent()
  local client, list = grid.new(options), requests(calls)
  return second_round(function()
    local results = client:refresh_sessions(list, { concurrency = concurrency })
    for i = 1, calls do check(results[i][1], results[i][2]) end
  end)
end

-- Bytes per call in flight beyond the first: the server takes its time, so all are in
-- flight before the first is answered.
function modes.memory()
  local most, done = 0, 0
  local condition = {
    wait = function(_, seconds, engine)
      if done == 0 then most = math.max(most, proc.resident "self") end
      engine:wait(seconds)
    end,
    signal = function() end,
  }
  options.host = { name = "bench", now = core.now, condition = function() return condition end }
  local client, list = grid.new(options), requests(calls)
  check(client:refresh_session(list[1]))
  collectgarbage()
  collectgarbage()
  done = 0
  local before
  most = 0
  before = proc.resident "self"
  local results = client:refresh_sessions(list, { concurrency = calls, on_progress = function(n) done = n end })
  for i = 1, calls do check(results[i][1], results[i][2]) end
  return (most - before) / (calls - 1)
end

print(modes[mode]())
