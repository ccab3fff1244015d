-- The clients of functions that take the options of a client in each call, such as
-- grid.refresh_session.
-- Owns: these clients, which are kept, so that connections are reused.
-- Does not know: requests.

local client = require "grid.api.client"
local options = require "grid.api.options"
local schema = require "grid.schema"

local clients = {}

local MAX_CLIENTS = 32

local kept = {} -- newest last: { key, client }

-- Functions and tables are compared by identity.
local identities, identity_count = setmetatable({}, { __mode = "k" }), 0

local function identity(value)
  if type(value) ~= "function" and type(value) ~= "table" then return tostring(value) end
  if not identities[value] then
    identity_count = identity_count + 1
    identities[value] = identity_count
  end
  return identities[value]
end

local function key_of(resolved)
  local parts = {}
  for name, value in pairs(resolved) do parts[#parts + 1] = name .. "=" .. identity(value) end
  table.sort(parts)
  return table.concat(parts, "\0")
end

-- The client for these options. The least recently used one is dropped first.
local function client_for(what, given)
  local key = key_of(options.resolve(what, given))
  for i, entry in ipairs(kept) do
    if entry.key == key then
      table.insert(kept, table.remove(kept, i))
      return entry.client
    end
  end
  if #kept == MAX_CLIENTS then table.remove(kept, 1) end
  local entry = { key = key, client = client.new(given) }
  kept[#kept + 1] = entry
  return entry.client
end

local CLIENT_OPTIONS, CALL_OPTIONS = {}, {} -- names
for name in pairs(options.both) do
  local names = options.call[name] and CALL_OPTIONS or CLIENT_OPTIONS
  names[#names + 1] = name
end

local function pick(names, given)
  local picked = {}
  for i = 1, #names do picked[names[i]] = given[names[i]] end
  return picked
end

-- The client of the previous call, and what its options were resolved from: `given`, and
-- the environment variables.
local previous = { client = nil, given = {}, variables = {} }

-- The previous client, if all options but those of the call are the same: they have been
-- checked then | nil
local function previous_client(given)
  if type(given) ~= "table" then return nil end
  for i = 1, #CLIENT_OPTIONS do
    local name = CLIENT_OPTIONS[i]
    if not rawequal(given[name], previous.given[name]) then return nil end
  end
  for name in pairs(given) do
    if not options.both[name] then return nil end
  end
  for name, variable in pairs(options.variables) do
    if os.getenv(variable) ~= previous.variables[name] then return nil end
  end
  return previous.client
end

local function read_variables()
  local values = {}
  for name, variable in pairs(options.variables) do values[name] = os.getenv(variable) end
  return values
end

-- The functions of a host are checked in each call, since the program can change them: a
-- client with a host is not the previous one of the next call.
local function choose_client(what, given)
  schema.check(what, options.both, given)
  local for_client, variables = pick(CLIENT_OPTIONS, given), read_variables()
  local one = client_for(what, for_client)
  previous = { client = not for_client.host and one or nil, given = for_client, variables = variables }
  return one
end

local NONE = {}

--- The client for the options `given` of the public function `what`, and the options of
--- the call. Raises for misuse.
---@param given? grid.Options|grid.CallOptions
---@return grid.Client client, grid.CallOptions for_call
function clients.choose(what, given)
  if given == nil then given = NONE end
  return previous_client(given) or choose_client(what, given), pick(CALL_OPTIONS, given)
end

return clients
