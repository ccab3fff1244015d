-- `make keeper-scale`: what many sessions of an hour in one Redis need: its memory,
-- commands and bytes for a refresh and a round, memory and CPU of a worker. From them,
-- what a million sessions on 20 workers would need. SESSIONS is another number.
-- Owns: the servers and processes of the run.
-- Does not know: how the figures of a process are made, which is in scale_worker.lua.

local child = require "spec.support.child"
local json = require "spec.sandbox.json"
local oauth_server = require "spec.support.oauth_server"
local process = require "spec.support.process"
local process_keeper = require "spec.keeper.process_keeper"
local redis = require "spec.support.redis"
local timing = require "grid.keeper.timing"

local SESSIONS = tonumber(os.getenv "SESSIONS" or "") or 100000
local REFRESHES, ROUNDS = math.min(1000, SESSIONS), 100
local LIFE = 3600
local TARGET, WORKERS, EVERY = 1000000, 20, 5

local server, oauth, folder = redis.start "appendonly no", oauth_server.start { token_lifetime = LIFE }, child.folder()
folder:write("port", tostring(server.port))

-- Runs processes at once, each with its words. -> list of figures
local function run(...)
  local all, figures = {}, {}
  for i, words in ipairs { ... } do
    words.folder, words.url, words.redis, words.reuse = folder.path, oauth.token_url, "127.0.0.1", "idempotent"
    local list = process_keeper.words(words)
    all[i] = process.start("spec/keeper/redis/scale_worker.lua", list, { vm = words.vm, folder = folder.path })
  end
  for i, one in ipairs(all) do
    while not one:code() do os.execute "sleep 0.1" end
    if one:code() ~= 0 then error(one:errors(), 0) end
    figures[i] = {}
    for name, value in one:output():gmatch "(%l+)=([%d.-]+)" do figures[i][name] = tonumber(value) end
    one:close()
  end
  return figures
end

-- Counters of the server.
local function counters()
  local text = child.capture(("redis-cli -p %d info all"):format(server.port)):gsub("\r", "")
  local function of(name) return tonumber(text:match("\n" .. name .. ":([%d.]+)")) end
  local calls = {}
  for name, count in text:gmatch "\ncmdstat_(%l+):calls=(%d+)" do calls[name] = tonumber(count) end
  return {
    memory = of "used_memory", input = of "total_net_input_bytes", output = of "total_net_output_bytes", calls = calls,
    cpu = of "used_cpu_user" + of "used_cpu_sys",
  }
end

local FROM_CLIENTS = { "evalsha", "eval", "waitaof" }
local WITHIN = { "hmget", "hget", "hset", "zadd", "zrem", "zrangebyscore" }

local function sum(before, after, names)
  local total = 0
  for _, name in ipairs(names) do total = total + (after.calls[name] or 0) - (before.calls[name] or 0) end
  return total
end

-- What `count` pieces of work of a process cost the server, each.
local function cost(count, words)
  local before = counters()
  local figures = run(words)[1]
  local after = counters()
  return {
    figures = figures, commands = sum(before, after, FROM_CLIENTS) / count, within = sum(before, after, WITHIN) / count,
    input = (after.input - before.input) / count, output = (after.output - before.output) / count,
    cpu = (after.cpu - before.cpu) / count,
  }
end

-- Seconds from one refresh of a session to the next, and the most sessions that are due
-- in one second if all have begun at once.
local function spread()
  local total, due, most = 0, {}, 0
  for i = 1, SESSIONS do
    local age = timing.schedule("session-" .. i, 1, LIFE).advisory
    local second = math.floor(age)
    total, due[second] = total + age, (due[second] or 0) + 1
    most = math.max(most, due[second])
  end
  return total / SESSIONS, most / SESSIONS
end

local function row(name, form, value) print(("%-64s" .. form):format(name, value)) end

local function measure()
  local half = math.floor(SESSIONS / 2)
  folder:write("tokens", json.encode(oauth:families { count = REFRESHES }))
  local empty = counters()
  local filled = run({ ["do"] = "add", first = 1, last = half }, { ["do"] = "add", first = half + 1, last = SESSIONS })
  local full = counters()
  local bytes = (full.memory - empty.memory) / SESSIONS
  print(("measured, %d sessions"):format(SESSIONS))
  row("bytes of a record", "%.0f", filled[1].bytes)
  row("bytes of Redis' memory for a session", "%.0f", bytes)
  local refresh, known
  for _, vm in ipairs(process.vms()) do
    refresh = cost(REFRESHES, { ["do"] = "refresh", first = 1, last = REFRESHES, vm = vm })
    known = run({ ["do"] = "get", first = 1, last = SESSIONS, vm = vm })[1].more / SESSIONS
    row(vm .. ": CPU of a worker for a refresh, µs", "%.0f", refresh.figures.cpu / REFRESHES * 1e6)
    row(vm .. ": bytes of a worker for each session that it knows", "%.0f", known)
  end
  row("commands to Redis for a refresh, without WAITAOF", "%.2f", refresh.commands)
  row("commands within its scripts", "%.2f", refresh.within)
  row("bytes of a record after a refresh by the sandbox", "%.0f", refresh.figures.bytes)
  row("bytes to Redis for a refresh", "%.0f", refresh.input)
  row("bytes from Redis for a refresh", "%.0f", refresh.output)
  row("CPU of Redis for a refresh, µs", "%.0f", refresh.cpu * 1e6)
  local round = cost(ROUNDS, { ["do"] = "sweep", first = 1, last = ROUNDS })
  row("commands to Redis for a round with nothing due", "%.2f", round.commands)
  return bytes, refresh, known
end

local function extrapolate(bytes, refresh, known)
  local between, most = spread()
  local rate = TARGET / between
  print(("extrapolated, %d sessions, %d workers"):format(TARGET, WORKERS))
  row("seconds from one refresh of a session to the next, computed", "%.0f", between)
  row("refreshes a second", "%.0f", rate)
  row("refreshes a second at most, all sessions begun at once", "%.0f", TARGET * most)
  row("refreshes a second and worker", "%.1f", rate / WORKERS)
  row("commands to Redis a second, WAITAOF and rounds included", "%.0f", rate * (refresh.commands + 2) + WORKERS / EVERY)
  row("MB a second to and from Redis", "%.2f", rate * (refresh.input + refresh.output) / 1e6)
  row("CPU of Redis, share of a core", "%.3f", rate * refresh.cpu)
  row("GB of Redis' memory", "%.2f", bytes * TARGET / 1e9)
  row("GB of a worker on LuaJIT that has served all sessions", "%.2f", known * TARGET / 1e9)
  row("GB of one that has served its share alone", "%.2f", known * TARGET / WORKERS / 1e9)
end

local ok, problem = pcall(function() extrapolate(measure()) end)
server:stop()
oauth:stop()
folder:remove()
if not ok then error(problem, 0) end
