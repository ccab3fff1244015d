-- The keeper in event loops: waiters of one refresh, the background, timeouts, close.

local child = require "spec.support.child"
local core = require "grid.core"
local grid = require "grid"
local loops = require "spec.support.loops"
local random = require "grid.random"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"
local waiting = require "grid.keeper.waiting"

for name, new_program in pairs(loops) do
  describe("the keeper with the host of " .. name, function()
    local server, program, keeper, events

    setup(function()
      server = rig.process()
      local first = new_program()
      if name == "luv" then require "luv".new_timer():close() end -- the loop opens files
      first.run()
    end)
    teardown(function() server.close() end)

    before_each(function()
      rig.begin()
      program = new_program()
    end)

    after_each(function()
      rig.close(keeper)
      program.run()
      program, keeper, events = nil, nil, nil
      rig.finish()
    end)

    local id = 0

    local function start(given, query)
      keeper, events = rig.keeper({ url = server.url .. (query or ""), host = program.host }, given)
      id = id + 1
      return "s" .. name .. id
    end

    local function tokens(session_id)
      return { access_token = "access-0", refresh_token = session_id .. "-0", expires_in = 3600 }
    end

    local function count_threads() return #assert(core.file_names "/proc/self/task") end

    local function executions() return server.stats().executions end

    it("refreshes once for all that wait", function()
      local me = start(nil, "?delay=0.2")
      local before, got = executions(), {}
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        rig.pass(4000)
        for i = 1, 20 do
          program.spawn(function() got[i] = assert(keeper:get(me)).access_token end)
        end
      end)
      program.run()
      assert.equal(20, #got)
      for i = 1, 20 do assert.equal("access-1", got[i]) end
      assert.equal(before + 1, executions())
      assert.equal("added refreshed", rig.names(events))
    end)

    it("serves the advisory window at once, and refreshes in the background", function()
      local me = start(nil, "?delay=0.2")
      local first
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        rig.pass(3600 - 100)
        first = { assert(keeper:get(me)).access_token, assert(keeper:get(me)).access_token, rig.names(events) }
      end)
      program.run()
      assert.same({ "access-0", "access-0", "added" }, first)
      program.spawn(function() first = assert(keeper:get(me)).access_token end)
      program.run()
      assert.equal("access-1", first)
      assert.equal("added refreshed", rig.names(events))
    end)

    it("waits for the refresh in the mandatory window, and serves the old session if that takes long", function()
      local me = start(nil, "?delay=0.1")
      local got = {}
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        rig.pass(3600 - 30)
        got[2] = assert(keeper:get(me, { timeout = 0.01 })).access_token
        got[1] = assert(keeper:get(me)).access_token
      end)
      program.run()
      assert.same({ "access-1", "access-0" }, got)
    end)

    it("ends the wait of a caller at its timeout, and finishes the refresh", function()
      local me = start(nil, "?delay=0.3")
      local err, late
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        rig.pass(4000)
        program.spawn(function() err = select(2, keeper:get(me, { timeout = 0.05 })) end)
        program.spawn(function() late = assert(keeper:get(me)).access_token end)
      end)
      program.run()
      raw_rig.assert_error(err, { kind = "timeout", code = "session_expired", retryable = true })
      assert.equal("refresh_under_way", err.cause.code)
      assert.equal("access-1", late)
    end)

    it("ends the waits when it is closed, and saves the answer that is under way", function()
      local me = start(nil, "?delay=0.3")
      local store, err = keeper.store, nil
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        rig.pass(4000)
        program.spawn(function() err = select(2, keeper:get(me)) end)
        program.sleep(0.05)
        keeper:close()
      end)
      program.run()
      raw_rig.assert_error(err, { kind = "cancelled", code = "keeper_closed" })
      local closed = keeper
      raw_rig.assert_misuse(function() closed:get(me) end, "closed")
      assert.equal("added refreshed", rig.names(events))
      local other = rig.keeper({ url = server.url, host = program.host }, { store = store })
      program.spawn(function() assert.equal("access-1", assert(other:get(me)).access_token) end)
      program.run()
      other:close()
    end)

    it("tries more than once to save an answer after it was closed, however long the store was down", function()
      local puts, sleep = 0, waiting.sleep
      local store = grid.store.memory()
      local me = start { store = rig.spoiled(store, { put = function(put, ...)
        puts = puts + 1
        if puts == 20 then keeper:close() end
        if puts > 2 and puts < 23 then return nil, "no space" end -- after the log-in and the intent
        return put(...)
      end }) }
      waiting.sleep = function(host, seconds) sleep(host, math.min(seconds, 0.01)) end
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        keeper:refresh(me, { timeout = 0 })
      end)
      program.run()
      waiting.sleep = sleep
      assert.equal(23, puts)
      assert.equal("added refreshed", rig.names(events))
    end)

    it("returns no older session to a caller whose read ends after another one has refreshed", function()
      local slow, generations = {}, {}
      local me = start { recheck = 0, store = rig.spoiled(grid.store.memory(), { get = function(get, ...)
        local read = slow.read
        slow.read = nil
        if read then program.sleep(0.3) end
        if read == "fails" then return nil, "down" end
        return get(...)
      end }) }
      local function note() generations[#generations + 1] = keeper:get(me).generation end
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        for _, read in ipairs { "fails", "works" } do
          slow.read = read
          program.spawn(note)
          while slow.read do program.sleep(0.01) end
          assert(keeper:refresh(me))
          program.sleep(0.4)
        end
      end)
      program.run()
      assert.same({ 2, 3 }, generations)
    end)

    it("keeps no session in memory that was removed, or replaced, while it was read", function()
      local is_slow, is_down, found = false, false, {}
      local store = rig.spoiled(grid.store.memory(), { get = function(get, ...)
        if is_down then error "down" end
        local blob, rev = get(...)
        if is_slow then
          is_slow = false
          program.sleep(0.2)
        end
        return blob, rev
      end })
      -- What a keeper with an empty memory finds after an edit during its first read.
      local function find_after(me, edit)
        local other = rig.keeper({ url = server.url, host = program.host }, { store = store, recheck = 0 })
        is_slow = true
        program.spawn(function() other:get(me) end)
        while is_slow do program.sleep(0.01) end
        assert(edit(other))
        program.sleep(0.3)
        is_down = true
        local session, err = other:get(me)
        is_down, found[#found + 1] = false, session and session.access_token or err.code
        other:close()
      end
      local me = start { store = store }
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        find_after(me, function(other)
          return other:add(me, { access_token = "new", refresh_token = me .. "new-0", expires_in = 3600 }, { replace = true })
        end)
        find_after(me, function(other) return other:remove(me) end)
      end)
      program.run()
      assert.same({ "new", "store_failed" }, found)
    end)

    if name == "luv" and coroutine.close then
      it("finishes the refresh of a coroutine that was closed", function()
        local me = start(nil, "?delay=0.2")
        local thread
        program.spawn(function()
          assert(keeper:add(me, tokens(me)))
          rig.pass(4000)
          thread = coroutine.create(function() keeper:get(me) end)
          coroutine.resume(thread)
          program.sleep(0.05)
          coroutine.close(thread)
        end)
        program.run()
        assert.equal("added refreshed", rig.names(events))
      end)
    end

    it("writes to a store of files on a thread, never on that of the loop", function()
      local folder = child.folder()
      local me = start { store = grid.store.file { directory = folder.path .. "/sessions" } }
      local replace_if, remove_if = core.file_replace_if, core.file_remove_if
      core.file_replace_if = function() error "the loop waits for the disk" end
      core.file_remove_if = core.file_replace_if
      local done, err
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        assert.equal("access-1", assert(keeper:refresh(me)).access_token)
        err = select(2, keeper:add(me, tokens(me)))
        done = keeper:remove(me)
      end)
      program.run()
      core.file_replace_if, core.file_remove_if = replace_if, remove_if
      assert.is_true(done)
      raw_rig.assert_error(err, { code = "exists" })
      keeper:close()
      keeper = nil
      folder:remove()
    end)

    it("writes on a few threads, however many sessions are written", function()
      local folder = child.folder()
      local me = start { store = grid.store.file { directory = folder.path .. "/sessions" } }
      local before, most, added = count_threads(), 0, 0
      for i = 1, 40 do
        program.spawn(function()
          assert(keeper:add(me .. i, tokens(me .. i)))
          added, most = added + 1, math.max(most, count_threads())
        end)
      end
      program.run()
      assert.equal(40, added)
      local threads_of_writer = most - before - (name == "nginx" and 1 or 0) -- whose host has one that waits
      assert.is_true(threads_of_writer > 1 and threads_of_writer <= 8, threads_of_writer)
      keeper:close()
      assert.equal(before, count_threads())
      keeper = nil
      folder:remove()
    end)

    it("ends its threads when it is closed during a write whose result the caller takes", function()
      local folder = child.folder()
      local me = start { store = grid.store.file { directory = folder.path .. "/sessions" } }
      local before, spawn, added = count_threads(), program.host.spawn, false
      collectgarbage "stop" -- which would end them, too
      program.spawn(function()
        program.host.spawn = function(f, ...)
          program.host.spawn = spawn
          keeper:close()
          return spawn(function(...)
            while not added do program.sleep(0.01) end
            f(...)
          end, ...)
        end
        added = keeper:add(me, tokens(me))
      end)
      program.run()
      local after = count_threads()
      collectgarbage "restart"
      assert.truthy(added)
      assert.equal(before, after)
      keeper = nil
      folder:remove()
    end)

    it("keeps alive what no caller asks for", function()
      local me = start { recheck = 0 }
      local seen
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        assert(keeper:start { every = 0.02 })
        rig.pass(3600 - 30)
        for _ = 1, 500 do
          if keeper.counters.refreshed then break end
          program.sleep(0.01)
        end
        keeper:stop()
        seen = assert(keeper:get(me)).access_token
      end)
      program.run()
      assert.equal("access-1", seen)
    end)

    it("keeps the others alive while the store does not take the answer of one session", function()
      local is_refused, puts, refreshed = true, 0, {}
      local me = start { store = rig.spoiled(grid.store.memory(), { put = function(put, session_id, ...)
        if not session_id:find "refused$" then return put(session_id, ...) end
        puts = puts + 1
        if puts > 2 and is_refused then return nil, "too large" end -- after the log-in and the intent
        return put(session_id, ...)
      end }) }
      program.spawn(function()
        for _, one in ipairs { me .. "refused", me } do assert(keeper:add(one, tokens(one))) end
        assert(keeper:start { every = 0.02 })
        for i = 1, 3 do
          rig.pass(3600 - 30)
          for _ = 1, 300 do
            refreshed[i] = keeper:status(me).generation
            if refreshed[i] > i then break end
            program.sleep(0.01)
          end
        end
        is_refused = false
        keeper:stop()
      end)
      program.run()
      assert.same({ 2, 3, 4 }, refreshed)
      assert.equal(2, keeper:status(me .. "refused").generation)
    end)

    it("tells a caller whose time is over why the store has not taken the answer", function()
      local puts, errs = 0, {}
      local me = start { store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
        puts = puts + 1
        if puts > 2 and not errs[2] then return nil, "no space" end -- after the log-in and the intent
        return put(...)
      end }) }
      program.spawn(function()
        assert(keeper:add(me, tokens(me)))
        errs[1] = select(2, keeper:refresh(me, { timeout = 0.3 }))
        rig.pass(4000)
        errs[2] = select(2, keeper:get(me, { timeout = 0.3 }))
      end)
      program.run()
      for i, code in ipairs { "refresh_under_way", "session_expired" } do
        raw_rig.assert_error(errs[i], { kind = "timeout", code = code, retry_after = 1 })
        assert.matches("no space", errs[i].message)
      end
      assert.equal("store", errs[1].cause.kind)
      assert.equal(2, keeper:status(me).generation)
    end)

    it("begins the rounds of `start` at a random time, since many workers start together", function()
      local unit, store, rounds = random.unit, grid.store.memory(), {}
      start { store = store }
      for _, share in ipairs { 0, 0.9 } do
        random.unit = function() return share end
        rounds[#rounds + 1] = 0
        store.due = function() rounds[#rounds] = rounds[#rounds] + 1 return {} end
        program.spawn(function()
          assert(keeper:start { every = 3600 })
          for _ = 1, share == 0 and 500 or 5 do
            if rounds[#rounds] > 0 then break end
            program.sleep(0.01)
          end
          keeper:stop()
        end)
        program.run()
      end
      random.unit = unit
      assert.same({ 1, 0 }, rounds)
    end)

    it("refreshes what is due, many at once", function()
      local me = start(nil, "?delay=0.2")
      local counts, most = nil, 0
      program.spawn(function()
        for i = 1, 20 do assert(keeper:add(me .. i, tokens(me .. i))) end
        rig.pass(3600 - 30)
        local is_over = false
        program.spawn(function()
          while not is_over do
            local count = 0
            for _ in pairs(keeper.flights) do count = count + 1 end
            most = math.max(most, count)
            program.sleep(0.01)
          end
        end)
        counts = assert(keeper:refresh_due { concurrency = 8 })
        is_over = true
      end)
      program.run()
      assert.same({ due = 20, refreshed = 20, adopted = 0, failed = 0, elsewhere = 0 }, counts)
      assert.equal(8, most)
    end)
  end)
end
