-- Which owners count as dead: each row of the keeper's table.

local owner = require "grid.keeper.owner"
local rig = require "spec.keeper.rig"

local me, other, remote, with = rig.me, rig.other, rig.remote, rig.with

local function clock(seconds)
  return { wall = 0, boot = rig.BOOT + seconds }
end

local function judge(held_by, by, seconds, facts)
  return owner.judge(owner.new(held_by, clock(0), 10), by, clock(seconds), facts or {})
end

local function local_process(state, start_time)
  return { is_local = true, process = { state = state, start_time = start_time } }
end

describe("an owner", function()
  it("names itself in text, with the time that it has", function()
    local held = owner.new(me, clock(0.5), 10)
    for name, value in pairs(held) do assert.equal("string", type(value), name) end
    assert.equal("123", held.pid)
    assert.equal("12000", held.time)
    assert.equal("5012500", held.deadline)
    assert.equal(5010.5, owner.not_after(held))
  end)

  it("that is this keeper is orphaned when its flight has ended", function()
    assert.equal("orphaned", (judge(me, me, 1)))
    assert.equal("alive", (judge(me, me, 1, { in_flight = true })))
  end)

  it("is not this keeper in a child of fork", function()
    assert.equal("alive", (judge(me, with(me, { pid = "200", start_time = "10" }), 1)))
    assert.equal("alive", (judge(me, with(me, { pid_namespace = "child's" }), 1)))
  end)

  it("is orphaned at once when its process is gone or another one", function()
    assert.equal("orphaned", (judge(other, me, 1, local_process "gone")))
    assert.equal("orphaned", (judge(other, me, 1, local_process("alive", "8"))))
    assert.equal("alive", (judge(other, me, 1, local_process("alive", "9"))))
    assert.equal("alive", (judge(other, me, 1, local_process("alive", nil))))
    assert.equal("alive", (judge(other, me, 1, local_process "unknown")))
    assert.equal("alive", (judge(with(other, { start_time = false }), with(me, { start_time = nil }), 1, local_process "alive")))
  end)

  it("is looked up only where its pid means the same process", function()
    local function pid(held_by, is_local) return owner.process_of(owner.new(held_by, clock(0), 10), me, is_local) end
    assert.equal("124", pid(other, true))
    assert.is_nil(pid(other, false))
    assert.is_nil(pid(me, true))
    for _, name in ipairs { "boot_id", "pid_namespace", "time_namespace" } do
      assert.is_nil(pid(with(other, { [name] = "x" }), true), name)
    end
    for _, text in ipairs { "124.0", "1e2", "", "-1", ("9"):rep(20) } do
      assert.is_nil(pid(with(other, { pid = text }), true), text)
    end
    local unknown = with(other)
    unknown.pid_namespace = nil
    local nameless = with(me)
    nameless.pid_namespace = nil
    assert.is_nil(owner.process_of(owner.new(unknown, clock(0), 10), nameless, true))
    for _, held_by in ipairs { with(other, { pid_namespace = "x" }), with(other, { pid = "124.0" }) } do
      assert.equal("alive", (judge(held_by, me, 1, local_process "gone")))
    end
  end)

  it("of the same boot has until its deadline, exactly", function()
    local container = with(other, { pid_namespace = "x" })
    local state, left = judge(container, me, 11.5)
    assert.equal("alive", state)
    assert.equal(0.5, left)
    assert.equal("orphaned", (judge(container, me, 12)))
    assert.equal("orphaned", (judge(other, me, 12, local_process("alive", "9"))))
    assert.equal("alive", (judge(container, me, 11, { same_rev_for = 1000 })))
  end)

  it("of another boot of the same machine is orphaned at once, in a store of one host", function()
    local here = { is_local = true }
    assert.equal("orphaned", (judge(with(other, { boot_id = "x" }), me, 0, here)))
    local unknown = with(other)
    unknown.boot_id = nil
    assert.equal("alive", (judge(unknown, me, 0, here)))
  end)

  it("of another boot of the same machine has no time left once this boot has lasted as long", function()
    local held, reborn = owner.new(me, clock(0), 10), with(me, { boot_id = "another" })
    assert.equal(9, owner.time_left(held, reborn, { wall = 0, boot = 3 }, { is_local = true, same_rev_for = 1 }))
    assert.equal(7, owner.time_left(held, reborn, { wall = 0, boot = 3 }, { is_local = true, same_rev_for = 5 }))
    assert.is_true(owner.time_left(held, reborn, { wall = 0, boot = 12 }, { is_local = true }) <= 0)
    assert.equal(12, owner.time_left(held, remote, { wall = 0, boot = 12 }, { is_local = true }))
  end)

  it("with the machine id of this host may be another host, in a store of many", function()
    local held, copy = owner.new(me, clock(0), 10), with(other, { boot_id = "of the copy" })
    assert.equal("alive", (judge(me, copy, 1e6)))
    assert.equal(12, owner.time_left(held, copy, { wall = 0, boot = 1e6 }, {}))
    assert.equal("orphaned", (judge(me, copy, 0, { same_rev_for = 12 })))
  end)

  it("elsewhere is orphaned when the same rev was seen for its whole time", function()
    local time_namespace = with(other, { time_namespace = "x" })
    for _, held_by in ipairs { remote, time_namespace } do
      local state, left = judge(held_by, me, 1e6, { same_rev_for = 11 })
      assert.equal("alive", state)
      assert.equal(1, left)
      assert.equal("orphaned", (judge(held_by, me, 0, { same_rev_for = 12 })))
      assert.equal("alive", (judge(held_by, me, 1e6)))
    end
  end)
end)
