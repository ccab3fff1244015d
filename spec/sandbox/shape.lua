-- Small combinators that say what a JSON value must look like. A shape is a function
-- `(value, path, problems)` that appends a problem `{field, code, message}` for whatever
-- is amiss; the documented bodies at the end are made of them.
-- Does not know: endpoints.

local bytes = require "sandbox.bytes"
local json = require "sandbox.json"
local keys = require "sandbox.keys"

local shape = {}

local function report(problems, path, code, message)
  problems[#problems + 1] = { field = path, code = code, message = path .. " " .. message }
end

function shape.text(value, path, problems)
  if type(value) ~= "string" then report(problems, path, "invalid_type", "must be a string")
  elseif value == "" then report(problems, path, "empty", "must not be empty") end
end

function shape.integer(value, path, problems)
  if not json.is_integer(value) then report(problems, path, "invalid_type", "must be an integer") end
end

---@param most integer|nil
function shape.integer_from(least, most)
  return function(value, path, problems)
    if not json.is_integer(value) then return report(problems, path, "invalid_type", "must be an integer") end
    if type(value) ~= "number" or value < least or value > (most or value) then
      report(problems, path, "invalid_value", "is out of range")
    end
  end
end

function shape.literal(expected)
  return function(value, path, problems)
    if value ~= expected then report(problems, path, "invalid_value", 'must be "' .. expected .. '"') end
  end
end

function shape.one_of(...)
  local allowed = {}
  for i = 1, select("#", ...) do allowed[select(i, ...)] = true end
  local description = "must be one of " .. table.concat({ ... }, ", ")
  return function(value, path, problems)
    if not allowed[value] then report(problems, path, "invalid_value", description) end
  end
end

function shape.matching(pattern, description)
  return function(value, path, problems)
    if type(value) ~= "string" then report(problems, path, "invalid_type", "must be a string")
    elseif not value:find(pattern) then report(problems, path, "invalid_format", "must be " .. description) end
  end
end

function shape.public_key(value, path, problems)
  if type(value) ~= "string" then return report(problems, path, "invalid_type", "must be a string") end
  local point, problem = keys.point(value)
  if not point then report(problems, path, "invalid_public_key", problem) end
end

--- An address on Solana: base58 of 32 bytes.
function shape.address(value, path, problems)
  if type(value) ~= "string" then return report(problems, path, "invalid_type", "must be a string") end
  local octets = bytes.from_base58(value)
  if not octets or #octets ~= 32 then report(problems, path, "invalid_address", "must be base58 of 32 bytes") end
end

function shape.or_null(inner)
  return function(value, path, problems)
    if value ~= json.null then inner(value, path, problems) end
  end
end

---@param least integer|nil how many elements there must be
function shape.list(inner, least)
  return function(value, path, problems)
    if not json.is_array(value) then return report(problems, path, "invalid_type", "must be an array") end
    if #value < (least or 0) then report(problems, path, "too_short", "has too few elements") end
    for i = 1, #value do inner(value[i], path .. "[" .. i - 1 .. "]", problems) end
  end
end

---@param required table<string, function>
---@param optional table<string, function>|nil
function shape.object(required, optional)
  optional = optional or {}
  return function(value, path, problems)
    if not json.is_object(value) then
      return report(problems, path == "" and "body" or path, "invalid_type", "must be an object")
    end
    local prefix = path == "" and "" or path .. "."
    for name, inner in pairs(required) do
      if value[name] == nil then report(problems, prefix .. name, "required", "is missing")
      else inner(value[name], prefix .. name, problems) end
    end
    for name, member in pairs(value) do
      if optional[name] then optional[name](member, prefix .. name, problems)
      elseif not required[name] then report(problems, prefix .. name, "unknown_field", "is not a known field") end
    end
  end
end

--- Standard base64 of at least one byte.
function shape.base64(value, path, problems)
  if type(value) ~= "string" then return report(problems, path, "invalid_type", "must be a string") end
  if value == "" or not bytes.from_base64(value) then report(problems, path, "invalid_format", "must be base64") end
end

local wallet = shape.object({
  id = shape.text, address = shape.text, chain_type = shape.literal "solana", created_at = shape.integer,
  policy_ids = shape.list(shape.text),
  additional_signers = shape.list(shape.object {
    signer_id = shape.text, override_policy_ids = shape.list(shape.text),
  }),
}, {
  owner_id = shape.or_null(shape.text), public_key = shape.or_null(shape.text),
  exported_at = shape.or_null(shape.integer), imported_at = shape.or_null(shape.integer),
})

local key_session = shape.object({
  expires_at = shape.integer, wallets = shape.list(wallet),
}, {
  authorization_key = shape.or_null(shape.text),
  encrypted_authorization_key = shape.or_null(shape.object {
    encryption_type = shape.literal "HPKE", encapsulated_key = shape.base64, ciphertext = shape.base64,
  }),
})

shape.kms_payload = shape.object({
  provider = shape.literal "privy",
  session = shape.object {
    Privy = shape.object {
      user_id = shape.text, token = shape.text, privy_access_token = shape.text, refresh_token = shape.text,
      session = key_session,
    },
  },
}, {
  x_future = function() end, -- of the setting unknown_fields; session.compare sees whether it came back whole
})

shape.email = shape.matching("^[^%s@]+@[^%s@]+%.[^%s@]+$", "an email address")

return shape
