-- The values of grid.core that identify a process.

local core = require "grid.core"

describe("the machine", function()
  it("is told in texts that name this process", function()
    local machine = core.machine()
    assert.is_string(machine.pid)
    local stat = assert(io.open "/proc/self/stat"):read "*a"
    assert.equal(stat:match "^%d+", machine.pid)
    assert.equal(tonumber(machine.pid), core.pid())
    assert.matches("^%x+%-%x+%-%x+%-%x+%-%x+$", machine.boot_id)
    assert.matches("^pid:%[%d+%]$", machine.pid_namespace)
    assert.matches("^%d+$", machine.start_time)
  end)

  it("tells a process that is alive from one that has gone", function()
    local machine = core.machine()
    local state, start_time = core.process(tonumber(machine.pid))
    assert.same({ "alive", machine.start_time }, { state, start_time })
    local pipe = io.popen "echo $$"
    local gone = pipe:read "*n"
    pipe:close()
    assert.same({ "gone" }, { core.process(gone) })
    assert.same({ "unknown" }, { core.process(0) })
  end)

  it("has a clock that goes on from boot", function()
    local before = core.boottime()
    assert.is_true(core.boottime() >= before)
    local uptime = assert(io.open "/proc/uptime"):read "*n"
    assert.is_true(uptime >= math.floor(before))
  end)
end)
