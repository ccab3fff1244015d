-- The way of a request to the API through the sandbox: counted, perhaps met by a fault,
-- checked, executed, answered. Which endpoint it is for is routes.lua's to say.
-- Does not know: endpoints, which routes.lua finds.

local answers = require "sandbox.answers"
local checks = require "sandbox.checks"
local deliver = require "sandbox.deliver"
local faults = require "sandbox.faults"
local replay = require "sandbox.replay"
local routes = require "sandbox.routes"
local session = require "sandbox.session"
local settings = require "sandbox.settings"
local shape = require "sandbox.shape"
local spoil = require "sandbox.spoil"
local state = require "sandbox.state"

local router = {}

local PREFIX = "/api/grid/v1"
local SAMPLE_FRESH = 60 -- seconds for which one sample answer serves
local LONGEST_HOLD, HOLD_STEP = 60, 0.01 -- seconds

local NO_QUERY = shape.object {}
local RETIRED = "The Grid API has been retired. Accounts can be moved until 2027-02-05"

-- The generator of P-256: a valid key, whose private half is 1.
router.SAMPLE_KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/"
  .. "hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="

local sample, sample_made = nil, -math.huge

local function sample_answer()
  if ngx.now() - sample_made > SAMPLE_FRESH then
    sample = answers.wrapped('{"kms_payload":' .. session.sample(router.SAMPLE_KEY) .. "}")
    sample_made = ngx.now()
  end
  return {
    status = 200, body = sample.body, content_type = sample.content_type, request_id = sample.request_id, headers = {},
  }
end

local function open_request()
  local var = ngx.var
  local request = {
    method = ngx.req.get_method(), path = var.uri:sub(#PREFIX + 1), query = var.args,
    headers = ngx.req.get_headers(), http_version = ngx.req.http_version(),
    connection = tonumber(var.connection), at = ngx.now(), executed = false,
  }
  request.route, request.steps = routes.find(request.path)
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

local function is_retired(endpoint)
  local retired = settings.current.retired
  return retired == "all" or retired == "all_but_five" and not (endpoint and endpoint.survives)
end

local function find_endpoint(request)
  local route = request.route
  local endpoint = route and route.methods[request.method]
  if is_retired(endpoint) then
    return nil, answers.failure { status = 410, code = "gone", message = RETIRED }
  elseif not route then
    return nil, answers.failure { status = 404, code = "not_found", message = "No such endpoint" }
  elseif not endpoint then
    return nil, answers.failure { status = 405, code = "method_not_allowed", message = "Use " .. routes.methods(route) }
  end
  return endpoint
end

local function check_query(request, endpoint)
  if not request.query then return nil end
  local problems = {}
  local check = endpoint.query or NO_QUERY
  check(ngx.req.get_uri_args(), "query", problems)
  if problems[1] then return answers.invalid(problems) end
end

local function execute(request)
  local endpoint, refusal = find_endpoint(request)
  refusal = refusal or check_query(request, endpoint) or checks.authorization(request)
    or checks.headers(request, endpoint.shape ~= nil)
  if refusal then return refusal end
  request.idempotency_key = request.headers["x-idempotency-key"]
  local stored, conflict = replay.find(request)
  if stored then return stored end
  refusal = conflict and answers.failure(conflict) or checks.body(request, endpoint.shape)
  if refusal then return refusal end

  local answer = endpoint.run(request)
  request.value, request.spans = nil, nil -- the request is kept for a while; these need not be
  if request.executed then
    state.count "executions"
    if request.idempotency_key then state.count_execution("idempotency_key", request.idempotency_key) end
    replay.keep(request, answer)
  end
  return answer
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

local function serve_fault(request, fault)
  request.fault = fault.kind
  pause(fault.delay)
  if fault.execute or fault.kind ~= "drop" then read_body(request) end
  -- Copied, since an answer that is kept for a replay must not be spoiled with it.
  local answer = fault.execute and copy(execute(request)) or sample_answer()
  if spoil[fault.kind] then spoil[fault.kind](answer, fault) end
  spoil.retry_after(answer, fault)
  request.status = answer.status
  pause(fault.answer_delay)
  if fault.hold then hold() end
  return (deliver[fault.kind] or deliver.whole)(answer, fault)
end

local function serve_fixed()
  ngx.req.read_body()
  state.count "requests"
  pause(settings.current.fixed_delay)
  return deliver.whole(sample_answer())
end

function router.serve()
  if settings.current.fixed then return serve_fixed() end
  local request = open_request()
  if state.faults[1] then
    if faults.need_body() then read_body(request) end
    local fault = faults.take(request)
    if fault then return serve_fault(request, fault) end
  end
  read_body(request)
  local answer = execute(request)
  request.status = answer.status
  return deliver.whole(answer)
end

return router
