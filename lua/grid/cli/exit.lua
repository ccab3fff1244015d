-- Ends a command before its last line: raises an Exit with an exit code and a message.
-- Owns: the exit codes.
-- Does not know: how the message is written, which is in output.lua.

local core = require "grid.core"

local exit = { FAILED = 1, USAGE = 2, INTERRUPTED = 3, INTERNAL = 70 }

---@class grid.cli.Exit
---@field code integer
---@field message? string|grid.Error
---@field fields? table members of the JSON object beside `error`
---@field remark? string another line, written before the message
local Exit = { __name = "grid.cli.exit" }

---@return grid.cli.Exit
function exit.new(code, message, fields, remark)
  return setmetatable({ code = code, message = message, fields = fields, remark = remark }, Exit)
end

function exit.is_exit(value)
  return getmetatable(value) == Exit
end

--- The Exit of a value that was raised. Any other value is an internal error.
---@return grid.cli.Exit
function exit.from(problem)
  if exit.is_exit(problem) then return problem end
  return exit.new(exit.INTERNAL, "grid: internal error: " .. tostring(problem))
end

--- A usage error.
function exit.usage(format, ...)
  error(exit.new(exit.USAGE, "grid: " .. format:format(...)), 0)
end

--- A usage error if the file exists and may not be replaced.
function exit.if_exists(path, force)
  if core.file_exists(path) and not force then exit.usage("%s exists; --force replaces it", path) end
end

--- The service, the network or a file failed.
function exit.failed(message, fields, remark)
  error(exit.new(exit.FAILED, message, fields, remark), 0)
end

--- The value of a call that returns a value, or nil and an error; with an error the
--- command ends.
function exit.assert(value, err)
  if value == nil then exit.failed(err) end
  return value
end

return exit
