-- For specs that run whole programs: a folder of its own for each, and a VM like the one
-- that runs the spec.
-- Owns: the folder, until `folder:remove`. Works on Lua 5.4 and LuaJIT.
-- Does not know: what a program does.

local files = require "spec.support.files"

local child = {}
local Folder = { __name = "spec.folder" }
Folder.__index = Folder

child.quote, child.capture = files.quote, files.capture

local quote = child.quote

child.root = child.capture "pwd"

--- A path of the project, as one word of a shell.
function child.path(name)
  return quote(child.root .. "/" .. name)
end

--- A list of paths whose relative entries, like lua/?.lua, are made absolute.
function child.absolute(path)
  return (path:gsub("[^;]+", function(entry)
    if entry:sub(1, 1) ~= "/" then return child.root .. "/" .. entry end
  end))
end

local function interpreter()
  if rawget(_G, "ngx") then return "luajit" end
  local command = arg[-1]
  return command:find("/", 1, true) and child.absolute(command) or command
end

--- The program that runs this Lua, as a word of a shell; in nginx the one of the same VM.
child.interpreter = quote(interpreter())

--- The words of a shell that kill a program which hangs, with its children. The time is
--- enough for one under valgrind.
child.timeout = "timeout -k 5 300 "

--- The words of a shell that run a program on this VM with this build: assignments, then
--- the interpreter.
child.vm = ("LUA_PATH=%s LUA_CPATH=%s %s"):format(
  quote(child.absolute(package.path)), quote(child.absolute(package.cpath)), child.interpreter)

--- A new, empty folder; a "large" one is in memory, if there is such a file system.
function child.folder(size)
  local where = size == "large" and child.capture "test -w /dev/shm && echo ' -p /dev/shm'" or ""
  return setmetatable({ path = child.capture("mktemp -d" .. where) }, Folder)
end

function Folder:write(name, text)
  files.write(self.path .. "/" .. name, text)
end

--- The text of a file, or nil.
function Folder:read(name)
  return files.find(self.path .. "/" .. name)
end

--- The names of all files and folders in it, one a line.
function Folder:list(name)
  return child.capture("ls -A " .. quote(self.path .. "/" .. (name or "")))
end

--- Runs a shell script from `where` (default: this folder), with the variables of `env`.
--- -> exit code, stdout, stderr. A script that hangs is killed, with its children: exit
--- code 124.
function Folder:run(script, env, where)
  local words = { "cd", quote(where or self.path), "&&" }
  for name, value in pairs(env or {}) do words[#words + 1] = name .. "=" .. quote(value) end
  self:write(".script", script)
  words[#words + 1] = child.timeout .. ("sh %s </dev/null 2>%s; printf '\\n%%d' $?"):format(
    quote(self.path .. "/.script"), quote(self.path .. "/.stderr"))
  local out = child.capture(table.concat(words, " "))
  local stdout, code = out:match "^(.*)\n(%d+)$"
  local stderr = self:read ".stderr"
  os.remove(self.path .. "/.script")
  os.remove(self.path .. "/.stderr")
  return tonumber(code), stdout, stderr
end

function Folder:remove()
  os.execute("rm -rf " .. quote(self.path))
end

--- May a program have mounts of its own here, by `unshare -m`?
function child.can_mount()
  return child.capture "unshare -m true 2>&- && echo yes" == "yes"
end

return child
