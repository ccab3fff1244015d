-- Makes the HTTP request of an operation.
-- Owns: the headers of Grid's API, and the idempotency key.
-- Does not know: connections, attempts, and the meaning of an answer.

local ascii = require "grid.ascii"
local core = require "grid.core"
local errors = require "grid.errors"
local response = require "grid.api.response"

local request = {}

local WITH_KEY = { POST = true, PUT = true, PATCH = true }

--- The header lines that are the same in each request of a client.
function request.constant_lines(options)
  return {
    authorization = "Authorization: Bearer " .. (options.api_key or ""),
    user_agent = "User-Agent: " .. options.user_agent,
    environment = "x-grid-environment: " .. options.environment,
  }
end

local function lines_of(constant, operation, key, given)
  return {
    "Accept: application/json", constant.authorization, constant.user_agent, constant.environment,
    operation.body and "Content-Type: application/json" or false,
    key and "x-idempotency-key: " .. key or false,
    given.cookie and "Cookie: " .. given.cookie or false,
  }
end

-- Headers of the caller replace those of the same name.
local function add_lines(lines, headers)
  for name, value in pairs(headers) do
    local lower = ascii.lower(name)
    for i, line in ipairs(lines) do
      if line and ascii.lower(line:match "^[^:]*") == lower then lines[i] = false end
    end
    lines[#lines + 1] = name .. ": " .. value
  end
end

local function refuse(code, message)
  return nil, errors.new { kind = "request", code = code, message = message }
end

--- `given`: the options of the call. -> grid.http.Request | nil, error
function request.new(client, operation, given)
  local api_key, key, method = client.options.api_key, given.idempotency_key, operation.method
  if (api_key or "") == "" then return refuse("no_api_key", "no API key: give api_key, or set GRID_API_KEY") end
  if key and not key:find "^[0-9A-Za-z_-]+$" then
    return refuse("bad_idempotency_key", "an idempotency key holds letters, digits, '-' and '_' only")
  end
  if not key and WITH_KEY[method] then key = core.uuid() end
  local lines = lines_of(client.constant_lines, operation, key, given)
  if given.headers then add_lines(lines, given.headers) end
  return {
    method = method,
    url = client.endpoint .. operation.path,
    path = operation.path,
    headers = lines,
    body = operation.body,
    idempotency_key = key,
    judge = response.judge,
    again = operation.again,
    timeout = given.timeout, retries = given.retries, detached = given.detached,
    operation = operation, api_key = api_key, cookie = given.cookie, -- for `judge`
  }
end

return request
