-- The output of a command: lines for people on standard output and standard error, or
-- JSON lines for scripts.
-- Owns: both forms, the questions, and the first error of standard output. Text of files
-- and services is written as one line, without control characters.
-- Does not know: commands, sessions.

local core = require "grid.core"
local errors = require "grid.errors"
local json = require "grid.json"

local output = {}
local Output = { __name = "grid.cli.output" }
Output.__index = Output

--- A line on standard error.
function output.tell(text)
  io.stderr:write(core.visible(text), "\n")
end

function output.new(as_json)
  return setmetatable({ json = as_json or false }, Output)
end

local SHOWN = {
  "kind", "code", "message", "outcome", "sent", "status", "request_id", "retryable",
  "retry_after", "attempts", "idempotency_key",
}

--- An error as a table for scripts, without `details` and `body`, which may hold secrets.
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

-- Replaces the parts of a value that JSON cannot hold: file names are bytes, numbers may
-- be infinite.
local function presentable(value)
  if type(value) == "string" then
    return (value:gsub("[\128-\255][\128-\191]*", replace_unless_text))
  end
  if json.encode(value) then return value end
  if type(value) ~= "table" then return json.null end
  local copy = setmetatable({}, getmetatable(value))
  for name, member in pairs(value) do copy[presentable(name)] = presentable(member) end
  return copy
end

local function remember(self, done, problem)
  if not done and not self.problem then self.problem = problem end
end

--- Writes to standard output. An error is returned by `flush`, so that the command still
--- saves its session.
function Output:write(...)
  remember(self, io.stdout:write(...))
end

--- Flushes standard output. -> the first error of any write | nil
function Output:flush()
  remember(self, io.stdout:flush())
  return self.problem
end

--- JSON on a line, with and without --json.
function Output:data(value)
  local text = json.encode(value) or assert(json.encode(presentable(value)))
  self:write(core.visible_json(text), "\n")
end

--- One JSON object on a line, for scripts only.
function Output:object(value)
  if self.json then self:data(value) end
end

--- A line for people, on standard output.
function Output:line(format, ...)
  if not self.json then self:write(core.visible(format:format(...)), "\n") end
end

--- Rows of { label, text }. A row without a text is left out.
function Output:rows(rows)
  for _, row in ipairs(rows) do
    if row[2] then self:line("%-20s%s", row[1], row[2]) end
  end
end

--- A line for people that is not part of the result, on standard error.
function Output:note(format, ...)
  if not self.json then output.tell(format:format(...)) end
end

--- The message of a command that ended early.
---@param ended grid.cli.Exit
function Output:fail(ended)
  if ended.remark then output.tell("grid: " .. ended.remark) end
  output.tell(tostring(ended.message))
  local object = { error = output.describe_error(ended.message) }
  for name, value in pairs(ended.fields or {}) do object[name] = value end
  self:object(object)
end

--- Is standard input a terminal, so that a question can be answered?
function Output.is_interactive()
  return core.is_terminal(0)
end

--- One line of standard input | nil. The question is written only to a terminal.
function Output.ask(_, question)
  if core.is_terminal(0) then
    io.stderr:write(core.visible(question))
    io.stderr:flush()
  end
  return io.read "*l"
end

return output
