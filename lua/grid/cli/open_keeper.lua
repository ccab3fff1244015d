-- The open keeper of a verb of `grid keep`: it is closed when its answers are saved.
-- Owns: the wait for a store that takes no answer, and the report of what is lost.
-- Does not know: the configuration, and the verbs of the command.

local errors = require "grid.errors"
local exit = require "grid.cli.exit"
local keeper_config = require "grid.cli.keeper_config"
local output = require "grid.cli.output"

local open_keeper = {}

local LOST = "grid: neither the store nor a spool took new tokens: they are lost with this process, "
  .. "unless the server answers the same request again (`grid keep get`); log in again if it does not"

local function problem_text(problem)
  return (tostring(exit.from(problem).message or "interrupted"):gsub("^grid: ", ""))
end

local function is_saved(keeper)
  for _, pending in pairs(keeper.pending) do
    if not pending.spooled then return false end
  end
  return true
end

-- An answer that is in memory only would be lost with the process. A signal ends the
-- wait.
local function save_pending(keeper, out)
  if is_saved(keeper) then return end
  out:note "grid: the store does not take the new tokens: waiting for the store; ^C ends this, and may lose them"
  keeper:run { every = 1, stop_when = function() return is_saved(keeper) end }
end

--- The value of a method of a keeper. With an error the command ends. Its text names its
--- cause; the JSON object has the cause as a member.
function open_keeper.assert(value, err)
  if value ~= nil then return value end
  exit.failed(err, err.cause and { cause = output.describe_error(err.cause) })
end

-- With another folder or prefix in the configuration, each session is missing: the
-- command names the store.
local function name_store(problem, keeper)
  local err = exit.is_exit(problem) and problem.message
  if errors.is_error(err, "store") and err.code == "not_found" then problem.remark = "the store is " .. tostring(keeper.store) end
end

-- -> on_event of a keeper, which also prints why its spool cannot be used
local function spool_reporter(holder, out, on_event)
  return function(event)
    if on_event then on_event(event) end
    local fault = event.name == "failed" and not event.id and holder.keeper.spool_fault
    if fault then out:note("grid: the spool, or an entry in it, cannot be used: %s", fault.message) end
  end
end

--- Calls `work(keeper)`, and closes the keeper. -> what `work` returns
---@param given table the options of the command
---@param out table its output
---@param work fun(keeper: grid.Keeper): any
---@param on_event? fun(event: grid.KeeperEvent)
function open_keeper.use(given, out, work, on_event)
  local holder = {}
  local keeper = keeper_config.open(given.config, spool_reporter(holder, out, on_event))
  holder.keeper = keeper
  local ok, value = pcall(work, keeper)
  save_pending(keeper, out)
  keeper:close()
  if not is_saved(keeper) then exit.failed(LOST, nil, not ok and problem_text(value) or nil) end
  if not ok then
    name_store(value, keeper)
    error(value, 0)
  end
  return value
end

return open_keeper
