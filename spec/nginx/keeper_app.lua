-- What the locations of the keeper's specs run inside nginx: one keeper for all workers,
-- made before the fork, over the folder and the authorization server that the environment
-- names, see spec/nginx/keeper_scene.lua. Counts the calls of the store.

local cjson = require "cjson"
local core = require "grid.core"
local grid = require "grid"

local app = {}

--- Calls of each method of the store, in this worker.
app.calls = {}

local METHODS = { "get", "is_unchanged", "put", "put_by", "remove", "remove_by", "due", "list" }

local function counted(store)
  local wrapped = setmetatable({}, { __index = store })
  for _, name in ipairs(METHODS) do
    app.calls[name] = 0
    wrapped[name] = store[name] and function(_, ...)
      app.calls[name] = app.calls[name] + 1
      return store[name](store, ...)
    end
  end
  return wrapped
end

-- Writes in the worker itself, which an event loop must not do.
local replace_if, remove_if = core.file_replace_if, core.file_remove_if
app.blocking = 0

function core.file_replace_if(...)
  app.blocking = app.blocking + 1
  return replace_if(...)
end

function core.file_remove_if(...)
  app.blocking = app.blocking + 1
  return remove_if(...)
end

--- The keeper that the environment describes, with `given` in place of the defaults.
function app.new(given)
  local reuse = os.getenv "KEEPER_REUSE"
  local options = {
    exchange = grid.exchange.oauth2 {
      token_url = os.getenv "KEEPER_TOKEN_URL", client_id = os.getenv "KEEPER_CLIENT_ID",
      client_secret = os.getenv "KEEPER_CLIENT_SECRET", reuse = reuse, idempotency_header = "Idempotency-Key",
    },
    store = counted(grid.store.file { directory = os.getenv "KEEPER_DIRECTORY" }),
    timeout = tonumber(os.getenv "KEEPER_TIMEOUT"), recheck = 60,
  }
  for name, value in pairs(given or {}) do options[name] = value end
  app.keeper = grid.keeper(options)
  return app.keeper
end

function app.say(value)
  value.worker = ngx.worker.pid()
  ngx.header.content_type = "application/json"
  ngx.print(cjson.encode(value))
end

--- The result of a method of the keeper, in a form that specs compare.
function app.outcome(session, err)
  if not session then
    return { kind = err.kind, code = err.code, cause = err.cause and err.cause.code, message = tostring(err) }
  end
  if session == true then return { ok = true } end
  return { ok = true, token = session.access_token, generation = session.generation }
end

--- The session of ?id=, with ?timeout=.
function app.get()
  local given = ngx.req.get_uri_args()
  app.say(app.outcome(app.keeper:get(given.id, given.timeout and { timeout = tonumber(given.timeout) })))
end

--- For access_by_lua.
function app.guard()
  local session, err = app.keeper:get(ngx.var.arg_id)
  if not session then
    ngx.log(ngx.ERR, err)
    return ngx.exit(503)
  end
end

function app.refresh()
  local given = ngx.req.get_uri_args()
  app.say(app.outcome(app.keeper:refresh(given.id, given.timeout and { timeout = tonumber(given.timeout) })))
end

--- Adds a session of ?token=, under ?id=.
function app.add()
  local given = ngx.req.get_uri_args()
  app.say(app.outcome(app.keeper:add(given.id, { access_token = "first", refresh_token = given.token, expires_in = 3600 })))
end

function app.remove()
  app.say(app.outcome(app.keeper:remove(ngx.var.arg_id)))
end

local function size(list)
  local count = 0
  for _ in pairs(list) do count = count + 1 end
  return count
end

local function waiters(keeper)
  local count = size(keeper.pulse)
  for _, one in pairs(keeper.flights) do count = count + size(one.waiters) end
  return count
end

--- What this worker holds, after a full collection.
function app.counters()
  collectgarbage()
  collectgarbage()
  local keeper = app.keeper
  app.say {
    flights = size(keeper.flights), waiters = waiters(keeper), pending = size(keeper.pending), blocks = core.live(),
    timers = ngx.timer.running_count() + ngx.timer.pending_count(), calls = app.calls, blocking = app.blocking,
    writer = keeper.writer and 1 or 0,
  }
end

return app
