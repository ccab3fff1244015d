-- Sends the requests of an exchange, and makes results of the answers.
-- Owns: which answers are saved raw; the second request if the server requires a DPoP
-- nonce.
-- Does not know: records, stores, when a request may be sent.

local answers = require "grid.http.answer"
local clock = require "grid.keeper.clock"
local errors = require "grid.errors"
local failure = require "grid.keeper.failure"
local lifetime = require "grid.keeper.lifetime"
local outcome = require "grid.outcome"
local protocol = require "grid.keeper.protocol"
local records = require "grid.keeper.record"
local timing = require "grid.keeper.timing"

local sending = {}

local LONGEST_RAW = 256 * 1024 -- bytes of an answer that was broken off

local function judge(answer)
  if answer.kind then return nil, answers.error(answer) end
  return {
    status = answer.status, headers = answer.headers, cookies = answer.cookies, body = answers.text(answer.content),
    retry_after = answer.retry_after,
  }
end

local function no_request()
  return failure.of_answer { kind = "refused", code = "no_request", message = "the exchange gave no request" }
end

-- A request as Http:perform takes it | nil, error | nil: the exchange has none.
local function compose(keeper, timeout, not_after, method, url, headers, body)
  if not method then
    if url == nil or errors.is_error(url) then return nil, url end
    return nil, no_request()
  end
  local ok, request = pcall(keeper.http.compose, keeper.http, "exchange.request",
    { method = method, url = url, headers = headers, body = body }, { timeout = timeout, retries = 0 })
  if not ok then
    local problem = tostring(request):match "grid: (.*)$" or tostring(request) -- behind the caller's line
    return nil, failure.of_answer { kind = "refused", code = "bad_request", message = problem }
  end
  request.idempotent, request.not_after, request.judge = false, not_after, judge
  return request
end

local function request_of(keeper, build, value, timeout, not_after)
  local ok, method, url, headers, body = pcall(build, value)
  if not ok then
    return nil, failure.of_answer { kind = "refused", code = "exchange_failed", message = "the exchange failed to build a request" }
  end
  return compose(keeper, timeout, not_after, method, url, headers, body)
end

-- ---- Metadata -------------------------------------------------------------------------

local KINDS = { reject = true, unknown = true, refused = true }

local function is_text_or_nil(value)
  return value == nil or type(value) == "string"
end

local function is_failure(problem)
  return type(problem) == "table" and KINDS[problem.kind or "unknown"]
    and is_text_or_nil(problem.code) and is_text_or_nil(problem.message)
end

local METADATA_FAILED = { kind = "refused", code = "exchange_failed", message = "the exchange failed to read the metadata" }

-- -> true | nil, error
local function fetch_metadata(keeper, url, deadline)
  local request, err = compose(keeper, deadline - clock.boot(), deadline, "GET", url)
  local answer
  if request then answer, err = keeper.http:perform(request) end
  if not answer then return nil, err end
  local ok, is_known, problem = pcall(keeper.exchange.discovery.read, answer)
  if ok and is_known then return true end
  if not ok or not is_failure(problem) then problem = METADATA_FAILED end
  return nil, failure.of_answer {
    kind = problem.kind, code = problem.code, message = problem.message, retry_after = answer.retry_after,
  }
end

-- Fetches the endpoints of the issuer, once. Of the errors at its URLs, one that tells
-- when to try again is returned. -> true | nil, error
local function discover(keeper, deadline)
  local discovery, last = keeper.exchange.discovery, nil
  if not discovery or keeper.endpoints.are_known then return true end
  for _, url in ipairs(discovery.urls) do
    if clock.boot() >= deadline then break end
    local ok, err = fetch_metadata(keeper, url, deadline)
    if ok then
      keeper.endpoints.are_known = true
      return true
    end
    if not last or not last.retry_after then last = err end
  end
  return nil, last or failure.of_answer { kind = "refused", code = "no_metadata", message = "the metadata was not fetched in time" }
end

-- ---- Answers --------------------------------------------------------------------------

-- Names of a record are ASCII letters, digits and _; %w follows the locale.
local function kept_headers(headers)
  local kept = {}
  for name, value in pairs(headers) do
    if name:find "^[0-9A-Za-z-]+$" and name ~= "set-cookie" then kept[name:gsub("%-", "_")] = value end
  end
  return kept
end

local function raw_result(status, headers, body, code)
  return { kind = "unreadable", code = code, status = status, headers = kept_headers(headers), answer = body }
end

local function tokens_result(tokens, texts, body)
  return {
    kind = "tokens", tokens = texts, answer = body,
    expires_in = tonumber(tokens.expires_in), expires_at = tonumber(tokens.expires_at),
  }
end

-- A token that is no text would be lost.
local function has_tokens(tokens)
  local access, refresh = tokens.access_token, tokens.refresh_token
  return (access ~= nil or refresh ~= nil) and is_text_or_nil(access) and is_text_or_nil(refresh)
end

local FAILED = { kind = "unknown", code = "exchange_failed" }

