-- Calls from plain Lua against the least that libcurl can do, and against the curl command. The peer of both sides is the
-- sandbox, which gives every request the same answer without a look at it. `plain.lua [--quick]`, started by `run`.

local core = require "grid.core"
local grid = require "grid"
local json = require "grid.json"
local measure = require "spec.bench.measure"
local sandbox = require "spec.support.sandbox"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 9
local CALLS = quick and 20 or 2000
local STARTS = quick and 2 or 41
local IN_FLIGHT = quick and 20 or 1000
local CONCURRENCY = 64

local VMS = { "lua5.4", "luajit" }
local PATH = "/api/grid/v1/auth/refresh-session"
local build, dir = os.getenv "BUILD", os.getenv "BENCH_DIR"

-- A P-256 point that nobody holds the key of.
local KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErhCAcvW6s3s8pMgnlPY1KHk3+e"
  .. "wBLWYa3Ma01P7FUQsS+HYjE+gMxqyU9JLK3dNv0TWrmKnPzi40lnpNbP6gFw=="

local function write(name, text)
  local file = assert(io.open(dir .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

-- The request as the library sends it, for those who send it without the library.
local function write_request(server)
  local res = assert(grid.refresh_session({ encryption_public_key = KEY }, {
    base_url = server.http, api_key = server.api_key, environment = "sandbox",
  }))
  local payload = json.encode(res.data.kms_payload)
  write("key", KEY)
  write("payload", payload)
  write("body", core.refresh_body(KEY, payload))
  write("headers", table.concat({
    "Authorization: Bearer " .. server.api_key,
    "Accept: application/json",
    "x-grid-environment: sandbox",
    "Content-Type: application/json",
    "x-idempotency-key: " .. core.uuid(),
    "User-Agent: lua-grid/0.1",
  }, "\n") .. "\n")
end

local function environment(vm, url, server)
  return ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/%s/?.so;;' BENCH_URL=%s BENCH_CA=%s BENCH_API_KEY=%s")
    :format(build, vm, url, server.ca, server.api_key)
end

local function ours(vm, url, server, words)
  local command = ("%s %s spec/bench/ours.lua %s"):format(environment(vm, url, server), vm, words)
  return function() return tonumber(measure.output(command)) end
end

local function bare(program, url, server, words)
  local command = ("%s/bench/%s %s%s %s %s %s"):format(build, program, url, PATH, dir, server.ca, words)
  return function() return tonumber(measure.output(command)) end
end

local function microseconds(seconds) return ("%.1f µs"):format(seconds / CALLS * 1e6) end

local function sequential(server)
  local ways = { bare("bare_easy", server.http, server, CALLS) }
  for _, vm in ipairs(VMS) do ways[#ways + 1] = ours(vm, server.http, server, "sequential " .. CALLS) end
  local rounds = measure.rounds(ROUNDS, ways)
  measure.title("One refresh after another, keep-alive, HTTP/1.1", "a call", "median", "min", "ratio", "target")
  for i, name in ipairs { "bare libcurl, easy interface", "lua-grid, lua5.4", "lua-grid, luajit" } do
    local sum = measure.summary(rounds, i)
    measure.row(name, microseconds(sum.median), microseconds(sum.min),
      i > 1 and ("%.3f"):format(sum.ratio), i > 1 and "≤ 1.20")
  end
end

local function per_second(seconds) return ("%.0f/s"):format(CALLS / seconds) end

local function concurrent(server)
  local words = CALLS .. " " .. CONCURRENCY
  local ways = { bare("bare_multi", server.https, server, words) }
  for _, vm in ipairs(VMS) do ways[#ways + 1] = ours(vm, server.https, server, "concurrent " .. words) end
  local rounds = measure.rounds(ROUNDS, ways)
  measure.title(CONCURRENCY .. " in flight over one TLS connection, HTTP/2", "calls a second", "median", "best", "ratio", "target")
  for i, name in ipairs { "bare libcurl, multi interface", "lua-grid, lua5.4", "lua-grid, luajit" } do
    local sum = measure.summary(rounds, i)
    measure.row(name, per_second(sum.median), per_second(sum.min),
      i > 1 and ("%.3f"):format(1 / sum.ratio), i > 1 and "≥ 0.80")
  end
end

local function milliseconds(seconds) return ("%.2f ms"):format(seconds * 1000) end

-- The same POST by the curl command; the answer goes to standard output on all sides.
local function once(server, title, url)
  local curl = ("curl -sS --cacert %s -H @%s/headers --data-binary @%s/body %s%s"):format(server.ca, dir, dir, url, PATH)
  local commands = { curl }
  for _, vm in ipairs(VMS) do commands[#commands + 1] = vm .. " spec/bench/once.lua" end
  -- Each VM reads its own of the two variables.
  local text = measure.output(("LUA_CPATH_5_4='%s/lua5.4/?.so;;' %s %s/bench/stopwatch %d %s"):format(
    build, environment("luajit", url, server), build, STARTS, table.concat(commands, " -- ")))
  local rounds = {}
  for line in text:gmatch "[^\n]+" do
    local round = {}
    for seconds in line:gmatch "%S+" do round[#round + 1] = tonumber(seconds) end
    rounds[#rounds + 1] = round
  end
  measure.title(title, "a process", "median", "min", "ratio", "target")
  for i, name in ipairs { "the curl command", "lua-grid, lua5.4", "lua-grid, luajit" } do
    local sum = measure.summary(rounds, i)
    measure.row(name, milliseconds(sum.median), milliseconds(sum.min),
      i > 1 and ("%.3f"):format(sum.ratio), i > 1 and "≤ 1.20")
  end
end

local function memory(server)
  server:set { fixed_delay = quick and 0.2 or 2.5 }
  measure.title(IN_FLIGHT .. " in flight, resident memory", "a call beyond the first", "median", "min", "", "target")
  for _, protocol in ipairs { "https", "http" } do
    for _, vm in ipairs(VMS) do
      local way = ours(vm, server[protocol], server, "memory " .. IN_FLIGHT)
      local rounds = measure.rounds(quick and 1 or 3, { way })
      local sum = measure.summary(rounds, 1)
      measure.row(("lua-grid, %s, %s"):format(vm, protocol == "https" and "HTTP/2 over TLS" or "HTTP/1.1"),
        ("%.1f KiB"):format(sum.median / 1024), ("%.1f KiB"):format(sum.min / 1024), "", "≤ 48 KiB")
    end
  end
  server:set { fixed_delay = 0 }
end

local server = sandbox.start { fixed = "true" }
local ok, problem = pcall(function()
  write_request(server)
  sequential(server)
  concurrent(server)
  once(server, "A process that does one refresh over TLS, HTTP/2", server.https)
  once(server, "A process that does one refresh, HTTP/1.1", server.http)
  memory(server)
end)
server:stop()
if not ok then error(problem, 0) end
