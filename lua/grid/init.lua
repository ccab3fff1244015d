-- lua-grid: sessions that stay fresh. This file is the module `grid`.
-- Owns: the public names.
-- Does not know: HTTP, JSON and keys, which are in the modules that it loads.

-- PUC Lua 5.1 has the same module path as LuaJIT, but cannot load the C core.
if not rawget(_G, "jit") and _VERSION ~= "Lua 5.4" then
  error(("lua-grid runs on Lua 5.4 and LuaJIT 2.1, not on PUC %s"):format(_VERSION), 0)
end

local auth = require "grid.api.auth"
local client = require "grid.api.client"
local errors = require "grid.errors"
local http = require "grid.http"
local json = require "grid.json"
local lazy = require "grid.lazy"
local version = require "grid.version"

local clients = lazy "grid.api.clients"
local keys = lazy "grid.keys"
local keeper = lazy "grid.keeper"
local file_store = lazy "grid.store.file"
local grid_exchange = lazy "grid.exchange.grid"
local memory_store = lazy "grid.store.memory"
local oauth2_exchange = lazy "grid.exchange.oauth2"
local redis_store = lazy "grid.store.redis"
local shdict_store = lazy "grid.store.shdict"

---@class (exact) grid.Exchanges
---@field grid fun(options: grid.GridExchangeOptions): grid.Exchange Grid, with the options of a client
---@field oauth2 fun(options: grid.OAuth2Options): grid.Exchange an OAuth 2.0 authorization server

---@class (exact) grid.Stores
---@field file fun(options: grid.FileStoreOptions): grid.Store a folder, for the programs of one machine
---@field memory fun(): grid.Store for tests
---@field redis fun(options: grid.RedisStoreOptions): grid.Store Redis or Valkey, for many machines
---@field shdict fun(options: grid.ShdictStoreOptions): grid.Store a shared dictionary, for the workers of one nginx

---@class (exact) grid
---@field _VERSION string
---@field null any JSON null; equal to cjson.null and ngx.null
---@field array fun(items?: table): table marks a table as a JSON array, also when it is empty
---@field new fun(options?: grid.Options): grid.Client
---@field http { new: fun(options?: grid.HttpOptions): grid.Http } any HTTP service
---@field is_error fun(value: any, kind?: string): boolean
---@field keeper fun(options: grid.KeeperOptions): grid.Keeper keeps sessions fresh
---@field keypair fun(text?: string): grid.KeyPair?, grid.Error? a new P-256 pair, or the pair of a private key
---@field authorization_key fun(text: string): grid.AuthorizationKey?, grid.Error? one that was opened before
---@field canonicalize fun(json_text: string): string?, grid.Error? RFC 8785
---@field exchange grid.Exchanges how sessions are refreshed
---@field store grid.Stores where sessions are kept
---@field refresh_session fun(request: grid.RefreshRequest, given?: grid.Options|grid.CallOptions): grid.Result?, grid.Error?
local grid = {
  _VERSION = "lua-grid " .. version,
  null = json.null,
  array = json.array,
  new = client.new,
  http = { new = http.new },
  is_error = function(...) return errors.is_error(...) end,
  exchange = {
    grid = function(...) return grid_exchange.new(...) end,
    oauth2 = function(...) return oauth2_exchange.new(...) end,
  },
  store = {
    file = function(...) return file_store.new(...) end,
    memory = function(...) return memory_store.new(...) end,
    redis = function(...) return redis_store.new(...) end,
    shdict = function(...) return shdict_store.new(...) end,
  },
  keeper = function(...) return keeper.new(...) end,
  keypair = function(...) return keys.keypair(...) end,
  authorization_key = function(...) return keys.authorization_key(...) end,
  canonicalize = function(...) return keys.canonicalize(...) end,
}

--- Returns a session with a new key, and possibly new tokens: POST /auth/refresh-session.
function grid.refresh_session(request, given)
  local what = "grid.refresh_session"
  local one, for_call = clients.choose(what, given)
  return client.carry_out(one, what, for_call, auth.refresh_session, request)
end

return grid
