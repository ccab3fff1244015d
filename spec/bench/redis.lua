-- The store in Redis on one connection: puts of 4 KB, against redis-benchmark with the
-- same commands of Redis, and against the driver alone. `redis.lua [--quick]`, started by
-- `run`.
-- Does not know: how rounds are measured, which is in measure.lua.

local measure = require "spec.bench.measure"
local redis = require "spec.support.redis"
local script = require "spec.bench.redis_script"

local quick = arg[1] == "--quick"
local ROUNDS = quick and 1 or 9
local PUTS = quick and 50 or 5000
local VMS = { "lua5.4", "luajit" }

local server = redis.start "appendonly no"

local function benchmark()
  local words = {}
  for i, word in ipairs(script.words()) do words[i] = "'" .. word .. "'" end
  local command = ("redis-benchmark -p %d -c 1 -n %d --csv EVALSHA %s %s"):format(
    server.port, PUTS, script.load(server:client()), table.concat(words, " "))
  return function() return PUTS / tonumber(measure.output(command):match '\n"EVALSHA[^\n]-","([%d.]+)"') end
end

local function ours(vm, mode)
  local command = ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='%s/%s/?.so;;' %s spec/bench/redis_ours.lua %s %d %d")
    :format(os.getenv "BUILD", vm, vm, mode, PUTS, server.port)
  return function() return tonumber(measure.output(command)) end
end

local function row(rounds, i, name, target)
  local sum = measure.summary(rounds, i)
  measure.row(name, ("%.0f/s"):format(PUTS / sum.median), ("%.0f/s"):format(PUTS / sum.min),
    i > 1 and ("%.3f"):format(1 / sum.ratio), target)
end

local function run()
  local ways, names = { benchmark() }, { "redis-benchmark" }
  for _, vm in ipairs(VMS) do
    for _, mode in ipairs { "driver", "store" } do
      ways[#ways + 1] = ours(vm, mode)
      names[#names + 1] = (mode == "driver" and "redis-lua alone, " or "store:put, ") .. vm
    end
  end
  measure.title("The store in Redis, one put of 4 KB after another", "puts a second", "median", "best", "ratio", "target")
  local rounds = measure.rounds(ROUNDS, ways)
  for i, name in ipairs(names) do row(rounds, i, name, i % 2 == 1 and i > 1 and "≥ 0.70") end
end

local ok, problem = pcall(run)
server:stop()
if not ok then error(problem, 0) end
