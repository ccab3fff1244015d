-- Makes the errors of a keeper from failures of a store, an exchange or the protocol.
-- Owns: their kinds, codes and texts.
-- Does not know: when an error is returned.

local display = require "grid.display"
local errors = require "grid.errors"

local failure = {}

local function new(kind, code, format, ...)
  return errors.new { kind = kind, code = code, message = format:format(...) }
end

local function named(id)
  return display.one_line(id)
end

local REPLACE = "replace = true (grid keep add --replace)"

function failure.not_found(id)
  return new("store", "not_found", "the store has no session '%s': add the tokens of a log-in (grid keep add)", named(id))
end

function failure.exists(id)
  return new("store", "exists", "the store has a session '%s' already: remove it, or add with %s", named(id), REPLACE)
end

function failure.conflict(id)
  return new("store", "conflict", "other processes kept changing the session '%s': repeat the call", named(id))
end

function failure.cancelled()
  return errors.new { kind = "cancelled", code = "keeper_closed", message = "the keeper was closed" }
end

-- The error of a store may quote a record that is not sealed, from its beginning on.
local function without_record(text)
  return (text:gsub("grid%-keeper%-record.*", "[record]"))
end

-- The text of a value that a store has raised, which may fail to give one.
local function text_of(problem)
  local ok, text = pcall(tostring, problem)
  return ok and type(text) == "string" and text or "a " .. type(problem)
end

--- The error that a store has returned, or of a value that it has raised.
function failure.of_store(problem)
  if not errors.is_error(problem) then
    return new("store", "store_failed", "the store failed: %s", display.one_line(without_record(text_of(problem))))
  end
  problem.message = without_record(problem.message)
  return problem
end

--- The server has refused the refresh token: `dead` of the record.
function failure.dead(id, dead)
  local code, refusal = dead.code or "rejected", "the server refused the refresh token"
  if dead.after_unknown then refusal = refusal .. ", after an attempt with an unknown outcome" end
  local err = new("auth", "reauthentication_required",
    "the session '%s' has ended, since %s (%s): log in again, and add it with %s",
    named(id), refusal, display.one_line(code), REPLACE)
  local cause = { kind = "auth", code = code, message = refusal }
  cause.sent = dead.after_unknown and "unknown" or "yes"
  err.cause = errors.new(cause)
  -- The record has no status, by which grid.outcome would recognise a refusal.
  err.sent, err.outcome = "yes", "final"
  if not dead.after_unknown then err.cause.outcome = "final" end
  return err
end

-- The message names the cause: most programs log the text of an error, and no field.
local function because(cause)
  return cause and (": %s (%s)"):format(cause.message, cause.code) or ""
end

--- `cause`: what has failed where the caller cannot wait | nil
function failure.cannot_wait(obstacle, cause)
  return errors.new { kind = "request", code = "cannot_wait", message = obstacle .. because(cause), cause = cause }
end

local SHORTEST_PAUSE = 1 -- seconds; a program must not call in a loop without a pause

local function pause_of(seconds)
  return math.max(SHORTEST_PAUSE, math.ceil(seconds or 0))
end

--- The session was not refreshed in time. `cause`: the last error | nil; `seconds`: until
--- the next attempt | nil
function failure.expired(id, cause, seconds)
  local err = new("timeout", "session_expired", "the session '%s' has expired, and was not refreshed in time%s",
    named(id), because(cause))
  err.retryable, err.cause, err.retry_after = true, cause, pause_of(seconds)
  return err
end

--- A refresh that is not to be tried yet, after the last attempt failed with that code.
function failure.backing_off(id, code, seconds)
  local err = new("timeout", "backing_off", "the last refresh of the session '%s' failed (%s): the next attempt is in %.0f s",
    named(id), display.one_line(code or "unknown"), math.ceil(seconds))
  err.retryable, err.retry_after = true, pause_of(seconds)
  return err
end

--- `cause`: why its answer has not been saved yet | nil
function failure.under_way(id, cause)
  local err = new("timeout", "refresh_under_way", "the refresh of the session '%s' has not ended in time%s",
    named(id), because(cause))
  err.retryable, err.cause, err.retry_after = true, cause, SHORTEST_PAUSE
  return err
end

-- The outcome that the keeper acts on, which the exchange has determined.
local function outcome_of(result, of_status)
  if result.kind == "unknown" or result.kind == "unreadable" then return "unknown" end
  return of_status == "unknown" and "none" or of_status
end

--- The session is removed, and cannot be removed again.
function failure.not_revoked(id, cause)
  local err = errors.new {
    kind = cause.kind, code = "not_revoked", sent = cause.sent, status = cause.status, cause = cause,
    message = ("the session '%s' was removed, but its refresh token was not revoked%s"):format(named(id), because(cause)),
  }
  err.outcome, err.retryable = cause.outcome, false
  return err
end

local function kind_of(result)
  local status = result.status
  if not status and result.kind == "refused" then return "request" end -- it was not sent
  local is_invalid = status and status < 400 and result.kind ~= "refused"
  return is_invalid and "protocol" or errors.kind_of_status(status)
end

--- The server refused a request, or gave an answer without tokens.
---@param result { kind: string, code: string, message?: string, status?: integer, retry_after?: number, request_id?: string }
---@param headers? table<string, string> of the answer
function failure.of_answer(result, headers)
  local status = result.status
  local sent = status and "yes" or result.kind == "refused" and "no" or "unknown"
  local err = errors.new {
    kind = kind_of(result), code = result.code or "refused", message = result.message or "the answer of the server has no tokens",
    sent = sent, status = status, retry_after = result.retry_after, request_id = result.request_id, headers = headers,
  }
  err.outcome = outcome_of(result, err.outcome)
  err.retryable = err.outcome == "none"
  return err
end

return failure
