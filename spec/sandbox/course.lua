-- The course of a request through a service of the sandbox: counted, perhaps met by a
-- fault, executed, answered. A service is a table: `prefix` (of its paths), `execute`
-- (request -> answer), `sample` (-> an answer that belongs to no session), `error_shape`
-- (of errors that faults send; nil: as the settings say), `open` (request; optional).
-- Does not know: endpoints, tokens.

local deliver = require "sandbox.deliver"
local faults = require "sandbox.faults"
local spoil = require "sandbox.spoil"
local state = require "sandbox.state"

local course = {}

local LONGEST_HOLD, HOLD_STEP = 60, 0.01 -- seconds

local function open_request(service)
  local var = ngx.var
  local request = {
    method = ngx.req.get_method(), path = var.uri:sub(#service.prefix + 1), query = var.args,
    headers = ngx.req.get_headers(), http_version = ngx.req.http_version(),
    connection = tonumber(var.connection), at = ngx.now(), executed = false,
  }
  if service.open then service.open(request) end
  state.count "requests"
  if not state.connections[request.connection] then
    state.connections[request.connection] = true
    state.count "connections"
  end
  state.remember(request)
  return request
end

local function read_body(request)
  if request.body then return end
  ngx.req.read_body()
  request.body = ngx.req.get_body_data() or ""
end

local function copy(answer)
  local headers = {}
  for name, value in pairs(answer.headers) do headers[name] = value end
  return {
    status = answer.status, body = answer.body, content_type = answer.content_type, request_id = answer.request_id,
    headers = headers,
  }
end

local function pause(seconds)
  if seconds > 0 then ngx.sleep(seconds) end
end

-- Until the next release. One that does not come ends with LONGEST_HOLD.
local function hold()
  local releases, waited = state.releases, 0
  state.held = state.held + 1
  while state.releases == releases and waited < LONGEST_HOLD do
    ngx.sleep(HOLD_STEP)
    waited = waited + HOLD_STEP
  end
  if state.releases == releases then state.held = state.held - 1 end
end

local function answer_of(service, request, fault)
  if not fault.execute then return service.sample() end
  if fault.kind == "twice" then service.execute(request) end
  -- Copied, since an answer that is kept for a replay must not be spoiled with it.
  return copy(service.execute(request))
end

local function serve_fault(service, request, fault)
  request.fault = fault
  pause(fault.delay)
  if fault.execute or fault.kind ~= "drop" then read_body(request) end
  local answer = answer_of(service, request, fault)
  if spoil[fault.kind] then spoil[fault.kind](answer, fault, service.error_shape) end
  spoil.retry_after(answer, fault)
  request.status = answer.status
  pause(fault.answer_delay)
  if fault.hold then hold() end
  return (deliver[fault.kind] or deliver.whole)(answer, fault)
end

function course.serve(service)
  local request = open_request(service)
  if state.faults[1] then
    if faults.need_body() then read_body(request) end
    local fault = faults.take(request)
    if fault then return serve_fault(service, request, fault) end
  end
  read_body(request)
  local answer = service.execute(request)
  request.status = answer.status
  return deliver.whole(answer)
end

return course
