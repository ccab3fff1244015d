-- The store in Redis of `grid keep`: its options, of the section `redis` of the
-- configuration.
-- Owns: the form of that section; the connection, by redis-lua, of which a command needs
-- one at a time.
-- Does not know: the rest of the configuration.

local core = require "grid.core"
local exit = require "grid.cli.exit"
local schema = require "grid.schema"

local redis_store = {}

local TIMEOUT = 5 -- seconds: longer than WAITAOF takes

local LONGEST_IDLE = 1 -- seconds; a server or a firewall may end a connection that is idle

local TEXT = { type = "string", check = schema.plain }

--- The members of the section. A relative path in `socket` begins at the folder of the
--- configuration.
redis_store.FIELDS = {
  host = TEXT, port = { type = "number", check = schema.count }, socket = TEXT, username = TEXT, password_file = TEXT,
  prefix = { type = "string" },
}

local function module()
  local ok, redis = pcall(require, "redis")
  if not ok or type(redis) ~= "table" or not redis.connect then
    exit.failed((
      "grid: a store in Redis needs the Lua module redis-lua: install it (`luarocks install --lua-version %s redis-lua`)%s"
    ):format(_VERSION:match "%d%.%d", rawget(_G, "jit") and "" or ", or Debian's lua-redis, and run grid-luajit"))
  end
  redis.commands.waitaof = redis.commands.waitaof or redis.command "WAITAOF"
  return redis
end

--- What is wrong with a section that has only the members FIELDS | nil
---@return string?
function redis_store.fault(section)
  for _, name in ipairs { "host", "port" } do
    if section.socket and section[name] then return ("'%s' is not used with 'socket'"):format(name) end
  end
  if section.username and not section.password_file then return "'username' is not used without 'password_file'" end
end

-- redis-lua sets no timeout on a Unix socket that it makes itself.
local function unix_socket(path)
  local socket = require "socket.unix"()
  socket:settimeout(TIMEOUT, "t")
  local ok, problem = socket:connect(path)
  if not ok then error(("could not connect to %s [%s]"):format(path, problem), 0) end
  return socket
end

-- redis-lua has no such method.
local function close(client) client.network.socket:close() end

-- Raises, as redis-lua does.
local function connect(redis, section, path, password)
  local at = { host = section.host, port = section.port, timeout = TIMEOUT }
  if path then at = { socket = unix_socket(path) } end
  local client = redis.connect(at)
  client.close = close
  if password and section.username then
    client:auth(section.username, password)
  elseif password then
    client:auth(password)
  end
  return client
end

--- What grid.store.redis takes.
---@param section table with the members FIELDS
---@param path string? of the section's socket
---@param password string? of the section's password_file
---@return grid.RedisStoreOptions
function redis_store.options(section, path, password)
  local redis, idle, idle_since = module(), nil, nil
  return {
    connect = function()
      local client = idle
      idle = nil
      if client and core.now() < idle_since + LONGEST_IDLE then return client end
      if client then client:close() end
      return connect(redis, section, path, password)
    end,
    release = function(client) idle, idle_since = client, core.now() end,
    prefix = section.prefix,
  }
end

return redis_store
