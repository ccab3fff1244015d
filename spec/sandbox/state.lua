-- Everything the sandbox remembers, in the tables of its one nginx worker. It owns no
-- behaviour beyond counting and forgetting.
-- Does not know: what the values mean.

local state = {}

local RECENT = 64 -- requests kept for reading back

--- Zeroes what was counted and keeps the sessions.
function state.reset_counters()
  state.counters = {
    requests = 0,    -- that came to the API, whatever became of them
    connections = 0, -- that carried at least one of them
    executions = 0,  -- that had their effect, whether or not an answer went out
    replays = 0,     -- answered from memory (mode idempotent)
    tier1 = 0, tier2 = 0,
    reuses = 0,      -- spent refresh tokens that came again and were not taken
    faults = 0,      -- requests that met a fault
  }
  state.oauth = {
    executions = 0,  -- refreshes that were granted, whether or not an answer went out; replays are among them
    rotations = 0,   -- refresh tokens that were spent for a new one
    replays = 0,     -- stored answers that were given again (mode idempotent)
    leeway = 0,      -- spent tokens that got a further pair (mode grace)
    reuses = 0,      -- spent tokens that revoked their family
    refusals = 0,    -- all other refreshes that were refused
    revoked_families = 0,
    spoiled = 0,     -- rotations whose answer met a fault
  }
  state.connections = {}        -- connection serial -> true
  state.executions = { refresh_token = {}, idempotency_key = {}, transaction = {} } -- each: text -> count
  state.recent, state.recent_count = {}, 0
end

state.held, state.releases = 0, 0 -- answers that are kept back, and how often all of them were let go

--- Lets go of the answers that faults hold.
function state.release() state.held, state.releases = 0, state.releases + 1 end

local PATIENCE, PAUSE = 30, 0.01 -- seconds

--- Waits until each of `counts()` that `query` names is at least as high as there. -> the
--- counts | an error, status 400: they are not after 30 seconds
function state.await(counts, query)
  local function is_reached()
    for name, value in pairs(query) do
      if (tonumber(counts()[name]) or 0) < (tonumber(value) or 0) then return false end
    end
    return true
  end
  local deadline = ngx.now() + PATIENCE
  while not is_reached() do
    if ngx.now() >= deadline then return { error = ("not so after %d seconds"):format(PATIENCE) }, 400 end
    ngx.sleep(PAUSE)
  end
  return counts()
end

function state.reset()
  state.reset_counters()
  state.release()
  state.sessions = {}           -- id -> session
  state.accounts = {}           -- address -> account, see accounts.lua
  state.emails = {}             -- email -> account that its log-ins lead to
  state.signers = {}            -- address of a wallet -> account whose sessions hold its key
  state.transactions = {}       -- text -> prepared transaction, see transactions.lua
  state.refresh_tokens = {}     -- text -> record, see session.lua
  state.otps = {}               -- email -> pending log-in
  state.faults = {}             -- waiting faults, oldest first
  state.replay = {}             -- idempotency key -> stored answer
  state.replay_order, state.replay_next = {}, 1
  state.families = {}           -- number -> family of OAuth refresh tokens, see oauth/families.lua
  state.grants = {}             -- text -> OAuth refresh token
  state.codes = {}              -- text -> authorization code, see oauth/codes.lua
  state.seed(1)
end

--- Starts the generator of `state.random`: that of Lehmer, with the factor and the
--- modulus of Park and Miller, whose products a double holds exactly.
function state.seed(number)
  state.chance = math.floor(number) % 2147483646 + 1
  for _ = 1, 3 do state.random() end -- small seeds begin with small numbers
end

--- -> a number from 0 up to but not including 1
function state.random()
  state.chance = state.chance * 48271 % 2147483647
  return state.chance / 2147483647
end

function state.count(name)
  state.counters[name] = state.counters[name] + 1
end

function state.count_execution(kind, text)
  local counts = state.executions[kind]
  counts[text] = (counts[text] or 0) + 1
end

--- Keeps the last requests in a ring.
function state.remember(request)
  state.recent[state.recent_count % RECENT + 1] = request
  state.recent_count = state.recent_count + 1
end

--- The kept requests, oldest first.
function state.recall()
  local list, count = {}, math.min(state.recent_count, RECENT)
  for i = state.recent_count - count, state.recent_count - 1 do
    list[#list + 1] = state.recent[i % RECENT + 1]
  end
  return list
end

return state
