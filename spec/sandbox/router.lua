-- The Grid API as a service of the sandbox (course.lua): its requests are checked,
-- executed, answered. Which endpoint one is for is routes.lua's to say.
-- Does not know: endpoints, which routes.lua finds; faults.

local answers = require "sandbox.answers"
local checks = require "sandbox.checks"
local course = require "sandbox.course"
local deliver = require "sandbox.deliver"
local replay = require "sandbox.replay"
local routes = require "sandbox.routes"
local session = require "sandbox.session"
local settings = require "sandbox.settings"
local shape = require "sandbox.shape"
local state = require "sandbox.state"

local router = {}

local PREFIX = "/api/grid/v1"
local SAMPLE_FRESH = 60 -- seconds for which one sample answer serves

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

local function find_route(request)
  request.route, request.steps = routes.find(request.path)
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

local GRID = { prefix = PREFIX, open = find_route, execute = execute, sample = sample_answer }

local function serve_fixed()
  ngx.req.read_body()
  state.count "requests"
  if settings.current.fixed_delay > 0 then ngx.sleep(settings.current.fixed_delay) end
  return deliver.whole(sample_answer())
end

function router.serve()
  if settings.current.fixed then return serve_fixed() end
  return course.serve(GRID)
end

return router
