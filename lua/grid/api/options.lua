-- What a client and a call may be given, and what they are when nothing is given.
-- Owns: names, types, defaults, the environment variables, and the rules for a base_url.

local hosts = require "grid.host"
local argument = require "grid.argument"
local pasted = require "grid.pasted"
local schema = require "grid.schema"
local version = require "grid.version"

local options = {}

local API_PATH = "/api/grid/v1"

local function is_loopback(host)
  if host == "localhost" or host == "[::1]" then return true end
  if host:find("%.0%d") then return false end -- this, and parts above 255, would be looked up as names
  local b, c, d = host:match("^127%.(%d+)%.(%d+)%.(%d+)$")
  return b ~= nil and math.max(tonumber(b), tonumber(c), tonumber(d)) < 256
end

local function is_port(text)
  local number = tonumber(text:match("^:(%d+)$"))
  return number ~= nil and number > 0 and number < 65536
end

-- What is in brackets is an IPv6 address, which has a colon at least.
local function host_of(authority)
  return authority:match("^%[[%x.]*:[%x:.]*%]") or authority:match("^[^:%[%]]+")
end

local function check_base_url(url)
  local scheme, authority, path = url:match("^(%a+)://([^/?#]+)([^?#]*)$")
  scheme, authority = (scheme or ""):lower(), (authority or ""):lower() -- RFC 3986 3.1, 3.2.2
  if not (scheme == "https" or scheme == "http") or url:find("[%s%c]") or authority:find("@", 1, true) then
    return "a URL like https://grid.squads.xyz, without user, query or fragment"
  end
  local host = host_of(authority)
  local port = host and authority:sub(#host + 1)
  if not host or not (port == "" or is_port(port)) then return "a URL with a host and perhaps a port" end
  if scheme == "http" and not is_loopback(host) then
    return "https: http is for a loopback address only"
  end
  if path:find("//", 1, true) then return "a URL whose path has no empty step" end
end

-- libcurl would take what stands before a "#" for the host: a user name, say, which would then be looked up.
local function check_proxy(url)
  if url:find("#", 1, true) then return "a URL without '#', which is %23 in a user name or a password" end
  return schema.without_controls(url)
end

---@class (exact) grid.Options
---@field api_key? string default $GRID_API_KEY; needed by the first call
---@field environment? "sandbox"|"production"|"devnet"|"mainnet" default $GRID_ENVIRONMENT, else "production"
---@field base_url? string default $GRID_BASE_URL, else https://grid.squads.xyz
---@field timeout? number seconds for a whole call, tries and waits included; 10
---@field connect_timeout? number seconds for one connection, TLS included; 3
---@field retries? integer further tries after the first; 2
---@field ca_file? string PEM file of the authorities to trust; default the system's
---@field proxy? string URL; "" for none; default as libcurl reads the environment
---@field user_agent? string "lua-grid/0.1.0-dev"
---@field max_response_bytes? integer 1048576
---@field http_version? "2"|"1.1" the highest to use; "2"
---@field insecure_skip_tls_verify? boolean
---@field on_event? fun(event: grid.Event)
---@field host? grid.Host
options.client = {
  api_key = { type = "string" },
  environment = { type = "string", check = schema.one_of("sandbox", "production", "devnet", "mainnet"), default = "production" },
  base_url = { type = "string", check = check_base_url, default = "https://grid.squads.xyz" },
  timeout = { type = "number", check = schema.seconds, default = 10 },
  connect_timeout = { type = "number", check = schema.seconds, default = 3 },
  retries = { type = "number", check = schema.whole, default = 2 },
  ca_file = { type = "string", check = schema.plain },
  proxy = { type = "string", check = check_proxy },
  user_agent = { type = "string", check = schema.not_empty, default = "lua-grid/" .. version },
  max_response_bytes = { type = "number", check = schema.count, default = 1024 * 1024 },
  http_version = { type = "string", check = schema.one_of("2", "1.1"), default = "2" },
  insecure_skip_tls_verify = { type = "boolean", default = false },
  on_event = { type = "function" },
  host = { type = "table" },
}

---@class (exact) grid.CallOptions
---@field idempotency_key? string letters, digits, "-" and "_"; default a new UUID
---@field cookie? string value of the Cookie header
---@field timeout? number seconds; default the client's
---@field detached? boolean inside nginx: the call goes on to its end even if the request that waits for it is aborted
options.call = {
  idempotency_key = { type = "string", check = schema.not_empty },
  cookie = { type = "string", check = schema.not_empty },
  timeout = { type = "number", check = schema.seconds },
  detached = { type = "boolean" },
}

local function joined(one, other)
  local both = {}
  for _, declared in ipairs { one, other } do
    for name, field in pairs(declared) do both[name] = field end
  end
  return both
end

--- What grid.refresh_session takes in one table.
options.both = joined(options.client, options.call)

--- What client:update_account takes.
options.update = joined(options.call, { admin = { type = "boolean" } })

local environment = { api_key = "GRID_API_KEY", environment = "GRID_ENVIRONMENT", base_url = "GRID_BASE_URL" }

local function from_environment(name)
  local variable = environment[name]
  local value = variable and pasted.trim(os.getenv(variable) or "")
  if value == nil or value == "" then return nil end
  local expected = options.client[name].check and options.client[name].check(value)
  if expected then argument.raise("$%s must be %s", variable, expected) end
  return value
end

--- The options of a client: a new table, every default filled in, the environment read now.
function options.resolve(what, given)
  schema.check(what, options.client, given)
  if given.host then hosts.check(what, given.host) end
  local resolved = {}
  for name, field in pairs(options.client) do
    resolved[name] = given[name]
    if resolved[name] == nil then resolved[name] = from_environment(name) end
    if resolved[name] == nil then resolved[name] = field.default end
  end
  return resolved
end

--- Where paths of the API begin.
function options.endpoint(base_url)
  local trimmed = base_url:gsub("/+$", ""):gsub("^%a+", string.lower)
  return trimmed:sub(-#API_PATH) == API_PATH and trimmed or trimmed .. API_PATH
end

return options
