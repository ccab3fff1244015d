-- Functions of specs for files and commands, in plain Lua. Needs a shell.
-- Does not know: the library.

local files = {}

function files.exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

--- The content of a file | nil: it cannot be read.
function files.find(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

--- The content of a file; "" if it cannot be read.
function files.read(path)
  return files.find(path) or ""
end

--- The content of a file. Raises if it cannot be read.
function files.load(path)
  return assert(files.find(path), path)
end

function files.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- Removes files of a folder, if they exist.
function files.remove(folder, ...)
  for _, name in ipairs { ... } do os.remove(folder .. "/" .. name) end
end

--- The text as one word of a shell.
function files.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- The output of a command, without the end of its last line.
function files.capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return (text:gsub("\n$", ""))
end

--- The id of this process.
function files.own_pid()
  return files.capture "echo $PPID"
end

return files
