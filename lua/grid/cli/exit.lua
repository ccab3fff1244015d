-- How a command ends before its end: by throwing a stop, which carries an exit code and a message.
-- Owns: the codes.

local core = require "grid.core"

local exit = { FAILED = 1, USAGE = 2, INTERRUPTED = 3, FAULT = 70 }

local Stop = { __name = "grid.cli.exit" }

--- `message` is a line or an error of the library; `fields` go into the JSON answer beside it.
function exit.new(code, message, fields)
  return setmetatable({ code = code, message = message, fields = fields }, Stop)
end

function exit.is_stop(value)
  return getmetatable(value) == Stop
end

--- The stop in whatever was thrown: what is none is a fault of ours.
function exit.of(problem)
  if exit.is_stop(problem) then return problem end
  return exit.new(exit.FAULT, "grid: a fault of this program: " .. tostring(problem))
end

--- Asked for wrongly.
function exit.usage(format, ...)
  error(exit.new(exit.USAGE, "grid: " .. format:format(...)), 0)
end

--- For a file that is made anew, unless it may be replaced.
function exit.if_there(path, force)
  if core.file_exists(path) and not force then exit.usage("%s is there already; --force replaces it", path) end
end

--- The world said no.
function exit.failed(message, fields)
  error(exit.new(exit.FAILED, message, fields), 0)
end

--- The value, or the end of the command: around a call that returns a value, or nil and an error.
function exit.unless(value, message, fields)
  if value == nil then exit.failed(message, fields) end
  return value
end

return exit
