-- Sends the requests of an exchange: the attempts of a refresh, and revocations.
-- Owns: the second request if the server requires a DPoP nonce.
-- Does not know: records, stores; until when a request may be sent, which is in
-- protocol.lua.

local clock = require "grid.keeper.clock"
local discovery = require "grid.keeper.discovery"
local errors = require "grid.errors"
local failure = require "grid.keeper.failure"
local lifetime = require "grid.keeper.lifetime"
local outcome = require "grid.outcome"
local protocol = require "grid.keeper.protocol"
local requests = require "grid.keeper.request"
local results = require "grid.keeper.result"
local timing = require "grid.keeper.timing"

local sending = {}

-- The error without the body of its answer, which may hold tokens, and is in the record.
local function without_answer(err)
  local fields = {}
  for name, value in pairs(err) do fields[name] = value end
  return errors.new(fields)
end

-- One request. -> result, error, answer
local function send(keeper, grant, effect)
  local left = effect.deadline - clock.boot()
  if left <= 0 or not protocol.may_send(effect.not_after, clock.read()) then
    return protocol.TOO_LATE, failure.of_answer(protocol.TOO_LATE)
  end
  local request, err = requests.of(keeper, keeper.exchange.request, grant, left, effect.not_after)
  if not request then
    err = err or requests.none()
    return { kind = "refused", code = err.code }, err
  end
  local answer
  answer, err = keeper.http:perform(request)
  if not answer then return results.of_error(err), without_answer(err) end
  local result = results.of_answer(keeper, answer, grant)
  if result.kind ~= "tokens" then err = failure.of_answer(result, answer.headers) end
  return result, err, answer
end

local function grant_of(intent, skew)
  local grant = {}
  for name, value in pairs(intent.grant) do grant[name] = value end
  grant.idempotency_key, grant.opener, grant.now = intent.key, intent.opener, clock.wall() + skew
  return grant
end

local function stamp_now(keeper)
  return timing.stamp(clock.identity(keeper.instance), clock.read())
end

-- The request, and a second one if the server has refused the first one because it had
-- no DPoP nonce. -> result, error, answer, the stamp of the last request
local function exchange(keeper, effect, skew)
  local sent = stamp_now(keeper)
  local result, err, answer = send(keeper, grant_of(effect.intent, skew), effect)
  if result.kind ~= "refused" or not result.nonce then return result, err, answer, sent end
  sent = stamp_now(keeper)
  result, err, answer = send(keeper, grant_of(effect.intent, skew), effect)
  return result, err, answer, sent
end

--- Carries out an effect `send`. -> event, error of an attempt without tokens
---@param skew number of the server's clock, as far as it is known
function sending.attempt(keeper, effect, skew)
  local ok, err = discovery.fetch(keeper, math.min(effect.deadline, effect.not_after))
  if not ok then
    local result = { kind = "refused", code = err.code, status = err.status, retry_after = err.retry_after }
    return { name = "answer", result = result, sent = stamp_now(keeper) }, err
  end
  local result, problem, answer, sent = exchange(keeper, effect, skew)
  local date = answer and answer.headers.date
  return {
    name = "answer", result = result, sent = sent,
    skew = date and lifetime.skew(date, sent.wall, clock.wall()) or nil,
  }, problem
end

--- Reads an answer that was saved raw. -> event: without result if no answer is readable
function sending.read_raws(keeper, raws)
  for i = #raws, 1, -1 do
    local raw, headers = raws[i], {}
    for name, value in pairs(raw.headers or {}) do headers[name:gsub("_", "-")] = value end
    local grant = grant_of(raw, 0)
    local answer = { status = raw.status, headers = headers, cookies = {}, body = raw.answer }
    local result = results.of_tokens(keeper, answer, grant)
    if result then return { name = "answer", result = result, raw = raw } end
  end
  return { name = "answer" }
end

--- Revokes the tokens where the exchange can. -> true | nil, error
---@param skew number? of the server's clock, as far as it is known
function sending.revoke(keeper, tokens, skew)
  local revoke = keeper.exchange.revoke
  if not revoke then return true end
  local function build(given) return revoke(given, clock.wall() + (skew or 0)) end
  local deadline = clock.boot() + keeper.timeout
  local ok, err = discovery.fetch(keeper, deadline)
  if not ok then return nil, err end
  local request
  request, err = requests.of(keeper, build, tokens, keeper.timeout)
  if not request and not err then return true end
  if not request then return nil, err end
  local answer
  answer, err = keeper.http:perform(request)
  if not answer then return nil, err end
  if outcome.is_success(answer.status) then return true end
  return nil, failure.of_answer({
    kind = outcome.of("yes", answer.status) == "unknown" and "unknown" or "refused", code = "http_" .. answer.status,
    status = answer.status, message = ("the revocation was answered with status %d"):format(answer.status),
  }, answer.headers)
end

return sending
