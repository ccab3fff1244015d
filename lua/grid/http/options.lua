-- Declares and checks the options of the HTTP layer.
-- Owns: names, types and defaults of options; which URLs are accepted.
-- Does not know: services and their options.

local ascii = require "grid.ascii"
local hosts = require "grid.host"
local schema = require "grid.schema"
local version = require "grid.version"

local options = {}

local function is_loopback(host)
  if host == "localhost" or host == "[::1]" then return true end
  if host:find("%.0%d") then return false end -- libcurl resolves this, and parts above 255, as a name
  local b, c, d = host:match("^127%.(%d+)%.(%d+)%.(%d+)$")
  return b ~= nil and math.max(tonumber(b), tonumber(c), tonumber(d)) < 256
end

local function is_port(text)
  local number = tonumber(text:match("^:(%d+)$"))
  return number ~= nil and number > 0 and number < 65536
end

-- An IPv6 address is in brackets and contains a colon.
local function host_of(authority)
  return authority:match("^%[[%x.]*:[%x:.]*%]") or authority:match("^[^:%[%]]+")
end

-- Scheme and host are case-insensitive (RFC 3986 3.1, 3.2.2). -> what the URL must be |
-- nil: accepted
local function check_origin(scheme, authority)
  scheme, authority = ascii.lower(scheme or ""), ascii.lower(authority or "")
  if not (scheme == "https" or scheme == "http") or authority:find("@", 1, true) then
    return "a URL like https://example.com, without a user"
  end
  local host = host_of(authority)
  local port = host and authority:sub(#host + 1)
  if not host or not (port == "" or is_port(port)) then return "a URL with a host and perhaps a port" end
  if scheme == "http" and not is_loopback(host) then return "https: http is for a loopback address only" end
end

--- Checks a URL that paths are appended to. -> what the URL must be | nil: accepted
function options.check_base_url(url)
  local scheme, authority, path = url:match("^(%a+)://([^/?#]+)([^?#]*)$")
  if not scheme or url:find("[%s%c]") then return "a URL like https://example.com, without user, query or fragment" end
  local problem = check_origin(scheme, authority)
  if problem then return problem end
  if path:find("//", 1, true) then return "a URL whose path has no empty step" end
end

--- Checks the URL of a request. -> what the URL must be | nil: accepted
function options.check_url(url)
  if not url:find "^[!-~]*$" or url:find("#", 1, true) then return "a URL in ASCII, without blanks and fragment" end
  return check_origin(url:match "^(%a+)://([^/?]*)")
end

-- libcurl ends the host of a proxy at "#": with "user#1:password@host" the user name
-- would be resolved.
local function check_proxy(url)
  if url:find("#", 1, true) then return "a URL without '#', which is %23 in a user name or a password" end
  return schema.without_controls(url)
end

---@class (exact) grid.HttpOptions
---@field base_url? string prepended to each url that begins with "/"
---@field timeout? number seconds for a whole call, including all attempts and delays; 10
---@field connect_timeout? number seconds for one connection, including TLS; 3
---@field retries? integer further attempts after the first; 2
---@field ca_file? string PEM file of trusted certificate authorities; default: the system's
---@field proxy? string URL; "" for none; default: from the environment variables that libcurl reads
---@field user_agent? string "lua-grid/0.1.0-dev"
---@field max_response_bytes? integer 1048576
---@field http_version? "2"|"1.1" the highest version to use; "2"
---@field insecure_skip_tls_verify? boolean
---@field on_event? fun(event: grid.Event)
---@field host? grid.Host
options.transport = {
  base_url = { type = "string", check = options.check_base_url },
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

---@class (exact) grid.HttpCallOptions
---@field timeout? number seconds; default: that of the object
---@field retries? integer default: that of the object
---@field detached? boolean the call continues when its caller has ended: an aborted nginx request, a closed coroutine
options.call = {
  timeout = { type = "number", check = schema.seconds },
  retries = { type = "number", check = schema.whole },
  detached = { type = "boolean" },
}

--- A schema with the fields of both.
function options.join(one, other)
  local both = {}
  for _, declared in ipairs { one, other } do
    for name, field in pairs(declared) do both[name] = field end
  end
  return both
end

--- A new table of the options that `declared` names, with defaults. A value that
--- `fallback(name)` returns takes precedence over the default.
function options.resolve(what, declared, given, fallback)
  schema.check(what, declared, given)
  if given.host then hosts.check(what, given.host) end
  local resolved = {}
  for name, field in pairs(declared) do
    local value = given[name]
    if value == nil and fallback then value = fallback(name) end
    if value == nil then value = field.default end
    resolved[name] = value
  end
  return resolved
end

return options
