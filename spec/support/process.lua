-- Programs that run beside a spec, on either VM, until they end or are killed. Needs a
-- shell.
-- Owns: the folder of each process, which has its output. It is in a folder of the
-- spec, which removes it.
-- Does not know: what a program does.

local child = require "spec.support.child"
local files = require "spec.support.files"
local lfs = require "lfs"

local quote = child.quote

local process = {}
local Process = { __name = "spec.process" }
Process.__index = Process

--- The VMs that the project is built for; the one that runs the spec is among them.
function process.vms()
  local found = {}
  for _, vm in ipairs { "lua5.4", "luajit" } do
    local path = process.cpath(vm):match "^[^;]*":gsub("%?", "grid/core")
    if files.exists(path) then found[#found + 1] = vm end
  end
  return found
end

--- LUA_CPATH of the build for that VM, beside the build that the spec runs on.
function process.cpath(vm)
  for entry in child.absolute(package.cpath):gmatch "[^;]+" do
    local build = entry:match "^(.*)/lua5%.4/%?%.so$" or entry:match "^(.*)/luajit/%?%.so$"
    if build then return ("%s/%s/?.so;;"):format(build, vm) end
  end
end

local count = 0

--- Starts a Lua program. Options: vm (default: "lua5.4" or "luajit" that the spec runs
--- on), env (variables), prefix (shell words before the interpreter), folder (where the
--- process has its own folder).
---@param script string
---@param arguments string[]
---@param options { vm: string?, env: table?, prefix: string?, folder: string }
function process.start(script, arguments, options)
  local vm = options.vm or (rawget(_G, "jit") and "luajit" or "lua5.4")
  count = count + 1
  local self = setmetatable({ path = ("%s/process-%d"):format(options.folder, count), vm = vm }, Process)
  assert(lfs.mkdir(self.path))
  local words = { "LUA_PATH=" .. quote(child.absolute(package.path)), "LUA_CPATH=" .. quote(process.cpath(vm)) }
  for name, value in pairs(options.env or {}) do words[#words + 1] = name .. "=" .. quote(value) end
  words[#words + 1] = "exec " .. (options.prefix or "")
  words[#words + 1] = vm
  words[#words + 1] = quote(script)
  for _, argument in ipairs(arguments) do words[#words + 1] = quote(argument) end
  local here = quote(self.path)
  local command = ("( %s >%s/out 2>%s/err </dev/null & echo $! >%s/pid; wait $!; echo $? >%s/rc ) 2>/dev/null &"):format(
    table.concat(words, " "), here, here, here, here)
  assert(os.execute(command))
  return self
end

--- The exit code | nil: it runs. A signal counts as 128 and its number.
function Process:code()
  return tonumber(files.read(self.path .. "/rc"):match "^(%d+)\n")
end

function Process:pid()
  return tonumber(files.read(self.path .. "/pid"):match "^(%d+)\n")
end

function Process:output() return files.read(self.path .. "/out") end

--- Its output on standard error, without the message of a shell about its end.
function Process:errors() return (files.read(self.path .. "/err"):gsub("Killed\n$", "")) end

--- Is it stopped by a signal?
function Process:is_stopped()
  local pid = self:pid()
  local stat = pid and files.find("/proc/" .. pid .. "/stat")
  return stat ~= nil and stat:match "^.*%) (%u)" == "T"
end

function Process:signal(name)
  local pid = not self:code() and self:pid()
  if pid then os.execute(("kill -%s %d 2>/dev/null"):format(name, pid)) end
end

--- Ends it, if it runs.
function Process:close()
  self:signal "KILL"
  while not self:code() do os.execute "sleep 0.01" end
end

return process
