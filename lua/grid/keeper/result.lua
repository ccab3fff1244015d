-- Makes the results of a refresh, as grid.keeper.protocol takes them, from its answers.
-- Owns: which answers are saved raw; what an exchange, which may be one of the user, may
-- return.
-- Does not know: requests, stores, and the fields of a record.

local outcome = require "grid.outcome"
local records = require "grid.keeper.record"

local result = {}

local LONGEST_RAW = 256 * 1024 -- bytes of an answer that was broken off

local KINDS = { reject = true, unknown = true, refused = true }

local function is_text_or_nil(value)
  return value == nil or type(value) == "string"
end

--- Is that a failure as an exchange returns it?
function result.is_failure(problem)
  return type(problem) == "table" and KINDS[problem.kind or "unknown"]
    and is_text_or_nil(problem.code) and is_text_or_nil(problem.message) and is_text_or_nil(problem.request_id)
end

-- Names of a record are ASCII letters, digits and _; %w follows the locale.
local function kept_headers(headers)
  local kept = {}
  for name, value in pairs(headers) do
    if name:find "^[0-9A-Za-z-]+$" and name ~= "set-cookie" then kept[name:gsub("%-", "_")] = value end
  end
  return kept
end

local function raw_result(status, headers, body, problem)
  return {
    kind = "unreadable", code = problem.code, message = problem.message, request_id = problem.request_id,
    status = status, headers = kept_headers(headers), answer = body,
  }
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

local FAILED = { kind = "unknown", code = "exchange_failed", message = "the exchange failed to read the answer" }
local NOT_STORABLE = { kind = "unknown", code = "bad_tokens", message = "the exchange returned tokens that cannot be stored" }

-- For an exchange that changes what it reads: the answer must not be lost by that.
local function copy_of(answer)
  local headers = {}
  for name, value in pairs(answer.headers) do headers[name] = value end
  return { status = answer.status, headers = headers, cookies = answer.cookies, body = answer.body }
end

-- The result of an exchange, which may be one of the user, for an answer.
-- -> result | nil, failure
local function read_tokens(keeper, answer, grant)
  local tokens, problem = keeper.exchange.read(copy_of(answer), grant)
  if type(tokens) ~= "table" then return nil, result.is_failure(problem) and problem or FAILED end
  local texts = has_tokens(tokens) and records.texts(tokens)
  if not texts then return nil, NOT_STORABLE end
  return tokens_result(tokens, texts, answer.body)
end

--- The result of an answer that the exchange can read. An exchange that raises reads
--- none. -> result | nil, failure
function result.of_tokens(...)
  local ok, made, problem = pcall(read_tokens, ...)
  if not ok then return nil, FAILED end
  return made, problem
end

--- The result of a complete answer.
function result.of_answer(keeper, answer, grant)
  local made, problem = result.of_tokens(keeper, answer, grant)
  if made then return made end
  if problem.kind ~= "reject" and problem.kind ~= "refused" and outcome.is_success(answer.status) then
    return raw_result(answer.status, answer.headers, answer.body, problem)
  end
  return {
    kind = problem.kind or "unknown", code = problem.code or "http_" .. answer.status, message = problem.message,
    status = answer.status, nonce = problem.nonce, retry_after = answer.retry_after, request_id = problem.request_id,
  }
end

--- The result of a call without a complete answer. The received bytes of an incomplete
--- success are saved: they may contain the new token.
function result.of_error(err)
  if err.outcome == "none" then return { kind = "refused", code = err.code, status = err.status, retry_after = err.retry_after } end
  local body = err.body
  if outcome.is_success(err.status) and body and body ~= "" and #body <= LONGEST_RAW then
    return raw_result(err.status, err.headers or {}, body, err)
  end
  return { kind = "unknown", code = err.code, status = err.status }
end

return result
