-- Answers kept for idempotency keys, used in mode `idempotent`: the same key with the
-- same bytes gets the stored answer again.
-- Does not know: what an answer holds.

local settings = require "sandbox.settings"
local state = require "sandbox.state"

local replay = {}

local KEPT = 200000     -- answers; the oldest makes room

-- A GET is never repeated from memory; every path has but one other method.
local function active(request)
  return settings.current.mode == "idempotent" and request.method ~= "GET" and request.idempotency_key
end

--- The stored answer, or nil and a failure when the key stood for another request, or
--- nothing. Requests are alike in the text `sense`, if there is one, else in the body.
function replay.find(request)
  local stored = active(request) and state.replay[request.idempotency_key]
  if not stored or ngx.now() - stored.at > settings.current.replay_lifetime then return nil end
  if stored.path == request.path and stored.query == request.query and stored.sense == (request.sense or request.body) then
    state.count "replays"
    return stored.answer
  end
  return nil, { status = 409, code = "idempotency_key_reused", message = "The idempotency key has been used" }
end

--- Keeps a success, or a fault that is `stored`.
function replay.keep(request, answer)
  local key = active(request)
  local kept = answer.status == 200 or request.fault and request.fault.kind == "stored"
  if not key or not kept then return end
  local oldest = state.replay_order[state.replay_next]
  if oldest then state.replay[oldest] = nil end
  state.replay_order[state.replay_next] = key
  state.replay_next = state.replay_next % KEPT + 1
  state.replay[key] = {
    path = request.path, query = request.query, sense = request.sense or request.body, answer = answer, at = ngx.now(),
  }
end

return replay
