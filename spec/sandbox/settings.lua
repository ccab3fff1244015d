-- How the sandbox behaves: one declared list, filled from the command line at start and
-- changed through the control address. Times are seconds. Who reads a setting takes it
-- from `settings.current` at the moment of use.
-- Does not know: what a setting does.

local settings = {}

local DAY = 86400

-- name -> default; an array names the values allowed, the first being the default.
local DECLARED = {
  mode = { "strict", "grace", "idempotent" },         -- what a spent refresh token gets
  grace = 10,                                         -- mode grace: how long a spent token is still taken
  tier = { "auto", "1", "2" },                        -- auto: by the `exp` of the token presented
  token_lifetime = 3600,
  key_lifetime = 900,
  refresh_lifetime = 30 * DAY,
  seal = true,                                        -- false: encrypted keys are random bytes, for load tests
  key_form = { "pkcs8", "pkcs8_short", "pem" },       -- what is sealed: base64 of 138 or of 67 bytes, or PEM
  key_prefix = { "none", "wallet-auth", "wallet-api" },
  payload_check = { "equal", "shape", "exact" },      -- how a payload that was issued here must come back
  error_shape = { "flat", "nested", "upstream" },
  unknown_fields = false,                             -- issue payloads with members that no documentation names
  key_lag = 0,                                        -- for how long a new key is refused at submit
  prepare = { "sound", "other_account", "other_transaction", "other_signer", "other_provider" },
  id_token = { "sound", "other_issuer", "other_audience", "wide_audience", "other_party", "expired" }, -- of a log-in by code
  retired = { "none", "all_but_five", "all" },        -- what is answered with 410
  api_key = "sandbox-api-key",
  replay_lifetime = DAY,                              -- mode idempotent: how long an answer is kept
  fixed = false,                                      -- answer every request alike and unchecked: for benchmarks
  fixed_delay = 0,
}

local defaults = {}
for name, declared in pairs(DECLARED) do
  defaults[name] = type(declared) == "table" and declared[1] or declared
end

local initial = {}

settings.current = {}

local function convert(declared, value)
  if type(declared) == "table" then
    local text = type(value) == "number" and tostring(value) or value -- {"tier":2} means "2"
    for _, allowed in ipairs(declared) do
      if text == allowed then return text end
    end
    return nil, "must be one of " .. table.concat(declared, ", ")
  elseif type(declared) == "number" then
    if tonumber(value) then return tonumber(value) end
    return nil, "must be a number"
  elseif type(declared) == "boolean" then
    if type(value) == "boolean" then return value end
    if value == "true" or value == "false" then return value == "true" end
    return nil, "must be true or false"
  end
  if type(value) == "string" and value ~= "" then return value end
  return nil, "must be text"
end

--- Changes all of `values` or, when one of them is wrong, nothing.
function settings.set(values)
  local changed = {}
  for name, value in pairs(values) do
    local declared = DECLARED[name]
    if declared == nil then return nil, "unknown setting " .. tostring(name) end
    local converted, problem = convert(declared, value)
    if converted == nil then return nil, name .. " " .. problem end
    changed[name] = converted
  end
  for name, value in pairs(changed) do settings.current[name] = value end
  return true
end

--- Back to what the sandbox was started with.
function settings.reset()
  for name, value in pairs(defaults) do settings.current[name] = value end
  assert(settings.set(initial))
end

--- Takes the settings of the command line, lines of `name=value`.
function settings.load(text)
  local values = {}
  for name, value in text:gmatch("([%w_]+)=([^\n]*)") do values[name] = value end
  for name, value in pairs(defaults) do settings.current[name] = value end
  local fine, problem = settings.set(values)
  if not fine then error("sandbox: " .. problem, 0) end
  initial = values
end

return settings
