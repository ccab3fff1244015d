-- The outcome of a call in one word. Every decision to repeat a request is made by it.
-- Pure: values in, values out.
-- Does not know: errors, calls.

local outcome = {}

---@alias grid.Outcome
---| "none" nothing was executed: the call may be repeated as a new one
---| "unknown" it may have been executed: repeat it with the same key and bytes only
---| "final" the service refused the request

local NOT_EXECUTED = { [429] = true, [503] = true }

-- 408 means that the request did not arrive whole, but gateways also send it when the
-- service behind them did not answer in time.
local function is_refusal(status)
  return status >= 400 and status < 500 and status ~= 408
end

--- The outcome of one try that failed.
---@param sent "no"|"yes"|"unknown"
---@param status? integer of the answer, if at least its status line came
---@param earlier? grid.Outcome of the tries before it, whose effect a later one does not undo
---@return grid.Outcome
function outcome.of(sent, status, earlier)
  if sent == "no" or NOT_EXECUTED[status] then return earlier == "unknown" and "unknown" or "none" end
  return status and is_refusal(status) and "final" or "unknown"
end

return outcome
