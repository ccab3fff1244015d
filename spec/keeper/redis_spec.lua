-- Keepers over one Redis that is killed, and that loses power, in small: `make
-- keeper-redis` has the figures.
-- Does not know: how a fault is made.

local child = require "spec.support.child"
local hosts = require "spec.keeper.redis.hosts"
local power = require "spec.keeper.redis.power"
local scenes = require "spec.keeper.redis.scenes"

local SIZE = { workers = 2, ids = 4, seconds = 0.5 }

describe("keepers over one Redis", function()
  it("lose no session when Redis is killed and restarted, and no confirmed put", function()
    local result = scenes.run({ name = "", fault = "kill", fsync = "always", rounds = 2 }, SIZE)
    assert.is_nil(result.problem)
    assert.is_true(result.puts > 0 and result.rotations >= SIZE.ids)
    assert.same({ 0, 0, 0 }, { result.lost_puts, result.lost_sessions, result.reuses })
  end)

  it("lose them when Redis loses power that has not synced", function()
    local obstacle = scenes.no_loss()
    if obstacle then return pending(obstacle) end
    local result = scenes.run({ name = "", fault = "power", fsync = "no", rounds = 1 }, SIZE)
    assert.is_nil(result.problem)
    assert.is_true(result.lost_puts > 0)
    assert.equal(SIZE.ids, result.lost_sessions)
  end)
end)

describe("keepers of several hosts over one Redis", function()
  it("lose no session when one of them is cut off from Redis in the middle of a refresh", function()
    local obstacle = hosts.obstacle()
    if obstacle then return pending(obstacle) end
    local folder = child.folder()
    local code, said, problem = folder:run(hosts.command "spec/keeper/redis/run_hosts.lua" .. " small both", {}, child.root)
    folder:remove()
    assert.same({ 0, "" }, { code, problem })
    assert.matches("confirmed puts 0 lost, %d+ kept; of 6 sessions 0 lost", said)
    assert.matches(" [1-9]%d* replays, 0 reuses\n", said)
  end)
end)

describe("the trace of a file", function()
  it("tells which bytes were synced: those before a sync that has ended", function()
    local file = "</d/appendonlydir/appendonly.aof.1.incr.aof>"
    local trace = table.concat({
      "7 write(8" .. file .. ", ..., 10) = 10", "7 write(9</d/log>, ..., 99) = 99", "9 fdatasync(8" .. file .. " <unfinished ...>",
      "7 write(8" .. file .. ", ..., 5) = 5", "9 <... fdatasync resumed>) = 0",
    }, "\n")
    assert.equal(110, power.synced(trace, 100))
    assert.equal(115, power.synced(trace .. "\n7 fdatasync(8" .. file .. ") = 0", 100))
    assert.equal(100, power.synced(trace:gsub("9 <.*", ""), 100))
    local apart = "7 write(8" .. file .. ", ..., 5 <unfinished ...>\n9 read(3</d/log>) = 3\n7 <... write resumed>) = 5\n"
    assert.equal(5, power.synced(apart .. "7 fdatasync(8" .. file .. ") = 0", 0))
  end)
end)
