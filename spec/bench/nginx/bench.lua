-- One nginx worker whose requests each make one call, to a sandbox that answers at once
-- or after 50 ms; wrk is the load. The two clients take turns, round after round, in the
-- same worker. `bench.lua [--quick]`, started by `run`.

local grid = require "grid"
local measure = require "spec.bench.measure"
local nginx = require "spec.support.nginx"
local proc = require "spec.support.proc"
local sandbox = require "spec.support.sandbox"
local wrk = require "spec.bench.nginx.wrk"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 5
local SECONDS = quick and 1 or 5
local ANSWER_DELAY = 0.05
local LONG_CALL = quick and 2 or 10

-- A P-256 point whose private key is not known.
local KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErhCAcvW6s3s8pMgnlPY1KHk3+e"
  .. "wBLWYa3Ma01P7FUQsS+HYjE+gMxqyU9JLK3dNv0TWrmKnPzi40lnpNbP6gFw=="

local function start_worker(server)
  local payload = assert(grid.refresh_session({ encryption_public_key = KEY }, {
    base_url = server.http, api_key = server.api_key, environment = "sandbox",
  })).kms_payload_json
  return nginx.start {
    build = os.getenv "BUILD" .. "/luajit",
    log_level = "warn",
    main = "worker_rlimit_nofile 8192;",
    http = "keepalive_requests 100000000;",
    env = {
      BENCH_KEY = KEY, BENCH_PAYLOAD = payload, BENCH_API_KEY = server.api_key, BENCH_PORT = server.http:match "%d+$",
    },
    locations = [[
      location = /grid { content_by_lua_block { require("spec.bench.nginx.locations").grid() } }
      location = /cosocket { content_by_lua_block { require("spec.bench.nginx.locations").cosocket() } }
      location = /timers { content_by_lua_block { require("spec.bench.nginx.locations").timers() } }
      location = /unrelated { content_by_lua_block { ngx.say "hello" } }
    ]],
  }
end

local function round(worker, pid, path, connections)
  local before = proc.cpu_seconds(pid)
  local calls = wrk.begin(worker, path, connections, SECONDS)
  local visits = connections > 100 and wrk.visitors(worker, SECONDS)
  local figures = calls()
  if visits then figures.unrelated = visits().p99 end
  figures.cpu = (proc.cpu_seconds(pid) - before) / figures.requests * 1e6
  return figures
end

-- Each client in turn. -> [path][name] = list of figures, one for each round
local function rounds(worker, pid, connections)
  local all = { ["/grid"] = {}, ["/cosocket"] = {} }
  for path in pairs(all) do wrk.begin(worker, path, connections, 1)() end
  for _ = 1, ROUNDS do
    for _, path in ipairs { "/cosocket", "/grid" } do
      for name, value in pairs(round(worker, pid, path, connections)) do
        all[path][name] = all[path][name] or {}
        table.insert(all[path][name], value)
      end
    end
  end
  return all
end

local FORM = "%-46s%14s%14s%10s  %s"

local function title(text)
  print("\n" .. FORM:format(text, "cosocket", "lua-grid", "", "target"))
end

-- One figure of both; `compare` says how ours stands to the other, round by round.
local function row(all, name, label, form, compare, compared_form, target)
  local theirs, ours, compared = all["/cosocket"][name], all["/grid"][name], {}
  for i = 1, #ours do compared[i] = compare(ours[i], theirs[i]) end
  print(FORM:format(label, form:format(measure.median(theirs)), form:format(measure.median(ours)),
    compared_form:format(measure.median(compared)), target))
end

local function ratio(a, b) return a / b end
local function difference(a, b) return a - b end

local function at_once(worker, pid, connections, targets)
  local all = rounds(worker, pid, connections)
  title(connections == 1 and "One after another, answers at once" or connections .. " in flight, answers at once")
  row(all, "rate", "calls a second", "%.0f", ratio, "%.3f", targets.rate)
  row(all, "median", "median latency", "%.2f ms", difference, "%+.2f ms", targets.median)
  row(all, "cpu", "CPU of the worker, a call", "%.1f µs", ratio, "%.3f", "")
end

local function under_load(worker, pid, connections)
  local all = rounds(worker, pid, connections)
  title(connections .. " in flight, answers after 50 ms")
  row(all, "rate", "calls a second", "%.0f", ratio, "%.3f", "≥ 0.95")
  row(all, "median", "median latency", "%.2f ms", difference, "%+.2f ms", "≤ +2 ms")
  if all["/grid"].unrelated then
    row(all, "unrelated", "p99 of an unrelated location", "%.2f ms", ratio, "%.3f", "≤ 1.25")
    row(all, "cpu", "CPU of the worker, a call", "%.1f µs", ratio, "%.3f", "≤ 2.00")
  end
end

local function sleep(seconds)
  os.execute("sleep " .. seconds)
end

local function one_long_call(worker, pid, server)
  server:set { fixed_delay = LONG_CALL }
  local call = worker:begin "/grid"
  sleep(0.5)
  local seconds, before = LONG_CALL - 1, proc.cpu_seconds(pid)
  sleep(seconds)
  local share = (proc.cpu_seconds(pid) - before) / seconds
  local _, status = call:finish()
  assert(status == 200, "the long call failed")
  title(("One call of %d s in flight"):format(LONG_CALL))
  print(FORM:format("CPU of the worker, share of a core", "", ("%.2f %%"):format(share * 100), "", "≤ 3 %"))
end

-- The worker keeps what wakes it for a moment after the last call.
local function nothing(worker, pid)
  sleep(0.5)
  local timers = worker:get "/timers"
  local before = proc.wake_ups(pid)
  sleep(2)
  title "Nothing in flight"
  print(FORM:format("timers", "", timers, "", "0"))
  print(FORM:format("wake-ups of the worker in 2 s", "", proc.wake_ups(pid) - before, "", "0"))
end

local server = sandbox.start { fixed = "true" }
local worker
local ok, problem = pcall(function()
  worker = start_worker(server)
  local pid = worker:workers()[1]
  server:set { fixed_delay = 0 }
  at_once(worker, pid, 1, { rate = "", median = "≤ +0.1 ms" })
  at_once(worker, pid, 8, { rate = "≥ 0.80", median = "" })
  server:set { fixed_delay = ANSWER_DELAY }
  under_load(worker, pid, 50)
  under_load(worker, pid, 400)
  one_long_call(worker, pid, server)
  nothing(worker, pid)
end)
local log = worker and select(2, worker:stop()) or ""
server:stop()
log = log:sub(1, 2000)
if not ok then error(problem .. "\n" .. log, 0) end
io.write(log)
