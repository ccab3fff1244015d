-- Declares and checks the options of a client and of its calls.
-- Owns: the options that Grid's API adds to those of the HTTP layer, their defaults, and
-- the environment variables for them.
-- Does not know: the use of an option.

local argument = require "grid.argument"
local ascii = require "grid.ascii"
local lazy = require "grid.lazy"
local schema = require "grid.schema"
local transport = require "grid.http.options"

local header_fields = lazy "grid.http.header_fields"
local pasted = lazy "grid.pasted"

local options = {}

local API_PATH = "/api/grid/v1"

---@class (exact) grid.Options: grid.HttpOptions
---@field api_key? string default: $GRID_API_KEY; required by the first call
---@field environment? "sandbox"|"production"|"devnet"|"mainnet" default $GRID_ENVIRONMENT, else "production"
---@field base_url? string default $GRID_BASE_URL, else https://grid.squads.xyz
options.client = transport.join(transport.transport, {
  api_key = { type = "string" },
  environment = { type = "string", check = schema.one_of("sandbox", "production", "devnet", "mainnet"), default = "production" },
  base_url = { type = "string", check = transport.check_base_url, default = "https://grid.squads.xyz" },
})

-- Header -> the option that sets it.
local SET_BY_OPTION = {
  authorization = "api_key", cookie = "cookie", ["user-agent"] = "user_agent", ["x-grid-environment"] = "environment",
  ["x-idempotency-key"] = "idempotency_key",
}

---@class (exact) grid.CallOptions: grid.HttpCallOptions
---@field idempotency_key? string letters, digits, "-" and "_"; default a new UUID
---@field cookie? string value of the Cookie header
---@field headers? table<string, string> further headers, or replacements of Accept and Content-Type
options.call = transport.join(transport.call, {
  idempotency_key = { type = "string", check = schema.not_empty },
  cookie = { type = "string", check = schema.not_empty },
  headers = { type = "table" },
})

--- The options of grid.refresh_session, in one table.
options.both = transport.join(options.client, options.call)

--- The options of client:update_account.
options.update = transport.join(options.call, { admin = { type = "boolean" } })

--- The options of client:refresh_sessions. A key or a cookie is that of one request.
---@class (exact) grid.ManyOptions
---@field concurrency? integer calls in flight at most; 64
---@field on_result? fun(position: integer, res: grid.Result?, err: any) for each result immediately, so that it can be stored
---@field on_progress? fun(done: integer, total: integer) after on_result
---@field timeout? number seconds, of each call
---@field retries? integer of each call
---@field headers? table<string, string> of each request
options.many = {
  concurrency = { type = "number", check = schema.count },
  on_result = { type = "function" },
  on_progress = { type = "function" },
  timeout = options.call.timeout, retries = options.call.retries, headers = options.call.headers,
}

local function check(what, fields, given)
  schema.check(what, fields, given)
  if not given.headers then return end
  header_fields.check(what, given.headers)
  for name in pairs(given.headers) do
    local option = SET_BY_OPTION[ascii.lower(name)]
    if option then argument.raise("%s: headers: '%s' is set by the option '%s'", what, name, option) end
  end
end

--- Raises unless `given` are valid options of a call.
function options.check_call(what, given) check(what, options.call, given) end

--- Raises unless `given` are valid options of client:refresh_sessions.
function options.check_many(what, given) check(what, options.many, given) end

--- Option -> the environment variable that sets it.
options.variables = { api_key = "GRID_API_KEY", environment = "GRID_ENVIRONMENT", base_url = "GRID_BASE_URL" }

local function from_environment(name)
  local variable = options.variables[name]
  local text = variable and os.getenv(variable)
  local value = text and pasted.trim(text) or ""
  if value == "" then return nil end
  local expected = options.client[name].check and options.client[name].check(value)
  if expected then argument.raise("$%s must be %s", variable, expected) end
  return value
end

--- The options of a client: a new table, with defaults and the current environment
--- variables.
function options.resolve(what, given)
  return transport.resolve(what, options.client, given, from_environment)
end

--- The URL that paths of the API are appended to.
function options.endpoint(base_url)
  local trimmed = base_url:gsub("/+$", ""):gsub("^%a+", ascii.lower)
  return trimmed:sub(-#API_PATH) == API_PATH and trimmed or trimmed .. API_PATH
end

return options
