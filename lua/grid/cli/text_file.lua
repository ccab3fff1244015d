-- Reads and replaces whole files of text: keys, configurations, session files.
-- Owns: the limit of size; the mark of an editor is removed.
-- Does not know: what a text means, and how a file is replaced, which is in grid.core.

local core = require "grid.core"
local errors = require "grid.errors"
local pasted = require "grid.pasted"

local text_file = {}

local MAX_BYTES = 1024 * 1024 -- far more than a session has

local function fail(format, ...)
  return nil, errors.new { kind = "store", code = "not_read", message = format:format(...) }
end

local function check(text, path)
  if not text or text == "" then return fail("%s is empty", path) end
  if #text > MAX_BYTES then return fail("%s is larger than %d bytes", path, MAX_BYTES) end
  return pasted.without_mark(text)
end

--- The text of a file | nil, error.
function text_file.read(path)
  local file, problem = io.open(path, "rb")
  local text
  if file then
    text, problem = file:read(MAX_BYTES + 1)
    file:close()
  end
  if problem then
    if not problem:find(path, 1, true) then problem = path .. ": " .. problem end
    return fail("cannot read %s", problem)
  end
  return check(text, path)
end

--- Locks the file and creates a temporary file in its folder, which shows that the file
--- can be replaced. -> file with `commit(text)` and `close` | nil, error
function text_file.begin(path)
  return errors.core_result(core.file_begin(path))
end

--- The text of a file whose replacement has begun | nil, error.
function text_file.read_begun(file, path)
  local text, err = errors.core_result(file:read(MAX_BYTES + 1))
  if not text then return nil, err end
  return check(text, path)
end

--- Replaces the whole file, or creates it. -> true | nil, error
function text_file.replace(path, text)
  local file, err = text_file.begin(path)
  if not file then return nil, err end
  return errors.core_result(file:commit(text))
end

return text_file
