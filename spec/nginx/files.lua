-- The few things that specs do with files and shells, in plain Lua.

local files = {}

function files.exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

--- The whole of a file; nothing is "".
function files.read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read "*a" or ""
  file:close()
  return text
end

function files.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- Removes files of a folder, where they are there.
function files.remove(folder, ...)
  for _, name in ipairs { ... } do os.remove(folder .. "/" .. name) end
end

--- One word for a shell.
function files.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

return files
