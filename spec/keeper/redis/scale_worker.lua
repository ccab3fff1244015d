-- One process of spec/keeper/redis/scale.lua: does one thing to many sessions, and prints
-- its figures as `name=number` words.
--   scale_worker.lua folder=DIR url=URL redis=ADDRESS do=add|get|refresh|sweep
--     first=1 last=1000
-- `add` reads tokens of the server from DIR/tokens for the first sessions, and makes up
-- those of the others.
-- Does not know: what the figures are for.

local json = require "grid.json"
local proc = require "spec.support.proc"
local process_keeper = require "spec.keeper.process_keeper"

local given = process_keeper.given(arg)

local LIFE = 3600
local ACCESS_TOKEN, REFRESH_TOKEN = 1000, 200 -- bytes; the former is that of a JWT

local store = process_keeper.redis(given)
local keeper = process_keeper.new({ timeout = 10 }, { store = store, exchange = process_keeper.exchange(given) })

local function made_up(i, length) return ("t" .. i .. "."):rep(length):sub(1, length) end

local function each(act)
  for i = tonumber(given.first), tonumber(given.last) do act("session-" .. i, i) end
end

local function resident()
  collectgarbage()
  collectgarbage()
  return proc.resident "self"
end

local verbs = {}

function verbs.add()
  local file = io.open(given.folder .. "/tokens")
  local known = file and json.decode(file:read "*a") or {}
  each(function(id, i)
    local refresh_token = known[i] and known[i].refresh_token or made_up(i, REFRESH_TOKEN)
    assert(keeper:add(id, {
      access_token = made_up(i, ACCESS_TOKEN), refresh_token = refresh_token, token_type = "Bearer", expires_in = LIFE,
    }))
  end)
  return { bytes = #store:get("session-" .. given.last) }
end

function verbs.get()
  local before = resident()
  each(function(id) assert(keeper:get(id)) end)
  return { resident = resident(), more = resident() - before }
end

function verbs.refresh()
  local before = os.clock()
  each(function(id) assert(keeper:refresh(id)) end)
  return { cpu = os.clock() - before, bytes = #store:get("session-" .. given.last) }
end

-- Rounds, of which each finds nothing due.
function verbs.sweep()
  each(function() assert(0 == keeper:refresh_due().due) end)
  return {}
end

local figures = verbs[given["do"]]()
for name, value in pairs(figures) do print(("%s=%.9f"):format(name, value)) end
keeper:close()
