-- The servers that specs start: they survive any request, end with the process that
-- started them, however it ended, and leave no file.

local child = require "spec.support.child"
local fault_server = require "spec.support.fault_server"

-- Starts one of each and says so. What it starts is in a process group of its own.
local START_ALL = [[
  local servers = {
    require("spec.support.sandbox").start(),
    require("spec.support.fault_server").start(),
    require("spec.support.fault_server").start "frame_server",
    require("spec.support.nginx").start {},
  }
  print "started"
  io.stdout:flush()
  io.read "*l"
  if arg[1] == "stop" then for _, server in ipairs(servers) do server:stop() end end
]]

-- Each side waits for the other at a FIFO. Prints how many servers have a folder, then
-- what is left after the end: nothing, or the names that are still there after a minute.
local KILLED = [[
  mkdir tmp && mkfifo in out
  (cd '%s' && TMPDIR='%s/tmp' exec setsid env %s '%s/start.lua' %s) <in >out &
  pid=$!
  exec 3>in 4<out
  read -r word <&4 && ls tmp | wc -l
  %s
  exec 3>&- 4<&-
  for i in $(seq 600); do [ -n "$(ls -A tmp)" ] || break; sleep 0.1; done
  ls -A tmp
]]

describe("the servers of the specs", function()
  local folder

  before_each(function() folder = child.folder() end)
  after_each(function() folder:remove() end)

  local function left_after(stop, ending)
    folder:write("start.lua", START_ALL)
    local _, out, err = folder:run(KILLED:format(child.root, folder.path, child.vm, folder.path, stop, ending))
    local count, left = out:match "^(%d+)\n(.*)$"
    assert.is_true(tonumber(count) >= 4, err)
    return left
  end

  it("leave no file when they are stopped", function()
    assert.equal("", left_after("stop", "echo >&3; wait $pid"))
  end)

  it("leave no file when the process that started them ends without a word", function()
    assert.equal("", left_after("", "kill -KILL $pid"))
  end)

  for _, signal in ipairs { "KILL", "TERM" } do
    it("leave no file when its whole process group gets a SIG" .. signal, function()
      assert.equal("", left_after("", "kill -" .. signal .. " -$pid"))
    end)
  end
end)

describe("the server that breaks", function()
  local server

  setup(function() server = fault_server.start() end)
  teardown(function() server:stop() end)

  for _, name in ipairs { "http", "https", "rawhttp", "rawhttps" } do
    it("answers 404 to a path that it does not know, and goes on: " .. name, function()
      for _, path in ipairs { "/", "/nowhere", "/length/nowhere", "/nowhere/nothing", "/length/constructor", "//" } do
        local command = "curl -s --path-as-is --cacert '%s' --max-time 20 -d '{}' -o /dev/null -w '%%{http_code}' '%s%s'"
        assert.equal("404", child.capture(command:format(server.ca, server[name], path)), path)
      end
    end)
  end
end)
