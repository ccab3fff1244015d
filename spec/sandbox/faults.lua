-- Faults waiting for requests. Each is a flat table that was checked when it was set; it
-- says which requests it is for, how many of them, whether they are executed, and what
-- becomes of the answer. The first fault that fits a request gets it.
-- Does not know: how a fault takes effect.

local json = require "sandbox.json"
local state = require "sandbox.state"

local faults = {}

local function text(default) return { type = "string", default = default } end
local function number(default) return { type = "number", default = default } end
local function flag(default) return { type = "boolean", default = default } end
local function required(member) member.required = true return member end

-- Members of every fault.
local COMMON = {
  kind = text(),
  path = text(),              -- below /api/grid/v1 or /oauth, also as "/accounts/{address}"; without it any
  session = text(),           -- a token that must occur in the body or the cookie
  count = number(1),          -- requests it is for; 0 for no end
  skip = number(0),           -- fitting requests to let pass first
  probability = number(1),    -- of each request it fits, by a generator that the control address seeds
  execute = flag(),           -- whether the request has its effect
  delay = number(0),          -- seconds before anything else
  answer_delay = number(0),   -- seconds between the effect and the answer
  hold = flag(false),         -- keep the answer back until the control address releases it
  retry_after = number(),     -- seconds
  retry_after_date = number(),-- the same, sent as an HTTP date
}

-- Members of one kind of fault.
local KINDS = {
  delay = {},
  drop = { reset = flag(false), stream = flag(false) },
  truncate = { bytes = number() },
  slow = { bytes = number(1), interval = number(0.1) },
  raw = { raw = required(text()) },
  huge = { bytes = number(8 * 1024 * 1024) },
  deep = { depth = number(1000) },
  non_utf8 = {}, trailing = {}, missing_payload = {}, wrong_types = {},
  no_refresh_token = {}, no_key = {}, expires_in_seconds = {},
  no_expires_in = {}, expires_in = { json = required(text()) },
  double = {}, twice = {},
  stored = { status = number(500), rotate = flag(false) },
  html = { status = number() },
  empty = { status = number() },
  body = { body = required(text()), status = number(), content_type = text() },
  headers = { headers = number(1000), header_bytes = number(100) },
  status = { status = required(number()), code = text(), message = text(), shape = text() },
  redirect = { status = number(), location = text "/api/grid/v1/elsewhere" },
}

-- Those of an answer that is sound.
local EXECUTED = { delay = true, slow = true, double = true, twice = true, stored = true }

local SHAPES = { flat = true, nested = true, upstream = true, oauth = true }

local function take_defaults(fault, members)
  for name, member in pairs(members) do
    if member.default ~= nil then fault[name] = member.default end
  end
end

local function problem_with(name, member, value)
  if not member then return "unknown member " .. tostring(name) end
  if type(value) ~= member.type then return name .. " must be a " .. member.type end
  if member.type == "number" and value < 0 then return name .. " must not be negative" end
  if name == "shape" and not SHAPES[value] then return "shape must be flat, nested, upstream or oauth" end
end

---@return table|nil fault, string|nil problem
function faults.add(asked)
  local own = json.is_object(asked) and KINDS[asked.kind]
  if not own then return nil, "a fault is an object with one of the known kinds" end
  local fault = { execute = EXECUTED[asked.kind] or false }
  take_defaults(fault, COMMON)
  take_defaults(fault, own)
  for name, value in pairs(asked) do
    local problem = problem_with(name, COMMON[name] or own[name], value)
    if problem then return nil, problem end
    fault[name] = value
  end
  for name, member in pairs(own) do
    if member.required and fault[name] == nil then return nil, name .. " is missing" end
  end
  state.faults[#state.faults + 1] = fault
  return fault
end

local function fits(fault, request)
  local route = request.route
  if fault.path and fault.path ~= request.path and not (route and fault.path == route.path) then return false end
  if not fault.session then return true end
  local cookie = request.headers.cookie
  return request.body:find(fault.session, 1, true) or (type(cookie) == "string" and cookie:find(fault.session, 1, true))
end

--- Whether any waiting fault needs the body to decide; the others can strike before a
--- byte of it is read.
function faults.need_body()
  for _, fault in ipairs(state.faults) do
    if fault.session or fault.execute then return true end
  end
  return false
end

--- The fault for this request, or nil.
function faults.take(request)
  for i, fault in ipairs(state.faults) do
    if fits(fault, request) and (fault.probability == 1 or state.random() < fault.probability) then
      if fault.skip > 0 then
        fault.skip = fault.skip - 1
      else
        if fault.count == 1 then table.remove(state.faults, i)
        elseif fault.count > 1 then fault.count = fault.count - 1 end
        state.count "faults"
        return fault
      end
    end
  end
end

return faults
