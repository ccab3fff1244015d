-- What became of a call, in one word. Every decision to repeat a request is made by it.
-- Pure: values in, values out.

local outcome = {}

---@alias grid.Outcome
---| "none" nothing was executed: ask again freely
---| "unknown" the request may have been executed: repeat the same key and bytes, or nothing
---| "final" the service refused the request

local NOT_EXECUTED = { [429] = true, [503] = true }

-- 408 says that the request did not arrive whole, but gateways also send it when the
-- service behind them has not answered in time.
local function is_refusal(status)
  return status >= 400 and status < 500 and status ~= 408
end

--- Of one try that gave no result.
---@param sent "no"|"yes"|"unknown"
---@param status? integer of the answer, if at least its status line came
---@param earlier? grid.Outcome of the tries before it, whose effect a later one does not undo
---@return grid.Outcome
function outcome.of(sent, status, earlier)
  if sent == "no" or NOT_EXECUTED[status] then return earlier == "unknown" and "unknown" or "none" end
  return status and is_refusal(status) and "final" or "unknown"
end

return outcome
