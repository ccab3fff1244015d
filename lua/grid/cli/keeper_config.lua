-- The keeper of `grid keep`, as a configuration file describes it: a JSON object
-- { directory | redis, spool, seal_key_files, timeout, oauth2 | grid }.
-- Owns: the form of that file, and the secrets, which are in files that it names. A
-- relative path in it begins at its folder.
-- Does not know: the verbs of the command.

local contract = require "grid.exchange.contract"
local exit = require "grid.cli.exit"
local grid = require "grid"
local json = require "grid.json"
local oauth2 = require "grid.exchange.oauth2"
local options = require "grid.api.options"
local pasted = require "grid.pasted"
local redis_store = require "grid.cli.redis_store"
local schema = require "grid.schema"
local service = require "grid.cli.service"
local text_file = require "grid.cli.text_file"

local keeper_config = {}

--- The declaration of --config.
keeper_config.option = {
  value = "FILE", required = true, help = "the configuration of the keeper, JSON; doc/keeper.md describes it",
}

local PATH = { type = "string", check = schema.plain }

local function check_paths(value)
  for i = 1, #value do
    if type(value[i]) ~= "string" or schema.plain(value[i]) then return "a list of names of files" end
  end
  if #value == 0 then return "a list of one file or more" end
end

local FIELDS = {
  directory = PATH,
  redis = { type = "table" },
  spool = PATH,
  seal_key_files = { type = "table", check = check_paths },
  timeout = { type = "number", check = schema.seconds },
  oauth2 = { type = "table" },
  grid = { type = "table" },
}

-- Secret -> the member that names its file instead.
local IN_FILES = {
  client_secret = "client_secret_file", private_key = "private_key_file", api_key = "api_key_file", seal_keys = "seal_key_files",
  password = "password_file",
}

local OAUTH2 = { client_secret_file = PATH, private_key_file = PATH }
for name, field in pairs(oauth2.options) do
  if not IN_FILES[name] then OAUTH2[name] = field end
end

local GRID = { api_key_file = PATH, reuse = contract.REUSE.reuse, reuse_seconds = contract.REUSE.reuse_seconds }
local OF_CLIENT = { "base_url", "environment" }
for _, name in ipairs(contract.TRANSPORT) do OF_CLIENT[#OF_CLIENT + 1] = name end
for _, name in ipairs(OF_CLIENT) do GRID[name] = { type = options.client[name].type, check = options.client[name].check } end

local function in_file(quoted_name)
  local instead = IN_FILES[quoted_name:sub(2, -2)]
  return instead and "'" .. instead .. "'"
end

-- The value of a function that raises for a misuse, which is one of the file here.
local function checked(where, f, ...)
  local ok, value = pcall(f, ...)
  if not ok then exit.usage("%s: %s", where, (service.message_of(value):gsub("'[%l_]+'", in_file))) end
  return value
end

local function check(where, declared, value)
  for name, instead in pairs(IN_FILES) do
    if value[name] ~= nil then
      exit.usage("%s: '%s' is a secret: write it to a file, and name that file in '%s'", where, name, instead)
    end
  end
  checked(where, schema.check, "keeper.config", declared, value)
end

local function path_from(base, path)
  return path and (path:sub(1, 1) == "/" and path or base .. path)
end

local function text_of(base, path)
  return exit.assert(text_file.read(path_from(base, path)))
end

local function secret_of(base, path)
  local secret = pasted.trim(text_of(base, path):match "^[^\r\n]*")
  if secret == "" then exit.failed(("grid: the first line of %s is empty"):format(path)) end
  return secret
end

local function oauth2_exchange(where, base, section)
  check(where, OAUTH2, section)
  local given = {}
  for name, value in pairs(section) do given[name] = value end
  given.client_secret_file, given.private_key_file = nil, nil
  given.client_secret = section.client_secret_file and secret_of(base, section.client_secret_file)
  given.private_key = section.private_key_file and text_of(base, section.private_key_file)
  given.ca_file = path_from(base, section.ca_file)
  return checked(where, grid.exchange.oauth2, given)
end

local function grid_exchange(where, base, section)
  check(where, GRID, section)
  local given = { api_key = section.api_key_file and secret_of(base, section.api_key_file) }
  for _, name in ipairs(OF_CLIENT) do given[name] = section[name] end
  given.ca_file = path_from(base, section.ca_file)
  local client = checked(where, grid.new, given)
  if not client.options.api_key then
    exit.usage("%s: no API key: name its file in 'api_key_file', or set GRID_API_KEY", where)
  end
  return checked(where, grid.exchange.grid, { client = client, reuse = section.reuse, reuse_seconds = section.reuse_seconds })
end

local function store_of(path, base, config)
  if config.directory then return grid.store.file { directory = path_from(base, config.directory) } end
  local where, section = path .. ": redis", config.redis
  check(where, redis_store.FIELDS, section)
  local fault = redis_store.fault(section)
  if fault then exit.usage("%s: %s", where, fault) end
  local password = section.password_file and secret_of(base, section.password_file)
  return checked(where, grid.store.redis, redis_store.options(section, path_from(base, section.socket), password))
end

local function seal_keys(base, paths)
  if not paths then return nil end
  local keys = {}
  for i, path in ipairs(paths) do
    local digits = secret_of(base, path)
    if #digits ~= 64 or digits:find "%X" then
      exit.failed(("grid: %s holds no key: write 64 hexadecimal digits, as `openssl rand -hex 32` prints them"):format(path))
    end
    keys[i] = digits:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)
  end
  return keys
end

local function read(path)
  local value, _, _, fault = json.decode(exit.assert(text_file.read(path)))
  if type(value) ~= "table" or json.is_array(value) then
    exit.usage("%s holds no JSON object%s", path, value == nil and ": " .. fault or "")
  end
  check(path, FIELDS, value)
  if (value.directory == nil) == (value.redis == nil) then
    exit.usage("%s: name either 'directory' or 'redis', the store of the sessions", path)
  end
  if (value.oauth2 == nil) == (value.grid == nil) then
    exit.usage("%s: name either 'oauth2' or 'grid', the exchange that refreshes sessions", path)
  end
  return value
end

--- The keeper that the file at `path` describes.
---@param on_event fun(event: grid.KeeperEvent)
---@return grid.Keeper
function keeper_config.open(path, on_event)
  local config, base = read(path), path:match "^.*/" or ""
  local exchange
  if config.oauth2 then
    exchange = oauth2_exchange(path .. ": oauth2", base, config.oauth2)
  else
    exchange = grid_exchange(path .. ": grid", base, config.grid)
  end
  return checked(path, grid.keeper, {
    exchange = exchange, store = store_of(path, base, config),
    spool = path_from(base, config.spool), seal_keys = seal_keys(base, config.seal_key_files), timeout = config.timeout,
    on_event = on_event,
  })
end

return keeper_config
