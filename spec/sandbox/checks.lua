-- What every request to the API must have, whichever endpoint it is for: the API key, the
-- headers, a JSON object. Each check answers nil when all is well, else the answer to
-- send.
-- Does not know: sessions, faults.

local answers = require "sandbox.answers"
local json = require "sandbox.json"
local settings = require "sandbox.settings"

local checks = {}

local ENVIRONMENTS = { sandbox = true, production = true, devnet = true, mainnet = true }

local CONTENT_TYPES = {
  ["application/json"] = true, ["application/json; charset=utf-8"] = true, ["application/json;charset=utf-8"] = true,
}

function checks.authorization(request)
  local value = request.headers.authorization
  if value == nil then
    return answers.failure { status = 401, code = "missing_api_key", message = "Authorization header is missing" }
  end
  -- A header that came twice is a table here, which is refused as well.
  if value ~= "Bearer " .. settings.current.api_key then
    return answers.failure { status = 401, code = "invalid_api_key", message = "Invalid API key" }
  end
end

local function problem(header, message)
  return { field = header, code = "invalid_header", message = header .. " " .. message }
end

---@param has_body boolean
function checks.headers(request, has_body)
  local headers, problems = request.headers, {}
  local kind = headers["content-type"]
  if has_body and (type(kind) ~= "string" or not CONTENT_TYPES[kind:lower()]) then
    problems[#problems + 1] = problem("content-type", "must be application/json")
  end
  if not ENVIRONMENTS[headers["x-grid-environment"]] then
    problems[#problems + 1] = problem("x-grid-environment", "must be sandbox, production, devnet or mainnet")
  end
  local key = headers["x-idempotency-key"]
  if key ~= nil and (type(key) ~= "string" or #key > 255 or not key:find "^[%w_-]+$") then
    problems[#problems + 1] = problem("x-idempotency-key", "must be letters, digits, '-' and '_'")
  end
  if problems[1] then return answers.invalid(problems) end
end

--- Reads the body into `request.value` and `request.spans` and checks it against the
--- endpoint's shape; without a shape there must be no body.
function checks.body(request, shape)
  if not shape then
    if request.body == "" then return nil end
    return answers.invalid { { field = "body", code = "unknown_field", message = "body must be empty" } }
  end
  local value, spans = json.decode(request.body)
  if value == nil then
    return answers.failure { status = 400, code = "invalid_json", message = "The body is not JSON: " .. spans }
  end
  request.value, request.spans = value, spans
  local problems = {}
  shape(value, "", problems)
  if problems[1] then return answers.invalid(problems) end
end

return checks
