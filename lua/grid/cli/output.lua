-- What a command says: for people on standard output and standard error, or for scripts as JSON lines.
-- Owns: both forms, the questions, and whether standard output took what it was given. Errors appear as what tostring makes of
-- them, never otherwise. What files and services contributed to a line breaks no line, and gives no order to the terminal. Knows
-- no command.

local core = require "grid.core"
local errors = require "grid.errors"
local json = require "grid.json"

local output = {}
local Screen = { __name = "grid.cli.output" }
Screen.__index = Screen

--- A line on standard error.
function output.tell(text)
  io.stderr:write(core.visible(text), "\n")
end

function output.new(as_json)
  return setmetatable({ json = as_json or false }, Screen)
end

local SHOWN = {
  "kind", "code", "message", "outcome", "sent", "status", "request_id", "retryable", "retry_after", "attempts", "idempotency_key",
}

--- An error as a table for scripts. Details and bodies stay out: they are as the service wrote them.
function output.describe_error(err)
  if not errors.is_error(err) then return { message = (tostring(err):gsub("^grid: ", "")) } end
  local shown = {}
  for _, name in ipairs(SHOWN) do shown[name] = err[name] end
  return shown
end

local REPLACEMENT = "\239\191\189" -- U+FFFD

local function replace_unless_text(character)
  if not json.encode(character) then return REPLACEMENT end
end

-- The same value as far as JSON can hold it: the names of files are bytes, and a number may be infinite.
local function presentable(value)
  if type(value) == "string" then return (value:gsub("[\128-\255][\128-\191]*", replace_unless_text)) end
  if json.encode(value) then return value end
  if type(value) ~= "table" then return json.null end
  local copy = setmetatable({}, getmetatable(value))
  for name, member in pairs(value) do copy[presentable(name)] = presentable(member) end
  return copy
end

local function heed(self, done, problem)
  if not done and not self.problem then self.problem = problem end
end

--- Writes to standard output. That it could not is told by `flush`: nothing is to be left unsaved because of it.
function Screen:write(...)
  heed(self, io.stdout:write(...))
end

--- Brings out what was written. -> nothing | what went wrong with any of it
function Screen:flush()
  heed(self, io.stdout:flush())
  return self.problem
end

--- JSON on a line, whatever was asked for.
function Screen:data(value)
  self:write(core.visible_json(json.encode(value) or assert(json.encode(presentable(value)))), "\n")
end

--- One JSON object on a line, for scripts only.
function Screen:object(value)
  if self.json then self:data(value) end
end

--- A line for people, on standard output.
function Screen:line(format, ...)
  if not self.json then self:write(core.visible(format:format(...)), "\n") end
end

--- Rows of { label, text }; those without a text are left out.
function Screen:rows(rows)
  for _, row in ipairs(rows) do
    if row[2] then self:line("%-20s%s", row[1], row[2]) end
  end
end

--- A remark for people that is not part of the result.
function Screen:note(format, ...)
  if not self.json then output.tell(format:format(...)) end
end

--- What went wrong: a line or an error of the library; `fields` tell scripts more.
function Screen:fail(problem, fields)
  output.tell(tostring(problem))
  local object = { error = output.describe_error(problem) }
  for name, value in pairs(fields or {}) do object[name] = value end
  self:object(object)
end

--- Somebody is there to be asked.
function Screen.is_attended()
  return core.is_terminal(0)
end

--- One line of standard input, or nil. The question is put only where somebody can read it.
function Screen.ask(_, question)
  if core.is_terminal(0) then
    io.stderr:write(core.visible(question))
    io.stderr:flush()
  end
  return io.read "*l"
end

return output
