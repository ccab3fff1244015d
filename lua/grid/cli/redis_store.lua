-- The store in Redis of `grid keep`: its options, of the section `redis` of the
-- configuration.
-- Owns: the form of that section; the connection, by redis-lua, of which a command needs
-- one.
-- Does not know: the rest of the configuration.

local exit = require "grid.cli.exit"
local schema = require "grid.schema"

local redis_store = {}

local TIMEOUT = 5 -- seconds: longer than WAITAOF takes

local TEXT = { type = "string", check = schema.plain }

--- The members of the section.
redis_store.FIELDS = {
  host = TEXT, port = { type = "number", check = schema.count }, socket = TEXT, username = TEXT, password_file = TEXT,
  prefix = { type = "string" },
}

local function module()
  local ok, redis = pcall(require, "redis")
  if not ok or type(redis) ~= "table" or not redis.connect then
    exit.failed "grid: a store in Redis needs the Lua module redis-lua: install it (`luarocks install redis-lua`)"
  end
  redis.commands.waitaof = redis.commands.waitaof or redis.command "WAITAOF"
  return redis
end

-- Raises, as redis-lua does.
local function connect(redis, section, password)
  local at = { host = section.host, port = section.port, timeout = TIMEOUT }
  if section.socket then at = { scheme = "unix", path = section.socket } end
  local client = redis.connect(at)
  if password and section.username then
    client:auth(section.username, password)
  elseif password then
    client:auth(password)
  end
  return client
end

--- What grid.store.redis takes.
---@param section table with the members FIELDS
---@param password string? of the section's password_file
---@return grid.RedisStoreOptions
function redis_store.options(section, password)
  local redis, idle = module(), nil
  return {
    connect = function()
      local client = idle or connect(redis, section, password)
      idle = nil
      return client
    end,
    release = function(client) idle = client end,
    prefix = section.prefix,
  }
end

return redis_store