-- The result of an exchange, which may be one of the user, for an answer.
-- -> result | nil, failure
local function read_tokens(keeper, answer, grant)
  local tokens, problem = keeper.exchange.read(answer, grant)
  if type(tokens) ~= "table" then return nil, is_failure(problem) and problem or FAILED end
  local texts = has_tokens(tokens) and records.texts(tokens)
  if not texts then return nil, { kind = "unknown", code = "bad_tokens" } end
  return tokens_result(tokens, texts, answer.body)
end

local function call_read(...)
  local ok, result, problem = pcall(read_tokens, ...)
  if not ok then return nil, FAILED end
  return result, problem
end

local function read(keeper, answer, grant)
  local result, problem = call_read(keeper, answer, grant)
  if result then return result end
  if problem.kind ~= "reject" and problem.kind ~= "refused" and outcome.is_success(answer.status) then
    return raw_result(answer.status, answer.headers, answer.body, problem.code)
  end
  return {
    kind = problem.kind or "unknown", code = problem.code or "http_" .. answer.status, message = problem.message,
    status = answer.status, nonce = problem.nonce, retry_after = answer.retry_after,
  }
end

-- The result of a call without a complete answer. The received bytes of an incomplete
-- success are saved: they may contain the new token.
local function result_of_error(err)
  if err.outcome == "none" then return { kind = "refused", code = err.code, status = err.status, retry_after = err.retry_after } end
  local body = err.body
  if outcome.is_success(err.status) and body and body ~= "" and #body <= LONGEST_RAW then
    return raw_result(err.status, err.headers or {}, body, err.code)
  end
  return { kind = "unknown", code = err.code, status = err.status }
end

-- The error without the body of its answer, which may hold tokens, and is in the record.
local function without_answer(err)
  local fields = {}
  for name, value in pairs(err) do fields[name] = value end
  return errors.new(fields)
end

-- ---- The attempt ----------------------------------------------------------------------

-- One request. -> result, error, answer
local function send(keeper, grant, effect)
  local left = effect.deadline - clock.boot()
  if left <= 0 or not protocol.may_send(effect.not_after, clock.read()) then
    local result = { kind = "refused", code = "too_late", message = "the request was not sent: its time had passed" }
    return result, failure.of_answer(result)
  end
  local request, err = request_of(keeper, keeper.exchange.request, grant, left, effect.not_after)
  if not request then
    err = err or no_request()
    return { kind = "refused", code = err.code }, err
  end
  local answer
  answer, err = keeper.http:perform(request)
  if not answer then return result_of_error(err), without_answer(err) end
  local result = read(keeper, answer, grant)
  if result.kind ~= "tokens" then err = failure.of_answer(result) end
  return result, err, answer
end

local function grant_of(intent, skew)
  local grant = {}
  for name, value in pairs(intent.grant) do grant[name] = value end
  grant.idempotency_key, grant.opener, grant.now = intent.key, intent.opener, clock.wall() + skew
  return grant
end

-- The request, and a second one if the server has refused the first one for want of a
-- DPoP nonce. -> result, error, answer, when the last request was sent
local function exchange(keeper, effect, skew)
  local sent = keeper:env()
  local result, err, answer = send(keeper, grant_of(effect.intent, skew), effect)
  if result.kind ~= "refused" or not result.nonce then return result, err, answer, sent end
  sent = keeper:env()
  result, err, answer = send(keeper, grant_of(effect.intent, skew), effect)
  return result, err, answer, sent
end

--- Carries out an effect `send`. -> event, error of an attempt without tokens
---@param skew number of the server's clock, as far as it is known
function sending.attempt(keeper, effect, skew)
  local ok, err = discover(keeper, math.min(effect.deadline, effect.not_after))
  if not ok then
    local now = keeper:env()
    local result = { kind = "refused", code = err.code, status = err.status, retry_after = err.retry_after }
    return { name = "answer", result = result, sent = timing.stamp(now.me, now.clock) }, err
  end
  local result, problem, answer, sent = exchange(keeper, effect, skew)
  local date = answer and answer.headers.date
  return {
    name = "answer", result = result, sent = timing.stamp(sent.me, sent.clock),
    skew = date and lifetime.skew(date, sent.clock.wall, clock.wall()) or nil,
  }, problem
end

--- Reads an answer that was saved raw. -> event: without result if no answer is readable
function sending.read_raws(keeper, raws)
  for i = #raws, 1, -1 do
    local raw, headers = raws[i], {}
    for name, value in pairs(raw.headers or {}) do headers[name:gsub("_", "-")] = value end
    local grant = grant_of(raw, 0)
    local answer = { status = raw.status, headers = headers, cookies = {}, body = raw.answer }
    local result = call_read(keeper, answer, grant)
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
  local ok, err = discover(keeper, deadline)
  if not ok then return nil, err end
  local request
  request, err = request_of(keeper, build, tokens, keeper.timeout)
  if not request and not err then return true end
  if not request then return nil, err end
  local answer
  answer, err = keeper.http:perform(request)
  if not answer then return nil, err end
  if outcome.is_success(answer.status) then return true end
  return nil, failure.of_answer {
    kind = outcome.of("yes", answer.status) == "unknown" and "unknown" or "refused", code = "http_" .. answer.status,
    status = answer.status, message = ("the revocation was answered with status %d"):format(answer.status),
  }
end

return sending
