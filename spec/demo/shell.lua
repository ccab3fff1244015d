-- The shell, for what plain Lua cannot do. Nothing secret may stand in a command: every user of the machine can read it.

local shell = {}

function shell.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- What a command printed, without the last line break | nil, if it failed or printed nothing.
function shell.capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a"):gsub("\n$", "")
  return pipe:close() and text ~= "" and text or nil
end

function shell.succeeds(command)
  return os.execute(command .. " 2>/dev/null") == true
end

return shell
