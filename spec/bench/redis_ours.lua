-- One client of Redis in the measurement of redis.lua, on the VM that runs it:
-- `redis_ours.lua MODE COUNT PORT`. Prints seconds.
--   driver  sends one EVALSHA after another by redis-lua
--   store   puts one record after another by grid.store.redis over redis-lua
-- Does not know: what it is compared with.

local common = require "spec.bench.common"
local grid = require "grid"
local redis = require "spec.support.redis"
local script = require "spec.bench.redis_script"

local mode, count, port = arg[1], tonumber(arg[2]), tonumber(arg[3])

local client = redis.connect(port)

local modes = {}

function modes.driver()
  local sha, words = script.load(client), script.words()
  return common.second_round(function()
    for _ = 1, count do assert(client:evalsha(sha, (table.unpack or unpack)(words)) == words[7]) end
  end)
end

function modes.store()
  local store = grid.store.redis { connect = function() return client end }
  local _, rev = store:get "its own"
  return common.second_round(function()
    for _ = 1, count do rev = assert(store:put("its own", rev, script.BLOB, 2 ^ 31)) end
  end)
end

print(("%.9f"):format(modes[mode]()))
