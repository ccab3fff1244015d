-- Makes and checks the parts that the library's exchanges have in common.
-- Owns: the options for reuse and for the sender, the class of an exchange, and the URL
-- that `tostring` shows. An exchange has no field with a secret.
-- Does not know: requests and answers.

local argument = require "grid.argument"
local keys = require "grid.keys"
local schema = require "grid.schema"

local contract = {}

--- Fields of a schema: how the server answers a refresh token that is used again.
contract.REUSE = {
  reuse = { type = "string", check = schema.one_of("strict", "grace", "idempotent"), default = "strict" },
  reuse_seconds = { type = "number", check = schema.seconds },
}

--- Raises if the two options contradict each other.
function contract.check_reuse(what, reuse, reuse_seconds)
  if reuse == "strict" and reuse_seconds then
    argument.raise("%s: 'reuse_seconds' is not used with reuse = \"strict\"", what)
  elseif reuse == "grace" and not reuse_seconds then
    argument.raise("%s: field 'reuse_seconds' is missing: reuse = \"grace\" needs it", what)
  end
end

local FUNCTION = { type = "function" }

local function check_discovery(value)
  local is_complete = type(value.urls) == "table" and type(value.read) == "function"
  for _, url in ipairs(is_complete and value.urls or {}) do is_complete = is_complete and type(url) == "string" end
  return not is_complete and "a table with 'urls', a list of texts, and 'read', a function" or nil
end

-- What an exchange may leave out.
local OPTIONAL = {
  name = { type = "string" }, reuse = contract.REUSE.reuse, reuse_seconds = contract.REUSE.reuse_seconds,
  transport = { type = "table" }, discovery = { type = "table", check = check_discovery },
  tokens = FUNCTION, grant = FUNCTION, revoke = FUNCTION,
}

--- Raises unless these fields of an exchange, which may be one of the user, are valid.
function contract.check_optional(what, exchange)
  for _, name in ipairs(schema.sorted_names(OPTIONAL)) do
    if exchange[name] ~= nil then schema.check_field(what, name, OPTIONAL[name], exchange[name]) end
  end
  contract.check_reuse(what, exchange.reuse or OPTIONAL.reuse.default, exchange.reuse_seconds)
end

-- `declared`: { name, field of a schema } each.
local function check_fields(what, noun, declared, given)
  if type(given) ~= "table" then argument.raise_type(given, "%s: the %s must be a table", what, noun) end
  for _, one in ipairs(declared) do
    local name, field = one[1], one[2]
    if given[name] == nil then argument.raise("%s: field '%s' is missing", what, name) end
    schema.check_field(what, name, field, given[name])
  end
end

local GRANT = { { "refresh_token", { type = "string", check = schema.not_empty } } }
local ANY_GRANT = {} -- `read` uses its texts only to remove them from messages
local ANSWER = { { "body", { type = "string" } }, { "headers", { type = "table" } }, { "status", { type = "number" } } }

--- Raises unless `grant` is one. It may have further fields.
function contract.check_grant(what, grant)
  check_fields(what, "grant", GRANT, grant)
end

--- Raises unless these are the arguments of `read`.
function contract.check_read(answer, grant)
  check_fields("exchange.read", "answer", ANSWER, answer)
  check_fields("exchange.read", "grant", ANY_GRANT, grant)
end

--- Options of grid.http, for the sender of the requests.
contract.TRANSPORT = { "ca_file", "proxy", "http_version", "insecure_skip_tls_verify", "user_agent" }

--- The transport options among `options`.
function contract.transport_of(options)
  local picked = {}
  for _, name in ipairs(contract.TRANSPORT) do picked[name] = options[name] end
  return picked
end

--- A new P-256 key: base64 of its PKCS#8 DER, a secret.
---@return string? text, grid.Error?
function contract.new_key()
  local pair, err = keys.keypair()
  if not pair then return nil, err end
  local text
  text, err = pair:export()
  pair:close()
  return text, err
end

local Exchange = { __name = "grid.exchange" }

local places = setmetatable({}, { __mode = "k" })

function Exchange:__tostring()
  return ("grid.exchange: %s, %s"):format(self.name, places[self])
end

--- Makes `fields` an exchange with the server at `place`, a URL without secrets.
---@return grid.Exchange
function contract.new(fields, place)
  places[fields] = place
  return setmetatable(fields, Exchange)
end

return contract
