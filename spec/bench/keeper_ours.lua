-- One side of each measurement of the keeper, on the VM that runs it: `keeper_ours.lua
-- MODE COUNT [FOLDER]`. Prints seconds, bytes or a share. The session and the options of
-- the exchange come from the file "session" that keeper.lua wrote into $BENCH_DIR.
-- Does not know: what it is compared with.

local common = require "spec.bench.common"
local core = require "grid.core"
local grid = require "grid"
local json = require "grid.json"
local timing = require "grid.keeper.timing"

local ID = "session"

local mode, count, folder = arg[1], tonumber(arg[2]), arg[3]

local read, second_round = common.read, common.second_round

local given = mode ~= "spread" and mode ~= "put" and json.decode(read "session")

-- -> keeper with one session, exchange
local function keeper_with(store)
  local exchange = grid.exchange.oauth2(given.exchange)
  local keeper = grid.keeper { exchange = exchange, store = store, recheck = 3600 }
  assert(keeper:add(ID, given.tokens))
  return keeper, exchange
end

local modes = {}

-- ---- A fresh session ------------------------------------------------------------------

local function gets()
  local keeper = keeper_with(grid.store.memory())
  assert(keeper:get(ID))
  return function()
    for _ = 1, count do keeper:get(ID) end
  end
end

function modes.get() return second_round(gets()) end

function modes.call()
  local object = { get = function() end }
  return second_round(function()
    for _ = 1, count do object:get(ID) end
  end)
end

-- Bytes that the second of two equal rounds allocates. In the first one LuaJIT compiles,
-- and Lua 5.4 allocates the call frames that a collection has freed.
function modes.allocated()
  local round = gets()
  collectgarbage()
  collectgarbage "stop"
  round()
  local before = collectgarbage "count"
  round()
  return (collectgarbage "count" - before) * 1024
end

-- ---- A refresh ------------------------------------------------------------------------

-- The files that a refresh by a keeper writes: a list of { path, text }. Not those of the
-- first refresh, since the record of a login has fewer fields.
local function writes_of_refresh(keeper, store)
  local writes = {}
  assert(keeper:refresh(ID))
  local function replace_if(path, temporary_folder, expected, text, modified)
    writes[#writes + 1] = { path = path, text = text }
    return core.file_replace_if(path, temporary_folder, expected, text, modified)
  end
  store.put = function(self, ...) return self:put_by(replace_if, ...) end
  assert(keeper:refresh(ID))
  store.put = nil
  assert(#writes == 2)
  return writes
end

function modes.refresh()
  local keeper = keeper_with(grid.store.file { directory = folder })
  return second_round(function()
    for _ = 1, count do assert(keeper:refresh(ID)) end
  end)
end

-- The same requests without the keeper, each between two durable replacements of the
-- bytes that a keeper has written.
function modes.bare()
  local store = grid.store.file { directory = folder }
  local keeper, exchange = keeper_with(store)
  local writes = writes_of_refresh(keeper, store)
  local token = given.spare.refresh_token
  local method, url, headers, body = exchange.request { refresh_token = token }
  local first, last = body:find(token, 1, true)
  local before, after = body:sub(1, first - 1), body:sub(last + 1)
  local http, options = grid.http.new(), { timeout = 10, retries = 0 }
  local replace_file, parent, name = require "bare_replace", writes[1].path:match "^(.*)/(.*)$"
  return second_round(function()
    for _ = 1, count do
      replace_file(parent, name, writes[1].text)
      local answer = assert(http:send({ method = method, url = url, headers = headers, body = before .. token .. after }, options))
      token = answer.body:match '"refresh_token":%s*"([^"]+)"'
      assert(answer.status == 200 and token)
      replace_file(parent, name, writes[2].text)
    end
  end)
end

-- ---- The file store -------------------------------------------------------------------

function modes.put()
  local store, blob, rev = grid.store.file { directory = folder }, read "blob", nil
  return second_round(function()
    for _ = 1, count do rev = assert(store:put(ID, rev, blob, 2 ^ 31)) end
  end)
end

-- ---- Sessions of equal expiry ---------------------------------------------------------

-- The largest share of `count` sessions whose refresh is due within the same second; the
-- argument after the count is the life of a session.
function modes.spread()
  local due, most = {}, 0
  for i = 1, count do
    local second = math.floor(timing.schedule("session-" .. i, 1, tonumber(folder)).advisory)
    due[second] = (due[second] or 0) + 1
    most = math.max(most, due[second])
  end
  return most / count
end

print(("%.9f"):format(modes[mode]()))
